"""``mode="debug"``: every rewrite, every node and every kernel against its meaning.

What a function computes goes through rules, loops and machine code; each op's `ref`
says what it means.  A debugging function compares the two, and where they differ it
finds the step that is wrong:

``rewriting``   the passes, on the arguments at hand; then, within one, its rules
``lowering``    the loops of each kernel, run by the loop interpreter; then single ops
``native``      the machine code of each kernel, and the memory plan
``functions``   the formulas of transcendentals, and single instructions
``nonfinite``   which op made a NaN or an infinity

A step is blamed only where it is wrong by itself: a difference that is there because
rounding errors grow (a sum that cancels, say) is no mistake of anyone's.
"""

from .session import Debugger

__all__ = ["Debugger"]

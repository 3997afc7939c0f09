"""Which kernel's machine code computes something else than its nodes' `ref`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..codegen.program import Launch, Program, Step
from ..errors import DebugError, message
from ..graph import describe_site
from ..lower import Lowered
from ..op import Array
from .functions import wrong_function
from .lowering import (
    arguments,
    array_values,
    blame_lowering,
    last_writes,
    small_enough,
    step_name,
)
from .machine import Native
from .values import Given, differ, unstable, worst


def exposed(program: Program) -> Program:
    """`program` returning its temporaries too, each in memory of its own."""
    temps = [a.name for a in program.by_role("temp")]
    arrays = tuple(
        replace(a, role="output", slot=None) if a.role == "temp" else a
        for a in program.arrays
    )
    return replace(program, arrays=arrays, results=(*program.results, *temps))


def blame_native(
    lowered: Lowered, given: Given, trials: Sequence[Given], floor: float
) -> DebugError | None:
    """The error for the step after which an array does not hold what `ref` says.

    `trials` are arguments to repeat the step with in the loop interpreter.
    """
    constants = [c.data for c in lowered.constants]
    expected = array_values(lowered, given)
    native = Native(exposed(lowered.program), constants, lowered.functions)
    made = native(arguments(lowered, given))
    for number, step, name in last_writes(lowered.program):
        if name not in made or not differ(
            expected.get(name), made[name], "rounding", floor
        ):
            continue
        return _blame_step(lowered, number, step, name, made[name], given, trials)
    return _blame_memory(lowered, given)


def _blame_step(
    lowered: Lowered,
    number: int,
    step: Step,
    name: str,
    new: Array,
    given: Given,
    trials: Sequence[Given],
) -> DebugError | None:
    for trial in (given, *trials):
        if small_enough(lowered, trial):
            error = blame_lowering(lowered, trial, number)
            if error is not None:
                return error
    node = lowered.nodes[name]
    function = wrong_function(step.kernel) if isinstance(step, Launch) else None
    old = array_values(lowered, given)[name]
    if function is None and unstable(node, old, new, given):
        return None
    part = "code generation" if function is None else function.part
    of = "" if function is None else f" ({part} of {function.name}: {function.wrong})"
    kernel = step_name(step)
    text = message(
        f"mode='debug': machine code of kernel {kernel} is wrong{of}\n"
        f"  it computes {node.op.name}: {worst(old, new)}",
        operands=tuple(i.type for i in node.inputs),
        line=describe_site(node.site),
        remedy="this is a bug of symgraph: report it; mode='interpret' does not use "
        "machine code",
    )
    name_of = None if function is None else function.name
    return DebugError(text, part=part, node=node, kernel=kernel, function=name_of)


def _blame_memory(lowered: Lowered, given: Given) -> DebugError | None:
    """Every step is right when each array has its own memory: slots are shared badly.

    Names the array that is overwritten too early, if one can be found.
    """
    program = lowered.program
    constants = [c.data for c in lowered.constants]
    named = arguments(lowered, given)
    right = Native(exposed(program), constants, lowered.functions)(named)
    planned = Native(program, constants, lowered.functions)(named)
    wrong = [n for n, a in planned.items() if not _same(a, right[n])]
    if not wrong:
        return None
    clash = _clash(program)
    node = lowered.nodes[clash[0] if clash else wrong[0]]
    told = f": {clash[0]} and {clash[1]} are alive at once in one slot" if clash else ""
    text = message(
        f"mode='debug': the memory plan is wrong{told}\n"
        f"  the results are right where each array has its own memory; {wrong[0]} "
        "differs",
        operands=tuple(i.type for i in node.inputs),
        line=describe_site(node.site),
        remedy="this is a bug of symgraph: report it; mode='interpret' needs no plan",
    )
    return DebugError(text, part="memory plan", node=node)


def _same(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def _clash(program: Program) -> tuple[str, str] | None:
    """Two temporaries in one slot of which one is written before the other is read."""
    from ..lower.memory import lifetimes

    lives = lifetimes(program)
    placed = [a for a in program.by_role("temp") if a.name in lives]
    for k, first in enumerate(placed):
        for second in placed[k + 1 :]:
            if first.slot != second.slot:
                continue
            a, b = lives[first.name], lives[second.name]
            if a.first < b.last and b.first < a.last:
                return first.name, second.name
    return None

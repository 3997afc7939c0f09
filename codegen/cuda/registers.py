"""Scratch of a thread as values, which are in registers.

A device can index memory, not registers.  So where all loops of an iteration are short
and known it is written out, and each element of its scratch is a value of its own.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Atom, Kernel, Load, Loop, Store, walk
from ..names import names_of
from ..ranges import replaced
from ..unroll import UnfitError, Unroller, length, pruned

#: The most statements of an iteration that is written out, its functions' included.
MOST_STATEMENTS = 600


def in_registers(kernel: Kernel, nest: tuple[Loop, ...]) -> Kernel:
    """`kernel` without scratch, if each iteration of the nest can do without any.

    Each of them is a thread's.  The kernel stays as it is where it has no scratch, and
    where an iteration has loops that are too long or not known.
    """
    inner = nest[-1]
    if not kernel.scratch or _is_used_outside(kernel, inner):
        return kernel
    names = names_of(kernel)
    arrays = {b.name for b in (*kernel.buffers, *kernel.scratch)}
    visible = tuple(sorted(names - arrays))
    writer = Unroller(
        place=lambda array, index: (array, index),
        written={s.buffer for s, _ in walk(kernel.body) if isinstance(s, Store)},
        taken=set(names),
    )
    try:
        if length(inner.body, {}) > MOST_STATEMENTS:
            return kernel
        given = replace(kernel, body=inner.body, sizes=visible)
        values = writer.run(given, [b.name for b in kernel.buffers], visible)
    except UnfitError:
        return kernel
    return _with_body(kernel, nest, writer, values)


def _is_used_outside(kernel: Kernel, inner: Loop) -> bool:
    private = {buffer.name for buffer in kernel.scratch}
    within = {id(s) for s, _ in walk(inner.body)}
    return any(
        isinstance(s, Load | Store) and s.buffer in private and id(s) not in within
        for s, _ in walk(kernel.body)
    )


def _with_body(
    kernel: Kernel, nest: tuple[Loop, ...], writer: Unroller, values: dict[str, Atom]
) -> Kernel:
    """`kernel` with what `writer` has written as the body of the innermost loop."""
    inner = nest[-1]
    carries = tuple(
        replace(c, value=values[c.value] if isinstance(c.value, str) else c.value)
        for c in inner.carries
    )
    needed = {c.value for c in carries if isinstance(c.value, str)}
    body, _ = pruned(writer.statements, needed)
    made = replace(inner, body=tuple(body), carries=carries)
    return replace(kernel, body=replaced(kernel.body, inner, made), scratch=())

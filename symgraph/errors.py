"""What can go wrong, said in the user's terms.

Every error names the operation, the types it was given, the user's own line and what to
do about it.  Each class also derives from the built-in exception that NumPy raises in
the same place, so that ``except ValueError`` around a shape mistake goes on working.
"""

from __future__ import annotations


class SymgraphError(Exception):
    """Base of every error that symgraph raises on purpose."""


class ShapeError(SymgraphError, ValueError):
    """Shapes do not fit the operation."""


class DTypeError(SymgraphError, TypeError):
    """A dtype does not fit the operation, or cannot be converted safely."""


class IndexOutOfBoundsError(SymgraphError, IndexError):
    """An index lies outside the axis that it indexes."""


class DomainError(SymgraphError, ValueError):
    """A value outside of those for which the operation is defined."""


class UnusedInputError(SymgraphError, ValueError):
    """A function's input plays no part in its outputs."""


class MissingInputError(SymgraphError, ValueError):
    """An output depends on a variable that is not among the inputs."""


class DisconnectedInputError(SymgraphError, ValueError):
    """A gradient was asked for a variable that the cost does not depend on."""


class NotDifferentiableError(SymgraphError, TypeError):
    """An operation on the path has no derivative."""


class GradientError(SymgraphError, ArithmeticError):
    """A derivative differs from what finite differences give."""


class UnsupportedError(SymgraphError, NotImplementedError):
    """A valid request that symgraph does not carry out yet."""


class CompileError(SymgraphError, RuntimeError):
    """The compiler failed on a program; a bug in symgraph, not in the user's code."""


def message(
    what: str,
    *,
    operands: tuple[object, ...] = (),
    line: str | None = None,
    remedy: str | None = None,
) -> str:
    """The standard layout: what, the operands' types, the user's line, what to do."""
    parts = [what]
    if operands:
        parts.append("  operands: " + ", ".join(str(o) for o in operands))
    if line:
        parts.append(f"  at {line}")
    if remedy:
        parts.append(f"  help: {remedy}")
    return "\n".join(parts)

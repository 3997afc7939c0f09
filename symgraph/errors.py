"""What can go wrong, said in the user's terms.

Every error names the operation, the types it was given, the user's own line and what to
do about it.  Each class also derives from the built-in exception that NumPy raises in
the same place, so that ``except ValueError`` around a shape mistake goes on working.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from .graph import Site, describe_site, here

if TYPE_CHECKING:
    from .graph import Node


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


class SymbolicValueError(SymgraphError, TypeError):
    """Something that has no value yet was used where Python or NumPy needs one."""


class ArgumentError(SymgraphError, TypeError):
    """What a function of symgraph was given is not what it takes."""


class NotFoundError(SymgraphError, LookupError):
    """No rule, node or line is what somebody asks for."""


class GradientError(SymgraphError, ArithmeticError):
    """A derivative differs from what finite differences give."""


class UnsupportedError(SymgraphError, NotImplementedError):
    """A valid request that symgraph does not carry out yet."""


class CompileError(SymgraphError, RuntimeError):
    """The compiler failed on a program; a bug in symgraph, not in the user's code."""


class BrokenDeviceError(SymgraphError, RuntimeError):
    """A GPU broke off what it was doing; what was computed on it may be lost."""


class DebugError(SymgraphError, RuntimeError):
    """``mode="debug"`` has found where a value goes wrong.

    Attributes:
        pass_name: the pass that changes a value, if it is one.
        rule: the rule that does.
        op: the name of the op whose value or lowering is wrong.
        node: the node of that op.
        kernel: the kernel or library call that computes it.
        part: what of the compiler is wrong: "type", "rewriting", "lowering",
            "expansion", "code generation", "memory plan" (or "unknown"); or "value",
            where nothing is wrong but the op made a NaN or an infinity.
        function: the transcendental or primitive that is wrong, if it is one.
    """

    def __init__(
        self,
        text: str,
        *,
        part: str,
        pass_name: str | None = None,
        rule: str | None = None,
        node: Node | None = None,
        kernel: str | None = None,
        function: str | None = None,
    ) -> None:
        super().__init__(text)
        self.part = part
        self.pass_name = pass_name
        self.rule = rule
        self.node = node
        self.op = None if node is None else node.op.name
        self.kernel = kernel
        self.function = function


class NonFiniteWarning(RuntimeWarning):
    """``mode="debug"`` has met a NaN or an infinity that it was not to refuse."""


def run_time_remedy(error: type[SymgraphError]) -> str:
    """What to do about a failure that depends on the values given to a call."""
    if issubclass(error, IndexOutOfBoundsError):
        return "indices of an axis of n go from -n to n - 1: check what is passed"
    if issubclass(error, ShapeError):
        return "check the shapes and sizes that are passed"
    return "check the values that are passed"


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


def number_of(count: int, what: str) -> str:
    """``3 steps``, ``1 step``.

    >>> number_of(1, "step"), number_of(0, "step")
    ('1 step', '0 steps')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def closest(name: str, known: Iterable[str]) -> str:
    """``perhaps a, b? `` of the names that are most like one that there is not.

    >>> closest("simplfy", ["simplify", "loops"]), closest("x", ["simplify"])
    ('perhaps simplify? ', '')
    """
    import difflib

    found = difflib.get_close_matches(name, list(known), 3, 0.5)
    return f"perhaps {', '.join(found)}? " if found else ""


def refuse(
    error: type[SymgraphError],
    what: str,
    *operands: object,
    remedy: str,
    site: Site | None = None,
) -> NoReturn:
    """Raise `error` in the standard layout, on the line of `site` or else the user's.

    This is how whatever is wrong with a program is said; `message` is for texts that
    are put together elsewhere.
    """
    line = describe_site(here() if site is None else site)
    raise error(message(what, operands=operands, line=line, remedy=remedy))

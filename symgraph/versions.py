"""The compiled versions of a function, and why a call fits none.

The *fast* version is valid while all sizes that meet are equal; the *generic* one also
broadcasts sizes that turn out to be 1.  Which one a call takes is the entry's choice:
the fast one first, the generic one where that declines.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from .arguments import explain
from .codegen.errors import LinkError
from .compiler import Compilation, Compiled, Report, link
from .errors import CompileError, ShapeError, refuse, run_time_remedy
from .graph import describe_node
from .op import Array

if TYPE_CHECKING:
    from .codegen.cpu.link import NativeFunction
    from .codegen.program import HostFunction


class Version:
    """One compiled version of a function, linked into this process.

    `boxes` hold the values of the shared variables; `declined` takes the arguments of
    calls that native code declines.  `load_time` is what it took, in seconds, to find
    the code in the cache, and `link_time` to link it.
    """

    def __init__(
        self,
        compilation: Compilation,
        boxes: Sequence[list[Any]],
        declined: Callable[..., Any],
    ) -> None:
        self.compilation = compilation
        self._boxes = boxes
        self._declined = declined
        start = time.perf_counter()
        compiled = compilation.compiled()
        found = time.perf_counter()
        try:
            self.native = self._linked(compiled)
        except LinkError:
            if not compiled.from_cache:
                raise
            # Whole, but of no use to this process: whatever put it there.
            compiled = compilation.recompiled()
            found = time.perf_counter()
            self.native = self._linked(compiled)
        self.link_time = time.perf_counter() - found
        self.load_time = found - start if compiled.from_cache else 0.0
        self.entry = self.native.entry
        self.report: Report = compiled.report
        self.from_cache = compiled.from_cache

    @property
    def name(self) -> str:
        """The function's name."""
        return self.compilation.name

    def _linked(self, compiled: Compiled) -> NativeFunction:
        return link(compiled, self._boxes, self._declined, self._fail, self.name)

    def stretches(self, arrays: list[Array]) -> bool:
        """Whether all that these canonical arguments ask for is broadcasting.

        Raises:
            ShapeError: they are wrong whatever the version.
        """
        return stretches(self.compilation, self._values(arrays))

    def refuse(self, arrays: list[Array]) -> NoReturn:
        """Raise the error for canonical arguments that native code declined."""
        self.stretches(arrays)
        check_guards(self.compilation, self._values(arrays))
        raise CompileError(f"{self.name}: native code declined right arguments")

    def _values(self, arrays: list[Array]) -> list[Array]:
        return arrays + [box[0] for box in self._boxes]

    def _fail(self, code: int) -> NoReturn:
        """Raise the error of a run-time check, or what a function called raised."""
        raise_own(self.native.functions)
        from .codegen.cpu.link import failure

        raise_failure(self.compilation, *failure(code))


def stretches(compilation: Compilation, values: Sequence[Array]) -> bool:
    """Whether all that arguments and shared arrays ask for is broadcasting.

    Raises:
        ShapeError: they are wrong whatever the version.
    """
    request = compilation.request
    leaves = [*request.inputs, *request.shared]
    pairs = compilation.lowered.classes.pairs
    return explain(leaves, values, pairs, compilation.name)


def check_guards(compilation: Compilation, values: Sequence[Array]) -> dict[str, int]:
    """The sizes of a call, by the names that the program gives them.

    `values` are the arguments and the shared arrays, of the right dtypes and ranks.

    Raises:
        SymgraphError: what must hold before anything runs does not.
    """
    from .codegen import run

    lowered = compilation.lowered
    program = lowered.program
    names = [a.name for a in program.by_role("input", "shared")]
    arrays = dict(zip(names, values, strict=True))
    constants = program.by_role("constant")
    for array, constant in zip(constants, lowered.constants, strict=True):
        arrays[array.name] = constant.data
    try:
        sizes = run.check_guards(program, arrays)
    except run.GuardError as error:
        raise_failure(compilation, error.code)
    except OverflowError as error:
        refuse(
            ShapeError,
            f"{compilation.name}: {error}",
            remedy="call with smaller arrays, or smaller sizes",
        )
    return {name: int(size) for name, size in sizes.items()}


def raise_own(functions: Sequence[HostFunction]) -> None:
    """Raise what one of the functions that were called has raised, if one has."""
    for function in functions:
        raised = function.take()
        if raised is not None:
            trace = raised.__traceback__  # from the frame that native code entered
            raise raised.with_traceback(trace and trace.tb_next)


def raise_failure(
    compilation: Compilation, code: int, turn: int | None = None
) -> NoReturn:
    """Raise the error that a guard's or a check's code stands for.

    `turn` is the number of the round in which it failed, in a loop.
    """
    name = compilation.name
    failure = compilation.lowered.failures.get(code)
    if failure is None:
        refuse(
            ShapeError,
            f"{name}: sizes that must be equal differ",
            remedy=run_time_remedy(ShapeError),
        )
    node = failure.node
    reason = failure.reason
    if not reason.startswith(node.op.name):
        reason = f"{node.op.name}: {reason}"
    if turn is not None:
        reason += f" (in round {turn} of a loop)"
    refuse(
        failure.error,
        f"{name}: {reason}",
        *(describe_node(i) for i in node.inputs),
        site=node.site,
        remedy=run_time_remedy(failure.error),
    )


__all__ = ["Version", "check_guards", "raise_failure", "raise_own", "stretches"]

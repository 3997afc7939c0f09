"""The compiled versions of a function, and why a call fits none.

The *fast* version is valid while all sizes that meet are equal; the *generic* one also
broadcasts sizes that turn out to be 1.  Which one a call takes is the entry's choice:
the fast one first, the generic one where that declines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from .arguments import explain
from .codegen.errors import LinkError
from .compiler import Compilation, Compiled, Report, link
from .errors import CompileError, ShapeError, refuse, run_time_remedy
from .graph import Node, describe_node
from .op import Array

if TYPE_CHECKING:
    from .codegen.cpu.link import NativeFunction


class Version:
    """One compiled version of a function, linked into this process.

    `boxes` hold the values of the shared variables; `declined` takes the arguments of
    calls that native code declines.
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
        compiled = compilation.compiled()
        try:
            self.native = self._linked(compiled)
        except LinkError:
            if not compiled.from_cache:
                raise
            # Whole, but of no use to this process: whatever put it there.
            compiled = compilation.recompiled()
            self.native = self._linked(compiled)
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
        values = self._values(arrays)
        pairs = self.compilation.lowered.classes.pairs
        return explain(self._leaves(), values, pairs, self.name)

    def refuse(self, arrays: list[Array]) -> NoReturn:
        """Raise the error for canonical arguments that native code declined."""
        self.stretches(arrays)
        self._explain_guards(self._values(arrays))
        raise CompileError(f"{self.name}: native code declined right arguments")

    def _leaves(self) -> list[Node]:
        request = self.compilation.request
        return [*request.inputs, *request.shared]

    def _values(self, arrays: list[Array]) -> list[Array]:
        return arrays + [box[0] for box in self._boxes]

    def _explain_guards(self, values: list[Array]) -> None:
        from .codegen.interpret import GuardError, check_guards

        lowered = self.compilation.lowered
        program = lowered.program
        names = [a.name for a in program.by_role("input", "shared")]
        arrays = dict(zip(names, values, strict=True))
        constants = program.by_role("constant")
        for array, constant in zip(constants, lowered.constants, strict=True):
            arrays[array.name] = constant.data
        try:
            check_guards(program, arrays)
        except GuardError as error:
            self._raise(error.code)
        except OverflowError as error:
            refuse(
                ShapeError,
                f"{self.name}: {error}",
                remedy="call with smaller arrays, or smaller sizes",
            )

    def _fail(self, code: int) -> NoReturn:
        """Raise the error of a run-time check, or what a function called raised."""
        for function in self.native.functions:
            raised = function.take()
            if raised is not None:
                trace = raised.__traceback__  # from the frame that native code entered
                raise raised.with_traceback(trace and trace.tb_next)
        self._raise(code)
        raise CompileError(f"{self.name}: native code failed with status {code}")

    def _raise(self, code: int) -> None:
        failure = self.compilation.lowered.failures.get(code)
        if failure is None:
            refuse(
                ShapeError,
                f"{self.name}: sizes that must be equal differ",
                remedy=run_time_remedy(ShapeError),
            )
        node = failure.node
        reason = failure.reason
        if not reason.startswith(node.op.name):
            reason = f"{node.op.name}: {reason}"
        refuse(
            failure.error,
            f"{self.name}: {reason}",
            *(describe_node(i) for i in node.inputs),
            site=node.site,
            remedy=run_time_remedy(failure.error),
        )


__all__ = ["Version"]

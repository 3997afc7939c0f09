"""A debugging function: checked when it is made, and at every call."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from ..codegen.check import CheckError, check_program
from ..errors import DebugError, message
from ..evaluate import evaluate
from ..graph import Node
from ..lower import Request, lower
from ..op import Array
from ..passes import Pipeline
from ..rewrite import Preserves
from .lowering import arguments, blame_lowering, small_enough
from .machine import Declined, Failed, Native
from .native import blame_native
from .nonfinite import Watch, report
from .rewriting import blame_rewriting, small_inputs, stages_of
from .values import Given, differ, floor_of, unstable, worst


class Debugger:
    """One request, compiled from scratch, with each step on the way checked.

    Raises:
        DebugError: a pass, a rule or a lowering is wrong on small random inputs.
    """

    def __init__(self, request: Request, pipeline: Pipeline, name: str) -> None:
        self.request = request
        self._stages = stages_of(request.roots, pipeline)
        after = self._stages[-1].after if self._stages else request.roots
        self.lowered = lower(request, request.with_roots(after), name)
        try:
            check_program(self.lowered.program)
        except CheckError as error:
            raise DebugError(
                message(
                    f"mode='debug': the program is ill-formed: {error}",
                    remedy="this is a bug of symgraph: report it",
                ),
                part="lowering",
            ) from error
        self._trials = small_inputs((*request.roots, *after, *request.inputs))
        for given in self._trials:
            self._try_loops(given)
        self._native = Native(
            self.lowered.program, [c.data for c in self.lowered.constants]
        )
        self._lock = threading.Lock()

    def _try_loops(self, given: Given) -> None:
        """The loop interpreter against `ref`, where `given` makes sense."""
        if not self._complete(given) or not small_enough(self.lowered, given):
            return
        try:
            evaluate(self.request.roots, given)
        except (ArithmeticError, IndexError, ValueError):
            return  # an index outside, sizes that differ
        error = blame_lowering(self.lowered, given)
        if error is not None:
            raise error

    def _complete(self, given: Given) -> bool:
        return all(n in given for n in (*self.request.inputs, *self.request.shared))

    def __call__(
        self, arrays: Sequence[Array], shared: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """The outputs, and the new values of shared variables; both are checked.

        Raises:
            DebugError: a step on the way is wrong, or an op made a NaN.
            Declined: sizes for which the compiled code is not made.
            ShapeError, IndexOutOfBoundsError: the arguments are wrong.
        """
        request = self.request
        leaves = (*request.inputs, *request.shared)
        given: dict[Node, Array] = dict(zip(leaves, (*arrays, *shared), strict=True))
        watch = Watch()
        expected = evaluate(request.roots, given, watch)
        with self._lock:
            got = self._computed(given)
        floor = floor_of(given, request.roots)
        self._compare(expected, got, given, floor)
        report(watch, request.roots, got, given)
        count = len(request.outputs)
        return got[:count], got[count:]

    def _computed(self, given: Given) -> list[Array]:
        """The roots by machine code."""
        program = self.lowered.program
        try:
            made = self._native(arguments(self.lowered, given))
        except Failed as failed:
            failure = self.lowered.failures.get(failed.code)
            if failure is None:
                raise
            error = blame_lowering(self.lowered, given)
            name, reason = failure.node.op.name, failure.reason
            raise error or DebugError(
                f"mode='debug': {name}: machine code refuses what is right ({reason})",
                part="code generation",
                node=failure.node,
            ) from None
        names = (*program.results, *(a.name for a in program.by_role("update")))
        return [made[name] for name in names]

    def _compare(
        self,
        expected: Sequence[Array],
        got: Sequence[Array],
        given: Given,
        floor: float,
    ) -> None:
        """Find the step that is wrong, where a root differs from its meaning."""
        loosest = self._loosest()
        pairs = zip(self.request.roots, expected, got, strict=True)
        wrong = [
            (node, old, new)
            for node, old, new in pairs
            if differ(old, new, loosest, floor)
        ]
        if not wrong:
            return
        blame_rewriting(self._stages, given, floor)
        trials = [t for t in self._trials if self._complete(t)]
        error = blame_native(self.lowered, given, trials, floor)
        if error is not None:
            raise error
        for node, old, new in wrong:
            old = np.asarray(old)
            if self._stages and loosest == "special_values":
                continue  # each rule is right by itself: what they keep adds up
            if not unstable(node, old, new, given):
                raise DebugError(
                    message(
                        f"mode='debug': {node.op.name} differs from its meaning, "
                        f"though each step is right: {worst(old, new)}",
                        remedy="report it; mode='interpret' gives the meaning",
                    ),
                    part="unknown",
                    node=node,
                )

    def _loosest(self) -> Preserves:
        """What machine code keeps, and what all rules together do."""
        kept = {s.preserves for s in self._stages}
        return "special_values" if "special_values" in kept else "rounding"


__all__ = ["Debugger", "Declined"]

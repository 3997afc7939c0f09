"""A debugging function: checked when it is made, and at every call."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from ..check import MOST_NODES, small_inputs
from ..codegen.check import CheckError
from ..codegen.program_check import check_program
from ..errors import DebugError, message
from ..evaluate import evaluate
from ..graph import Node, describe_site, toposort
from ..lower import Lowered, Request, lower
from ..op import Array
from ..passes import Pipeline
from ..rewrite import Preserves
from .lowering import (
    arguments,
    blame_lowering,
    blame_preparing,
    fits,
    small_enough,
)
from .machine import Declined, Failed, Native
from .native import blame_native
from .nonfinite import Watch, report
from .rewriting import blame_rewriting, stages_of
from .values import Given, Sizes, differ, floor_of, makes_sense, unstable, worst


class Version:
    """One version of the program, fast or generic, and its machine code."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        try:
            check_program(lowered.program)
        except CheckError as error:
            raise DebugError(
                message(
                    f"mode='debug': the program is ill-formed: {error}",
                    remedy="this is a bug of symgraph: report it",
                ),
                part="lowering",
            ) from error

    @cached_property
    def native(self) -> Native:
        """The machine code, made when it is first needed."""
        constants = [c.data for c in self.lowered.constants]
        return Native(self.lowered.program, constants, self.lowered.functions)

    def results(self, given: Given) -> list[Array]:
        """The outputs and the new values of shared variables."""
        program = self.lowered.program
        made = self.native(arguments(self.lowered, given))
        names = (*program.results, *(a.name for a in program.by_role("update")))
        return [made[name] for name in names]


class Debugger:
    """One request, compiled from scratch, with each step on the way checked.

    Raises:
        DebugError: a pass, a rule or a lowering is wrong on small random inputs.
    """

    def __init__(self, request: Request, pipeline: Pipeline, name: str) -> None:
        self.request = request
        self.name = name
        self._stages = stages_of(request.roots, pipeline)
        self._after = self._stages[-1].after if self._stages else request.roots
        self._lock = threading.Lock()
        every = (*request.roots, *self._after, *request.inputs, *request.shared)
        known = len(toposort(every)) <= MOST_NODES
        self._trials = small_inputs(every) if known else []
        for given in self._trials:
            self._try_loops(given)

    @cached_property
    def _fast(self) -> Version:
        return self._version(generic=False)

    @cached_property
    def _generic(self) -> Version:
        """For sizes of 1 that are broadcast."""
        return self._version(generic=True)

    def _version(self, *, generic: bool) -> Version:
        rewritten = self.request.with_roots(self._after)
        return Version(lower(self.request, rewritten, self.name, generic=generic))

    def _chosen(self, given: Given) -> Version:
        """The version for these arguments, which `ref` has found to be right."""
        return self._fast if fits(self._fast.lowered, given) else self._generic

    def _try_loops(self, given: Given) -> None:
        """The loop interpreter against `ref`, where `given` makes sense."""
        if not makes_sense(self.request.roots, given):
            return
        lowered = self._chosen(given).lowered
        if small_enough(lowered, given):
            error = blame_preparing(lowered, self._after, given)
            error = error or blame_lowering(lowered, given)
            if error is not None:
                raise error

    def __call__(
        self, arrays: Sequence[Array], shared: Sequence[Array]
    ) -> tuple[list[Array], list[Array]]:
        """The outputs, and the new values of shared variables; both are checked.

        Raises:
            DebugError: a step on the way is wrong, or an op made a NaN.
            ShapeError, IndexOutOfBoundsError: the arguments are wrong.
        """
        request = self.request
        leaves = (*request.inputs, *request.shared)
        given: dict[Node, Array] = dict(zip(leaves, (*arrays, *shared), strict=True))
        watch, sizes = Watch(), Sizes()

        def see(node: Node, value: Array) -> None:
            watch(node, value)
            sizes(node, value)

        expected = evaluate(request.roots, given, see)
        if sizes.wrong is not None:
            raise _mistyped(sizes.wrong, sizes.shape)
        with self._lock:
            version = self._chosen(given)
            got = self._computed(version, given)
            floor = floor_of(given, request.roots)
            self._compare(version, expected, got, given, floor)
        report(watch, request.roots, got, given)
        count = len(request.outputs)
        return got[:count], got[count:]

    def _computed(self, version: Version, given: Given) -> list[Array]:
        """The roots by machine code, which must not refuse what `ref` computes."""
        try:
            return version.results(given)
        except Failed as failed:
            failure = version.lowered.failures.get(failed.code)
            node = None if failure is None else failure.node
            reason = "" if failure is None else f" ({failure.reason})"
        except Declined:
            node, reason = None, " (at entry)"
        error = blame_lowering(version.lowered, given)
        if error is not None:
            raise error
        of = "" if node is None else f"{node.op.name}: "
        raise DebugError(
            message(
                f"mode='debug': {of}machine code refuses what is right{reason}",
                line=None if node is None else describe_site(node.site),
                remedy="this is a bug of symgraph: report it",
            ),
            part="code generation",
            node=node,
        )

    def _compare(
        self,
        version: Version,
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
        lowered = version.lowered
        error = blame_preparing(lowered, self._after, given)
        if error is None:
            trials = [t for t in self._trials if fits(lowered, t)]
            error = blame_native(lowered, given, trials, floor)
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


def _mistyped(node: Node, shape: tuple[int, ...]) -> DebugError:
    return DebugError(
        message(
            f"mode='debug': the type of {node.op.name} is wrong: {node.type}, where "
            f"its value has the shape {list(shape)}",
            operands=tuple(i.type for i in node.inputs),
            line=describe_site(node.site),
            remedy="`infer` and `ref` of the op differ: report it, or correct your op",
        ),
        part="type",
        node=node,
    )

"""Programs run through numba.cuda, in its simulator, against the loop interpreter.

A script, since the simulator must be asked for before numba is imported:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.symgraph.cuda_cases PART OF PARTS``.  It prints
what disagrees, then how many programs and kernels of each kind it has run.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symgraph.codegen.cuda.launch import CudaProgram, Limits, refuse_calls
from symgraph.codegen.errors import CompileError
from symgraph.codegen.run import GuardError, ProgramResult, run_program
from symgraph.config import config
from symgraph.errors import SymgraphError
from symgraph.function import function
from symgraph.lower import Lowered
from symgraph.op import Op
from symgraph.variable import Variable

from .cases import Case
from .examples import EXAMPLES
from .loops import arguments
from .test_ops import built, drawn, groups

#: Few threads, which are Python's; blocks and chunks so small that there are several.
SMALL = Limits(threads=4, blocks=3, chunk=4, tile=2)
#: Relative to the largest element: sums are taken in another order.
TOLERANCE = {"f": 1e-11, "c": 1e-11}
SINGLE = 3e-5


def difference(got: ProgramResult, want: ProgramResult) -> str:
    """Where two results differ; empty if they do not."""
    if got.status != want.status:
        return f"status {got.status}, not {want.status}"
    if want.status:
        return ""
    pairs = list(zip(got.results, want.results, strict=True))
    pairs += [(got.updates[name], value) for name, value in want.updates.items()]
    for number, (x, y) in enumerate(pairs):
        if (x.dtype, x.shape) != (y.dtype, y.shape):
            return f"result {number} is {x.dtype}{x.shape}, not {y.dtype}{y.shape}"
        if y.dtype.kind not in "fc":
            if not np.array_equal(x, y):
                return f"result {number} is {x}, not {y}"
            continue
        finite = np.abs(y[np.isfinite(y)])
        single = y.dtype.name in ("float32", "complex64")
        most = (SINGLE if single else TOLERANCE[y.dtype.kind]) * finite.max(initial=1.0)
        if not np.allclose(x, y, rtol=0, atol=most, equal_nan=True):
            return f"result {number} is {x}, not {y}"
    return ""


def lowered(inputs: Sequence[Variable], outputs: Any, **more: Any) -> Any:
    """A function that is lowered when asked, and never compiled for the CPU."""
    return function(
        list(inputs), outputs, on_unused_input="ignore", mode="interpret", **more
    )._compilation


def compared(
    compilation: Any, values: Sequence[Any], shared: dict[str, Any] | None = None
) -> tuple[str, CudaProgram | None]:
    """How a program's results differ on the device, and what ran it."""
    made: Lowered = compilation.lowered
    given = arguments(made, values) | (shared or {})
    try:
        want = run_program(made.program, given)
    except GuardError:
        made = compilation.generic().lowered
        given = arguments(made, values) | (shared or {})
        try:
            want = run_program(made.program, given)
        except GuardError:
            return "", None
    whole = CudaProgram(made.program, SMALL)
    return difference(whole.run(given), want), whole


def calls_host(compilation: Any) -> bool:
    """Whether a program is refused, since it calls functions of the host."""
    try:
        refuse_calls(compilation.lowered.program)
    except CompileError:
        return True
    return False


def trials(made: type[Op]) -> Iterator[tuple[str, Case, Any]]:
    """For each example of an op the first group of shapes."""
    for number, case in enumerate(EXAMPLES[made]):
        yield f"{made.__name__} {number}", case, groups(case)


def main(part: int, parts: int) -> int:
    """Run every op's examples whose number is `part` modulo `parts`."""
    failures, kinds = 0, Counter[str]()
    slow = []
    for made in sorted(EXAMPLES, key=lambda made: made.__name__)[part::parts]:
        for label, case, found in trials(made):
            for group in found:
                begin = time.perf_counter()
                try:
                    compilation = lowered(*built(case, group[0]))
                    if calls_host(compilation):
                        kinds["refused"] += 1
                        continue
                except SymgraphError as error:
                    print(label, type(error).__name__, error)
                    continue
                for shapes in group:
                    if sum(int(np.prod(s)) for s in shapes) > 200:
                        continue
                    values = [a for d in case.dtypes for a in drawn(case, shapes, d)]
                    try:
                        fault, whole = compared(compilation, values)
                    except Exception as error:
                        fault, whole = f"{type(error).__name__}: {error}", None
                    if fault:
                        failures += 1
                        print(label, shapes, fault[:600], flush=True)
                    if whole is not None:
                        kinds["programs"] += 1
                        kinds.update(whole.kinds)
                slow.append((time.perf_counter() - begin, label))
    print(*sorted(slow)[-8:], sep="\n")
    print(dict(kinds), f"{sum(s for s, _ in slow):.0f}s", "failures:", failures)
    return failures


if __name__ == "__main__":
    with config.flags(cache=False):
        sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) != 0)

"""Programs run through numba.cuda, in its simulator, against the loop interpreter.

A script, since the simulator must be asked for before numba is imported:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.symgraph.cuda_cases PART ...``, where a part is
ops, graphs, steps or ends.  It prints what disagrees, then how many programs, and how
many kernels of each kind, it has run.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import symgraph as sg
from symgraph.codegen.cuda.launch import CudaProgram, refuse_calls
from symgraph.codegen.errors import CompileError
from symgraph.codegen.run import GuardError, ProgramResult, run_program
from symgraph.config import config
from symgraph.function import function
from symgraph.lower import Lowered
from symgraph.shared import storage_of
from symgraph.variable import Variable

from ..device import limits
from .examples import EXAMPLES
from .loops import arguments
from .random_graphs import RandomGraph, random_graphs
from .test_ops import built, drawn, groups

#: Few threads; blocks and chunks so small that there are several.
SMALL = limits()[0]
#: Relative to the largest element: sums are taken in another order.  On a GPU exp, log
#: and the like are libdevice's, within 10 ulp by its documentation: 2e-15 and 1e-6,
#: which leaves room for a few of them in a row.
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
    except (GuardError, ValueError):
        made = compilation.generic().lowered
        given = arguments(made, values) | (shared or {})
        try:
            want = run_program(made.program, given)
        except GuardError:
            return "", None
    fault = ""
    for cut in limits():
        whole = CudaProgram(made.program, cut)
        fault = fault or difference(whole.run(given), want)
    return fault, whole


def calls_host(compilation: Any) -> bool:
    """Whether a program is refused, since it calls functions of the host."""
    try:
        refuse_calls(compilation.lowered.program)
    except CompileError:
        return True
    return False


def fault_of(compilation: Any, values: Sequence[Any], kinds: Counter[str]) -> str:
    """How the results differ; what ran is counted in `kinds`."""
    fault, whole = compared(compilation, values)
    if whole is not None:
        kinds["programs"] += 1
        kinds["fused"] += len(whole._fusions.ends)
        kinds.update(whole.kinds)
    return fault


# -- every op --------------------------------------------------------------------------


def of_ops(part: int, parts: int, most: int) -> Counter[str]:
    """Run the examples of every op whose number is `part` modulo `parts`.

    Trials on more than `most` elements are left out.
    """
    kinds = Counter[str]()
    for made in sorted(EXAMPLES, key=lambda made: made.__name__)[part::parts]:
        for number, case in enumerate(EXAMPLES[made]):
            for group in groups(case):
                small = [
                    shapes
                    for shapes in group
                    if sum(int(np.prod(s)) for s in shapes) <= most
                ]
                compilation = lowered(*built(case, group[0]))
                if calls_host(compilation):
                    kinds["refused"] += 1
                    continue
                for shapes in small:
                    values = [a for d in case.dtypes for a in drawn(case, shapes, d)]
                    if fault := fault_of(compilation, values, kinds):
                        print(made.__name__, number, shapes, fault[:600])
                        kinds["failures"] += 1
    return kinds


# -- random graphs ---------------------------------------------------------------------


def of_graphs(count: int) -> Counter[str]:
    """Run so many random graphs, the same ones each time."""
    kinds = Counter[str]()

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(random_graphs(most_nodes=12))
    def run(graph: RandomGraph) -> None:
        compilation = lowered(graph.inputs, graph.outputs)
        if calls_host(compilation):
            kinds["refused"] += 1
        elif fault := fault_of(compilation, graph.values, kinds):
            print(graph, fault[:600])
            kinds["failures"] += 1

    run()
    return kinds


# -- training steps --------------------------------------------------------------------


def of_steps() -> Counter[str]:
    """Run a training step of a network, and one of an LSTM over a sequence."""
    kinds = Counter[str]()
    for step in (network_step, lstm_step):
        compilation, values, shared = step()
        names = [a.name for a in compilation.lowered.program.by_role("shared")]
        leaves = [storage_of(leaf).box[0] for leaf in compilation.request.shared]
        assert len(names) == len(leaves) == len(shared)
        given = dict(zip(names, leaves, strict=True))
        fault, whole = compared(compilation, values, given)
        assert whole is not None
        kinds["programs"] += 1
        kinds["fused"] += len(whole._fusions.ends)
        kinds.update(whole.kinds)
        if fault:
            print(step.__name__, fault[:600])
            kinds["failures"] += 1
    return kinds


Step = tuple[Any, list[np.ndarray], list[Variable]]


def network_step() -> Step:
    """Cross-entropy of a network; its parameters follow the gradient."""
    rng = np.random.default_rng(0)
    x, labels = sg.fmatrix("x"), sg.lvector("labels")
    w, b, v, c = shared = [
        sg.shared(rng.normal(size=shape).astype("float32"))
        for shape in ((5, 6), (6,), (6, 3), (3,))
    ]
    logits = sg.maximum(x @ w + b, 0) @ v + c
    logp = sg.special.log_softmax(logits, axis=1)
    loss = -sg.mean(logp[sg.arange(labels.shape[0]), labels])
    values = [rng.normal(size=(7, 5)).astype("float32"), rng.integers(0, 3, 7)]
    return stepped([x, labels], loss, shared), values, shared


def lstm_step() -> Step:
    """Mean square of the last state of an LSTM; parameters follow the gradient."""
    rng = np.random.default_rng(1)
    units, features = 3, 2
    x, target = sg.ftensor3("x"), sg.fmatrix("target")
    w, u, b = shared = [
        sg.shared(rng.normal(size=shape).astype("float32"))
        for shape in ((features, 4 * units), (units, 4 * units), (4 * units,))
    ]

    def step(carry: Any, row: Any) -> Any:
        h, c = carry
        cuts = [units, 2 * units, 3 * units]
        i, f, g, o = sg.split(row @ w + h @ u + b, cuts, axis=1)
        c = sg.special.expit(f) * c + sg.special.expit(i) * sg.tanh(g)
        return (sg.special.expit(o) * sg.tanh(c), c), None

    zeros = sg.zeros((x.shape[1], units), "float32")
    (h, _), _ = sg.scan(step, (zeros, zeros), x)
    loss = sg.mean((h - target) ** 2)
    values = [
        rng.normal(size=shape).astype("float32")
        for shape in ((4, 2, features), (2, units))
    ]
    return stepped([x, target], loss, shared), values, shared


def stepped(inputs: list[Variable], loss: Variable, shared: list[Variable]) -> Any:
    """A function that moves the parameters down the gradient."""
    gradients = sg.grad(loss, shared)
    pairs = zip(shared, gradients, strict=True)
    return lowered(inputs, loss, updates=[(p, p - 0.1 * g) for p, g in pairs])


# -- products that end with a kernel ---------------------------------------------------

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "tanh": sg.tanh,
    "relu": lambda z: sg.maximum(z, 0),
    "sigmoid": sg.special.expit,
    "gelu": lambda z: 0.5 * z * (1 + sg.special.erf(z * 0.5**0.5)),
}


def products(x: Any, w: Any, v: Any) -> dict[str, Any]:
    """Products of all forms that have the same shape for each of a batch."""
    return {
        "plain": x[0] @ w,
        "transposed": sg.tanh(sg.tanh(x[0] @ w) @ w.T) @ w,
        "rows": x @ w,
        "batched": x @ v,
    }


def of_ends() -> Counter[str]:
    """Layers of each activation, and their gradients, for each form of product."""
    rng, kinds = np.random.default_rng(0), Counter[str]()
    x, w, v, b = sg.dtensor3("x"), sg.dmatrix("w"), sg.dtensor3("v"), sg.dvector("b")
    for name, activation in ACTIVATIONS.items():
        for form, found in products(x, w, v).items():
            out = activation(found + b)
            wanted = [x, v if form == "batched" else w, b]
            outputs = [out, *sg.grad(sg.sum(out * out), wanted)]
            compilation = lowered([x, w, v, b], outputs)
            for p, m, k, n in ((2, 5, 4, 3), (1, 1, 3, 2), (2, 0, 2, 2), (1, 2, 0, 1)):
                shapes = (p, m, k), (k, n), (p, k, n), (n,)
                values = [rng.normal(size=shape) for shape in shapes]
                if fault := fault_of(compilation, values, kinds):
                    print(name, form, (p, m, k, n), fault[:600])
                    kinds["failures"] += 1
    return kinds


def main(what: str, *numbers: int) -> int:
    """Run a part; returns how many programs went wrong."""
    parts: dict[str, Callable[..., Counter[str]]] = {"ops": of_ops, "graphs": of_graphs}
    parts |= {"steps": of_steps, "ends": of_ends}
    begin = time.perf_counter()
    kinds = parts[what](*numbers)
    print(json.dumps(kinds))
    print(f"{time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return kinds["failures"]


if __name__ == "__main__":
    with config.flags(cache=False):
        sys.exit(main(sys.argv[1], *map(int, sys.argv[2:])) != 0)

"""Every op against NumPy, over dtypes, sizes and layouts, in both modes."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from symgraph.declare import tensor
from symgraph.graph import toposort
from symgraph.leaf import Leaf
from symgraph.op import Array, Op, all_ops
from symgraph.types import FLOATS
from symgraph.variable import Variable, as_tensor

from ..support import MODES, Computer, assert_same, layouts
from .examples import EXAMPLES, Case, Shapes

SPECIALS = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-310, 3e38, -0.5)


def ndims(shapes: Shapes) -> tuple[int, ...]:
    return tuple(len(s) for s in shapes)


def groups(case: Case) -> list[list[Shapes]]:
    """The trials in groups that one compiled function serves."""
    if case.static:
        return [[shapes] for shapes in case.shapes]
    ordered = sorted(case.shapes, key=ndims)
    return [list(group) for _, group in groupby(ordered, ndims)]


def declared(case: Case, shapes: Shapes, dtype: str) -> list[Variable]:
    """Inputs for one trial; every size is unknown unless the case wants its 1s known."""
    return [
        tensor(
            None,
            operand.dtype or dtype,
            [1 if case.static and size == 1 else None for size in shape],
        )
        for operand, shape in zip(case.operands, shapes, strict=True)
    ]


def drawn(case: Case, shapes: Shapes, dtype: str) -> list[Array]:
    rng = np.random.default_rng(len(shapes) + sum(map(sum, shapes)))
    return [
        operand.draw(rng, shape, dtype)
        for operand, shape in zip(case.operands, shapes, strict=True)
    ]


def built(case: Case, shapes: Shapes) -> tuple[list[Variable], list[Variable]]:
    """Inputs and outputs of the case in all its dtypes at once."""
    inputs: list[Variable] = []
    outputs: list[Variable] = []
    for dtype in case.dtypes:
        mine = declared(case, shapes, dtype)
        inputs += mine
        outputs.append(as_tensor(case.build(*mine)))
    return inputs, outputs


def expected(case: Case, arrays: list[Array]) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(case.numpy(*arrays))


Trial = list[list[Array]]


def check(case: Case, run: Computer, trial: Trial, note: str, given: Trial) -> None:
    """Run on `given`, which equals `trial`, the operands for each dtype, and compare."""
    results = run(*(array for arrays in given for array in arrays))
    for dtype, arrays, got in zip(case.dtypes, trial, results, strict=True):
        assert_same(got, expected(case, arrays), f"{note}, {dtype}")


def test_every_op_has_examples() -> None:
    written = {c for c in all_ops() if c.__module__.startswith("symgraph.ops.")}
    assert written and written == set(EXAMPLES)
    assert not any(issubclass(made, Leaf) for made in EXAMPLES)


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_examples_use_their_op(made: type[Op]) -> None:
    for case in EXAMPLES[made]:
        _, outputs = built(case, case.shapes[0])
        ops = {type(node.op) for node in toposort(v.node for v in outputs)}
        used = made in ops or any(issubclass(made, type(op)) for op in ops)
        if case is EXAMPLES[made][0]:
            assert used, f"{made.__name__} is not in what its first case builds"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_values(made: type[Op], mode: str) -> None:
    """Sizes: many, 0 and 1; the first of each group in every layout."""
    for number, case in enumerate(EXAMPLES[made]):
        for group in groups(case):
            run = Computer(*built(case, group[0]), mode)
            for shapes in group:
                trial = [drawn(case, shapes, dtype) for dtype in case.dtypes]
                check(case, run, trial, f"case {number}, {shapes}", trial)
            trial = [drawn(case, group[0], dtype) for dtype in case.dtypes]
            forms = [[dict(layouts(a)) for a in arrays] for arrays in trial]
            for name in max((f for fs in forms for f in fs), key=len):
                laid = [[f.get(name, f["as it is"]) for f in fs] for fs in forms]
                check(case, run, trial, f"case {number}, {group[0]}, {name}", laid)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "made",
    [made for made, cases in EXAMPLES.items() if cases[0].specials],
    ids=lambda made: made.__name__,
)
def test_special_values(made: type[Op], mode: str) -> None:
    """Every pair of NaN, infinities, zeros of both signs and extremes; extreme integers."""
    case = EXAMPLES[made][0]
    count = len(case.operands)
    trial = []
    for dtype in case.dtypes:
        if dtype in FLOATS:
            with np.errstate(all="ignore"):
                values = np.array(SPECIALS, dtype)
        elif dtype == "bool":
            values = np.array([False, True])
        else:
            info = np.iinfo(dtype)
            values = np.array([info.min, info.max, 0, 1, 2, info.max - 1], dtype)
        grid = np.meshgrid(*[values] * count, indexing="ij")
        trial.append(
            [
                (g.astype(o.dtype) if o.dtype else g).ravel()
                for g, o in zip(grid, case.operands, strict=True)
            ]
        )
    run = Computer(*built(case, ((1,),) * count), mode)
    check(case, run, trial, "special values", trial)

"""Every op against NumPy, over dtypes, sizes and layouts, in both modes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from itertools import groupby

import numpy as np
import pytest
import scipy.special

from symgraph import ops
from symgraph.declare import tensor
from symgraph.errors import ShapeError
from symgraph.graph import toposort
from symgraph.leaf import Leaf
from symgraph.op import Array, Op, all_ops
from symgraph.types import COMPLEX, FLOATS
from symgraph.variable import Variable, as_tensor

from ..support import (
    MODES,
    Computer,
    assert_same,
    compute,
    layouts,
    predicted_shape,
)
from .cases import Case, Shapes
from .examples import EXAMPLES

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
    """Inputs for one trial; sizes are unknown unless the case wants its 1s known."""
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
    """Run on `given`, equal to `trial`, the operands for each dtype; compare."""
    results = run(*(array for arrays in given for array in arrays))
    for dtype, arrays, got in zip(case.dtypes, trial, results, strict=True):
        assert_same(got, expected(case, arrays), f"{note}, {dtype}")


def test_every_op_has_examples() -> None:
    rooms = ("symgraph.ops.", "symgraph.loops.")
    written = {c for c in all_ops() if c.__module__.startswith(rooms)}
    assert written and written == set(EXAMPLES)
    assert not any(issubclass(made, Leaf) for made in EXAMPLES)


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_first_example_uses_its_op(made: type[Op]) -> None:
    case = EXAMPLES[made][0]
    _, outputs = built(case, case.shapes[0])
    assert made in {type(node.op) for node in toposort(v.node for v in outputs)}


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


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_inferred_shapes(made: type[Op]) -> None:
    """What a type says of the shape, computed from the inputs' sizes, is the shape."""
    for case in EXAMPLES[made]:
        for shapes in case.shapes:
            inputs = declared(case, shapes, case.dtypes[0])
            arrays = drawn(case, shapes, case.dtypes[0])
            output = as_tensor(case.build(*inputs))
            (got,) = compute([output], inputs, arrays)
            assert predicted_shape(output, inputs, arrays) == np.shape(got)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "made",
    [made for made, cases in EXAMPLES.items() if cases[0].specials],
    ids=lambda made: made.__name__,
)
def test_special_values(made: type[Op], mode: str) -> None:
    """Every pair of NaN, infinities, zeros of both signs and extremes."""
    case = EXAMPLES[made][0]
    count = len(case.operands)
    trial = []
    for dtype in case.dtypes:
        if dtype in FLOATS:
            with np.errstate(all="ignore"):
                values = np.array(SPECIALS, dtype)
        elif dtype in COMPLEX:
            pairs = itertools.product((np.nan, np.inf, 0.0, -1.5), repeat=2)
            values = np.array([complex(*pair) for pair in pairs], dtype)
        elif dtype == "bool":
            values = np.array([False, True])
        else:
            info = np.iinfo(dtype)
            values = np.array([info.min, info.max, 0, 1, 2, info.max - 1], dtype)
            values = np.append(values, np.array(-1).astype(dtype))
        grid = np.meshgrid(*[values] * count, indexing="ij")
        trial.append(
            [
                (g.astype(o.dtype) if o.dtype else g).ravel()
                for g, o in zip(grid, case.operands, strict=True)
            ]
        )
    run = Computer(*built(case, ((1,),) * count), mode)
    check(case, run, trial, "special values", trial)


ROWS = np.array(
    [
        [1.0, 2.0, 2.0, -3.0],
        [-np.inf, -np.inf, -np.inf, -np.inf],
        [-np.inf, 0.0, 1.0, -np.inf],
        [np.inf, 0.0, 1.0, 2.0],
        [np.inf, np.inf, -np.inf, 2.0],
        [0.0, np.nan, 5.0, np.nan],
        [1e300, 1e300, -1e300, 0.0],
        [0.0, -0.0, 0.0, -0.0],
    ]
)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("symbolic", "numpy"),
    [
        (ops.softmax, lambda x: scipy.special.softmax(x, 1)),
        (ops.log_softmax, lambda x: scipy.special.log_softmax(x, 1)),
        (lambda x: ops.logsumexp(x, 1), lambda x: scipy.special.logsumexp(x, 1)),
        (lambda x: ops.argmax(x, 1), lambda x: np.argmax(x, 1)),
        (lambda x: ops.max(x, 1), lambda x: np.max(x, 1)),
        (lambda x: ops.min(x, 0), lambda x: np.min(x, 0)),
        (lambda x: ops.sum(x, 1), lambda x: np.sum(x, 1)),
        (lambda x: ops.prod(x, 0), lambda x: np.prod(x, 0)),
        (ops.any, np.any),
        (lambda x: ops.all(x, 1), lambda x: np.all(x, 1)),
    ],
)
def test_rows_of_special_values(
    symbolic: Callable[[Variable], Variable], numpy: Callable[[Array], Array], mode: str
) -> None:
    """Infinities, NaN and ties, as NumPy and SciPy have them."""
    x = tensor("x", "float64", (None, None))
    (got,) = compute([symbolic(x)], [x], [ROWS], mode)
    with np.errstate(all="ignore"):
        assert_same(got, numpy(ROWS), "special rows")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reduction", [ops.max, ops.min, ops.argmax, ops.logsumexp])
def test_nothing_has_no_extreme(reduction: Callable[..., Variable], mode: str) -> None:
    x = tensor("x", "float64", (None, None))
    for axis, shape in ((0, (0, 3)), (1, (3, 0)), (None, (0, 3))):
        with pytest.raises(ShapeError):
            compute([reduction(x, axis)], [x], [np.zeros(shape)], mode)

"""Gradients of every op, to second order, against central differences in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from symgraph import ops
from symgraph.autodiff import grad
from symgraph.declare import tensor
from symgraph.op import Array, Op
from symgraph.types import is_float
from symgraph.variable import Variable, apply, as_tensor, constant

from ..support import MODES, Computer, compute
from .cases import Case, Shapes
from .examples import EXAMPLES

DIFFERENTIABLE = {
    made: [c for c in listed if c.smooth and "float64" in c.dtypes]
    for made, listed in EXAMPLES.items()
}

#: Steps of central differences, and what they leave: step**2, and rounding / step.
STEP, TOLERANCE = 1e-5, 2e-7


def chosen(case: Case) -> Shapes:
    """The shapes of one trial: small, but with elements where the case has such."""
    small = [s for s in case.shapes if all(np.prod(x, initial=1) <= 60 for x in s)]
    return max(small, key=lambda s: min(np.prod(x, initial=1) for x in s))


def declared(case: Case, shapes: Shapes) -> list[Variable]:
    return [
        tensor(
            None,
            operand.dtype or "float64",
            [1 if case.static and size == 1 else None for size in shape],
        )
        for operand, shape in zip(case.operands, shapes, strict=True)
    ]


def weighted(x: Variable, seed: int, shape: tuple[int, ...]) -> Variable:
    """A scalar that depends on every element of `x` in another way."""
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    return ops.sum(x * constant(weights))


def differences(f: Callable[..., float], arrays: list[Array], which: int) -> Array:
    """The gradient of a function of arrays by central differences."""
    result = np.empty(arrays[which].shape)
    for place in np.ndindex(result.shape):
        ends = []
        for step in (STEP, -STEP):
            moved = [np.array(a) for a in arrays]
            moved[which][place] += step
            ends.append(float(f(*moved)))
        result[place] = (ends[0] - ends[1]) / (2 * STEP)
    return result


def check_gradient(
    cost: Variable, inputs: list[Variable], arrays: list[Array], mode: str
) -> list[Variable]:
    """Compare the gradients of `cost` with differences; return them."""
    wrt = [v for v in inputs if is_float(v.dtype)]
    grads = grad(cost, wrt, disconnected_inputs="ignore")
    got = compute(grads, inputs, arrays, mode)
    value = Computer(inputs, [cost], "interpret")
    for variable, found, gradient in zip(wrt, got, grads, strict=True):
        which = next(k for k, v in enumerate(inputs) if v is variable)
        expected = differences(lambda *a: value(*a)[0], arrays, which)
        assert gradient.dtype == variable.dtype
        assert np.shape(found) == arrays[which].shape
        scale = max(1.0, np.abs(expected).max(initial=0.0))
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * scale)
    return grads


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("made", "number"),
    [(made, k) for made, cases in DIFFERENTIABLE.items() for k in range(len(cases))],
    ids=lambda p: p if isinstance(p, int) else p.__name__,
)
def test_gradients(made: type[Op], number: int, mode: str) -> None:
    case = DIFFERENTIABLE[made][number]
    shapes = chosen(case)
    rng = np.random.default_rng(number)
    arrays = [
        operand.draw(rng, shape, "float64")
        for operand, shape in zip(case.operands, shapes, strict=True)
    ]
    inputs = declared(case, shapes)
    result = as_tensor(case.build(*inputs))
    shape = compute([result], inputs, arrays)[0].shape
    first = check_gradient(weighted(result, 1, shape), inputs, arrays, mode)
    floats = [a for a, v in zip(arrays, inputs, strict=True) if is_float(v.dtype)]
    slope = constant(0.0)
    for seed, (gradient, array) in enumerate(zip(first, floats, strict=True)):
        slope = slope + weighted(gradient, seed + 2, array.shape)
    check_gradient(slope, inputs, arrays, mode)


def test_all_float_ops_are_differentiable() -> None:
    """Only ops that are flat, or that stop gradients, have no smooth case."""
    flat = {made.__name__ for made, cases in DIFFERENTIABLE.items() if not cases}
    assert flat == {
        *("All", "Any", "ArgMax", "ArgMin", "BitwiseAnd", "BitwiseCount"),
        *("BitwiseOr", "BitwiseXor", "Ceil", "Equal", "Floor", "FloorDivide", "Invert"),
        "IsFinite",
        *("IsInf", "IsNan", "LeftShift", "Less", "LessEqual", "NotEqual", "OnesLike"),
        *("RightShift", "Rint", "Sign", "SignBit", "StopGradient", "Trunc"),
        *("MultiplyHigh", "NumbaFunction", "NumpyFunction", "Positions", "Shuffle"),
        *("StandardExponential", "StandardGumbel", "StandardLaplace", "Threefry"),
        *("StandardNormal", "StandardUniform"),
        *("CommonSize", "RoundingError"),
        # Complex numbers have tests of their own, in test_complex.
        *("Conj", "FromParts", "Imag", "Real"),
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_with_zeros(zeros: int, mode: str) -> None:
    """To second order; product / element would be 0 / 0."""
    x = tensor("x", "float64", (None,))
    value = np.array([2.0, -1.5, 3.0, 0.5])
    value[:zeros] = 0.0
    (slope,) = check_gradient(ops.prod(x), [x], [value], mode)
    check_gradient(weighted(slope, 1, (4,)), [x], [value], mode)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reduction", [ops.max, ops.min])
def test_extremes_share_at_ties(
    reduction: Callable[[Variable], Variable], mode: str
) -> None:
    x = tensor("x", "float64", (None,))
    (got,) = compute(
        [grad(reduction(x), x)], [x], [np.array([1.0, 1.0, 1.0, 1.0])], mode
    )
    np.testing.assert_array_equal(got, 0.25)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_where_the_value_is_extreme(mode: str) -> None:
    """log_softmax and its gradient stay exact where exp overflows and underflows."""
    x = tensor("x", "float64", (None, None))
    value = np.array([[1000.0, 0.0, -1000.0], [-800.0, -800.0, -800.0]])
    y = ops.log_softmax(x)
    got, slope = compute([y, grad(-ops.mean(y[:, 0]), x)], [x], [value], mode)
    np.testing.assert_allclose(got[0], [0.0, -1000.0, -2000.0])
    np.testing.assert_allclose(slope[0], [0.0, 0.0, 0.0], atol=1e-300)
    np.testing.assert_allclose(slope[1], np.array([-2, 1, 1]) / 6)


@pytest.mark.parametrize("size", [1, 3])
def test_sum_to_at_run_time(size: int) -> None:
    """Where it is not known which operand was broadcast, the values decide."""
    x, y = tensor("x", "float64", (None,)), tensor("y", "float64", (None,))
    slope = grad(ops.sum(x * y), x)
    assert isinstance(slope.op, ops.SumTo)
    given = [np.arange(size) + 1.0, np.array([1.0, 2.0, 4.0])]
    (got,) = compute([slope], [x, y], given)
    np.testing.assert_array_equal(got, [7.0] if size == 1 else [1.0, 2.0, 4.0])


def test_power_at_zero() -> None:
    """The logarithm of 0 stays out of the gradient by the exponent."""
    a, b = tensor("a", "float64"), tensor("b", "float64")
    got = compute(grad(apply(ops.Power(), a, b), [a, b]), [a, b], [0.0, 2.0])
    np.testing.assert_array_equal(got, [0.0, 0.0])

"""Derivatives compared with differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import ops
from ..errors import ArgumentError, GradientError, refuse
from ..evaluate import evaluate
from ..graph import intern
from ..leaf import Input, plain
from ..op import Array
from ..types import TensorType, is_float
from ..variable import Variable, as_tensor, constant
from .forward import jvp
from .reverse import grad

#: Steps of central differences by dtype, and what they leave of relative error.
_STEPS = {"float32": 1e-2, "float64": 1e-5}
_TOLERANCES = {"float32": 1e-2, "float64": 1e-6}


def verify_grad(
    fn: Callable[..., Any],
    points: Sequence[object],
    n_tests: int = 2,
    rng: np.random.Generator | int | None = 0,
    eps: float | None = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
) -> None:
    """Check the derivatives of `fn` at `points` against central differences.

    The result is reduced to a scalar by random weights, `n_tests` times; its gradient
    with respect to each float argument is compared element by element, and its tangent
    in a random direction with the gradient.  Everything is computed by the ops'
    references (``mode="interpret"``).

    Args:
        fn: builds one expression from variables.
        points: an array for each argument; gradients are checked of those of float
            types.
        n_tests: how many weightings to try.
        rng: a generator, or a seed for one.
        eps: the step of the differences; for float64 1e-5, for float32 1e-2.
        abs_tol: what may differ absolutely; for float64 1e-6, for float32 1e-2.
        rel_tol: what may differ relative to a gradient's largest element; the same.

    Raises:
        GradientError: a derivative is wrong.

    >>> import symgraph as sg
    >>> verify_grad(lambda x: sg.exp(x) / x, [np.array([1.0, 2.0])])
    """
    arrays = [plain(p, "a point") for p in points]
    inputs = [
        Variable(intern(Input(TensorType(a.dtype.name, a.shape)), ())) for a in arrays
    ]
    output = as_tensor(fn(*inputs))
    places = [k for k, v in enumerate(inputs) if is_float(v.dtype)]
    if not places or not is_float(output.dtype):
        refuse(
            ArgumentError,
            "verify_grad: no float argument, or a result that is not of a float type",
            *inputs,
            remedy="give float arrays",
        )
    draw = np.random.default_rng(rng)
    given = _Values(inputs, arrays)
    shape = np.shape(given([output])[0])
    coarse = "float32" in (output.dtype, *(inputs[k].dtype for k in places))
    rough = "float32" if coarse else "float64"
    step = _STEPS[rough] if eps is None else eps
    tolerances = tuple(
        _TOLERANCES[rough] if t is None else t for t in (abs_tol, rel_tol)
    )
    for _ in range(n_tests):
        weights = draw.uniform(0.5, 1.5, shape).astype(output.dtype)
        cost = ops.sum(output * constant(weights))
        _verify(cost, given, places, draw, step, *tolerances)


def _verify(
    cost: Variable,
    given: _Values,
    places: Sequence[int],
    draw: np.random.Generator,
    step: float,
    absolute: float,
    relative: float,
) -> None:
    """Compare the gradient of `cost`, and its tangent in a random direction."""
    wrt = [given.inputs[k] for k in places]
    slopes = given(grad(cost, wrt, disconnected_inputs="ignore"))
    directions = [draw.uniform(-1, 1, np.shape(s)).astype(s.dtype) for s in slopes]
    (tangent,) = given([jvp(cost, wrt, directions, disconnected_outputs="ignore")])
    for place, slope in zip(places, slopes, strict=True):
        expected = given.differences(cost, place, step)
        _agree(f"argument {place}", slope, expected, absolute, relative)
    pairs = zip(slopes, directions, strict=True)
    product = sum(float(np.sum(s * d, dtype="float64")) for s, d in pairs)
    _agree("the tangent", tangent, product, absolute, relative)


class _Values:
    """Expressions of `inputs` computed where they are `arrays`."""

    def __init__(self, inputs: Sequence[Variable], arrays: Sequence[Array]) -> None:
        self.inputs, self.arrays = inputs, arrays

    def __call__(self, outputs: Sequence[Variable]) -> list[Any]:
        given = {v.node: a for v, a in zip(self.inputs, self.arrays, strict=True)}
        return evaluate([v.node for v in outputs], given)

    def differences(self, cost: Variable, place: int, step: float) -> Array:
        """The gradient of `cost` with respect to one input by central differences."""
        result = np.empty(self.arrays[place].shape)
        for index in np.ndindex(result.shape):
            ends, steps = [], []
            for sign in (1, -1):
                moved = [np.array(a) for a in self.arrays]
                moved[place][index] += sign * step
                steps.append(float(moved[place][index]))
                ends.append(float(_Values(self.inputs, moved)([cost])[0]))
            result[index] = (ends[0] - ends[1]) / (steps[0] - steps[1])
        return result


def _agree(
    what: str, got: Any, expected: Any, absolute: float, relative: float
) -> None:
    found, wanted = np.asarray(got, "float64"), np.asarray(expected, "float64")
    allowed = absolute + relative * np.abs(wanted).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(found - wanted) <= allowed)
    if not wrong.any():
        return
    place = tuple(int(k[0]) for k in np.nonzero(wrong)) if found.ndim else ()
    refuse(
        GradientError,
        f"verify_grad: {what}: {found[place]:.8g} at {list(place)}, where differences "
        f"give {wanted[place]:.8g} ({int(wrong.sum())} of {wrong.size} elements differ "
        f"by more than {allowed:.2g})",
        remedy="correct the op's vjp or jvp, or give points away from kinks",
    )


__all__ = ["verify_grad"]

"""Programs that are wrong, each in one way, with the error that it gets.

The names are those of the expected messages in ``tests/golden/errors``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import symgraph as sg
from symgraph.errors import (
    ArgumentError,
    DisconnectedInputError,
    DomainError,
    DTypeError,
    IndexOutOfBoundsError,
    MissingInputError,
    NotDifferentiableError,
    ShapeError,
    SymbolicValueError,
    SymgraphError,
    UnsupportedError,
    UnusedInputError,
)
from symgraph.op import Array
from symgraph.variable import apply


@dataclass(frozen=True)
class Wrong:
    """A program, and the class of the error that it gets."""

    run: Callable[[], object]
    error: type[SymgraphError]

    @property
    def name(self) -> str:
        """What the program is called, and its golden file."""
        return self.run.__name__


PROGRAMS: list[Wrong] = []


def wrong(
    error: type[SymgraphError],
) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Decorator: list a program that gets `error`."""

    def listed(run: Callable[[], object]) -> Callable[[], object]:
        PROGRAMS.append(Wrong(run, error))
        return run

    return listed


# -- shapes ----------------------------------------------------------------------------


@wrong(ShapeError)
def broadcasting() -> object:
    x, y = sg.tensor("x", shape=(3, 4)), sg.tensor("y", shape=(5,))
    return x + y


@wrong(ShapeError)
def matrix_product() -> object:
    x, w = sg.tensor("x", shape=("batch", 784)), sg.tensor("w", shape=(100, 10))
    return x @ w


@wrong(ShapeError)
def product_of_a_scalar() -> object:
    x, s = sg.dmatrix("x"), sg.dscalar("s")
    return x @ s


@wrong(ShapeError)
def concatenation() -> object:
    x, y = sg.tensor("x", shape=(2, 3)), sg.tensor("y", shape=(2, 4))
    return sg.concatenate([x, y], axis=0)


@wrong(ShapeError)
def stacking() -> object:
    x, y = sg.tensor("x", shape=(3,)), sg.tensor("y", shape=(4,))
    return sg.stack([x, y])


@wrong(ShapeError)
def reshaping() -> object:
    x = sg.tensor("x", shape=(4, 6))
    return x.reshape(5, 5)


@wrong(ShapeError)
def axis_out_of_range() -> object:
    x = sg.dmatrix("x")
    return sg.sum(x, axis=2)


@wrong(DTypeError)
def axis_of_several_where_one_is_taken() -> object:
    x = sg.matrix("x", "float32", ("n", 3))
    return sg.argmax(x, axis=(0, 1))  # type: ignore[arg-type]


@wrong(DTypeError)
def text_as_an_operand() -> object:
    x = sg.matrix("x", "float32", ("n", 3))
    return x + "one"  # type: ignore[operator]


@wrong(ArgumentError)
def eval_by_name() -> object:
    x = sg.matrix("x", "float32", ("n", 3))
    return (x + 1).eval({"x": np.ones((2, 3))})  # type: ignore[dict-item]


@wrong(ShapeError)
def shape_that_is_a_number() -> object:
    return sg.tensor("x", "float32", 3)  # type: ignore[arg-type]


@wrong(ShapeError)
def negative_number_of_rounds() -> object:
    x = sg.scalar("x", "float32")
    return sg.scan(lambda y: y * 2, outputs_info=x, n_steps=-1)


@wrong(ArgumentError)
def until_in_a_step_with_a_carry() -> object:
    x = sg.vector("x", "float32")
    return sg.scan(lambda total, y: (total + y, sg.until(total > 1)), 0.0, x)


@wrong(ShapeError)
def axis_given_twice() -> object:
    x = sg.dmatrix("x")
    return x.transpose(0, 0)


@wrong(ShapeError)
def too_many_indices() -> object:
    x = sg.dvector("x")
    return x[0, 1]


@wrong(IndexOutOfBoundsError)
def index_out_of_range() -> object:
    x = sg.tensor("x", shape=(3,))
    return x[3]


@wrong(ShapeError)
def maximum_of_nothing() -> object:
    x = sg.tensor("x", shape=(0, 3))
    return sg.max(x, axis=0)


@wrong(ShapeError)
def negative_dimension() -> object:
    return sg.tensor("x", shape=(-1, 3))


@wrong(ShapeError)
def dimension_of_another_kind() -> object:
    return sg.tensor("x", shape=(2.5,))


# -- dtypes ----------------------------------------------------------------------------


@wrong(DTypeError)
def bits_of_floats() -> object:
    x = sg.dvector("x")
    return (x > 0) & x


@wrong(DTypeError)
def difference_of_bools() -> object:
    x = sg.dvector("x")
    return (x > 0) - (x > 1)


@wrong(DTypeError)
def float_as_an_index() -> object:
    x = sg.dvector("x")
    return x[x / 2]


@wrong(UnsupportedError)
def boolean_mask() -> object:
    x = sg.dvector("x")
    return sg.exp(x[x > 0])


@wrong(DTypeError)
def half_precision() -> object:
    return sg.shared(np.zeros(3, "float16"), name="w")


@wrong(DTypeError)
def no_such_dtype() -> object:
    return sg.tensor("x", "flaot32")


@wrong(DTypeError)
def objects() -> object:
    return sg.constant(np.array([1, None]))


@wrong(ShapeError)
def ragged_list() -> object:
    x = sg.dvector("x")
    return x * [[1.0, 2.0], [3.0]]


@wrong(DTypeError)
def masked_array() -> object:
    x = sg.dvector("x")
    f = sg.function([x], x * 2)
    return f(np.ma.masked_array([1.0, 2.0], mask=[0, 1]))


@wrong(DTypeError)
def list_of_variables() -> object:
    x, y = sg.dscalars("x y")
    return sg.as_tensor([x, y])


# -- a variable has no value -----------------------------------------------------------


@wrong(SymbolicValueError)
def condition() -> object:
    x = sg.dscalar("x")
    return x if x > 0 else -x


@wrong(SymbolicValueError)
def chained_comparison() -> object:
    x = sg.dscalar("x")
    return 0 < x < 1


@wrong(SymbolicValueError)
def iteration() -> object:
    x = sg.dvector("x")
    return [row * 2 for row in x]


@wrong(SymbolicValueError)
def membership() -> object:
    x = sg.dvector("x")
    return 1.0 in x


@wrong(SymbolicValueError)
def to_float() -> object:
    x = sg.dscalar("x")
    return float(x)


@wrong(SymbolicValueError)
def to_int() -> object:
    n = sg.lscalar("n")
    return int(n)


@wrong(SymbolicValueError)
def python_range() -> object:
    n = sg.lscalar("n")
    return list(range(n))


@wrong(SymbolicValueError)
def python_math() -> object:
    x = sg.dscalar("x")
    return math.sin(x)


@wrong(SymbolicValueError)
def to_array() -> object:
    x = sg.dvector("x")
    return np.asarray(x)


@wrong(SymbolicValueError)
def numpy_ufunc() -> object:
    x = sg.dvector("x")
    return np.sin(x)


@wrong(SymbolicValueError)
def numpy_function() -> object:
    x, y = sg.dvectors("x y")
    return np.concatenate([x, y])


@wrong(SymbolicValueError)
def in_place_into_an_array() -> object:
    x = sg.dvector("x")
    total = np.zeros(3)
    total += x
    return total


@wrong(SymbolicValueError)
def assignment() -> None:
    x = sg.dvector("x")
    x[0] = 1.0


@wrong(SymbolicValueError)
def length() -> object:
    x = sg.dvector("x")
    return len(x)


# -- making a function -----------------------------------------------------------------


@wrong(MissingInputError)
def missing_input() -> object:
    x, y = sg.dvectors("x y")
    return sg.function([x], x + y)


@wrong(UnusedInputError)
def unused_input() -> object:
    x, y = sg.dvectors("x y")
    return sg.function([x, y], x * 2)


@wrong(ArgumentError)
def duplicate_input() -> object:
    x = sg.dvector("x")
    return sg.function([x, x], x * 2)


@wrong(ArgumentError)
def expression_as_input() -> object:
    x = sg.dvector("x")
    return sg.function([x + 1], x * 2)


@wrong(ArgumentError)
def number_as_input() -> object:
    x = sg.dvector("x")
    return sg.function([x, 3.0], x * 2)


@wrong(ArgumentError)
def input_without_a_list() -> object:
    x = sg.dvector("x")
    return sg.function(x, x * 2)


@wrong(ArgumentError)
def string_as_output() -> object:
    x = sg.dvector("x")
    return sg.function([x], [x * 2, "x"])


@wrong(ArgumentError)
def update_of_an_input() -> object:
    x = sg.dvector("x")
    return sg.function([x], x, updates={x: x + 1})


@wrong(ArgumentError)
def two_updates() -> object:
    x, w = sg.dvector("x"), sg.shared(np.zeros(3), name="w")
    return sg.function([x], w, updates=[(w, w + x), (w, w - x)])


@wrong(DTypeError)
def update_of_another_dtype() -> object:
    x, n = sg.dscalar("x"), sg.shared(0, name="n")
    return sg.function([x], n, updates={n: n + x})


@wrong(ShapeError)
def update_of_other_dimensions() -> object:
    x, w = sg.dmatrix("x"), sg.shared(np.zeros(3), name="w")
    return sg.function([x], w, updates={w: w + x})


@wrong(DTypeError)
def givens_of_another_type() -> object:
    x, n = sg.dvector("x"), sg.lvector("n")
    return sg.function([x], n * 2, givens={n: x})


@wrong(ShapeError)
def givens_that_do_not_fit() -> object:
    x, y = sg.dvector("x"), sg.tensor("y", shape=(4,))
    doubled = x + np.zeros(3)
    return sg.function([y], doubled, givens={x: y})


@wrong(UnsupportedError)
def no_such_mode() -> object:
    x = sg.dvector("x")
    return sg.function([x], x, mode="fats")


@wrong(UnsupportedError)
def no_such_device() -> object:
    x = sg.dvector("x")
    return sg.function([x], x, device="tpu")


# -- gradients -------------------------------------------------------------------------


@wrong(DisconnectedInputError)
def disconnected_gradient() -> object:
    x, y = sg.dvectors("x y")
    return sg.grad(sg.sum(x * x), y)


@wrong(DTypeError)
def gradient_for_an_integer() -> object:
    n = sg.lvector("n")
    return sg.grad(sg.sum(n * 0.5), n)


@wrong(DTypeError)
def integer_cost() -> object:
    x = sg.dvector("x")
    return sg.grad(sg.argmax(x), x)


@wrong(ShapeError)
def cost_that_is_no_scalar() -> object:
    x = sg.dvector("x")
    return sg.grad(x * x, x)


@wrong(ArgumentError)
def gradient_for_a_number() -> object:
    x = sg.dvector("x")
    return sg.grad(sg.sum(x), 1.0)


# -- calls -----------------------------------------------------------------------------


@wrong(ShapeError)
def argument_of_other_dimensions() -> object:
    x = sg.dmatrix("x")
    f = sg.function([x], sg.sum(x), name="total")
    return f(np.zeros(3))


@wrong(DTypeError)
def argument_of_another_dtype() -> object:
    x = sg.fvector("x")
    f = sg.function([x], x * 2, name="twice")
    return f(np.zeros(3))


@wrong(MissingInputError)
def too_few_arguments() -> object:
    x, y = sg.dvectors("x y")
    f = sg.function([x, y], x + y, name="plus")
    return f(np.zeros(3))


@wrong(MissingInputError)
def too_many_arguments() -> object:
    x = sg.dvector("x")
    f = sg.function([x], x * 2, name="twice")
    return f(np.zeros(3), np.zeros(3))


@wrong(MissingInputError)
def unknown_keyword() -> object:
    x = sg.dvector("x")
    f = sg.function([x], x * 2, name="twice")
    return f(z=np.zeros(3))


@wrong(DTypeError)
def variable_as_argument() -> object:
    x, y = sg.dvectors("x y")
    f = sg.function([x], x * 2, name="twice")
    return f(y)


@wrong(ShapeError)
def one_name_two_sizes() -> object:
    x = sg.tensor("x", shape=("batch", 3))
    t = sg.tensor("t", shape=("batch",))
    f = sg.function([x, t], sg.sum(x, axis=1) - t, name="error")
    return f(np.zeros((4, 3)), np.zeros(5))


@wrong(ShapeError)
def names_of_two_graphs() -> object:
    x = sg.tensor("x", shape=("batch",))
    loss = sg.sum(x * x)
    other = sg.tensor("other", shape=("batch",))
    f = sg.function([x, other], loss + sg.max(other), name="both")
    return f(np.zeros(2), np.zeros(7))


@wrong(ShapeError)
def another_size_than_declared() -> object:
    x = sg.tensor("x", shape=(None, 784))
    f = sg.function([x], sg.sum(x), name="total")
    return f(np.zeros((2, 28)))


@wrong(ShapeError)
def sizes_that_differ() -> object:
    x, y = sg.dvectors("x y")
    f = sg.function([x, y], x * y, name="times")
    return f(np.zeros(3), np.zeros(4))


@wrong(IndexOutOfBoundsError)
def index_out_of_bounds() -> object:
    x, k = sg.dvector("x"), sg.lvector("k")
    f = sg.function([x, k], sg.exp(x[k]), name="look")
    return f(np.zeros(3), np.array([0, 5]))


@wrong(ShapeError)
def negative_size() -> object:
    n = sg.lscalar("n")
    f = sg.function([n], sg.zeros((n,)) + 1, name="blank")
    return f(-2)


@wrong(DomainError)
def negative_power_of_integers() -> object:
    a, b = sg.lvectors("a b")
    f = sg.function([a, b], a**b, name="powers")
    return f(np.array([2, 2]), np.array([1, -1]))


@wrong(MissingInputError)
def evaluation_without_a_value() -> object:
    x, y = sg.dvectors("x y")
    return (x + y).eval({x: np.zeros(3)})


@wrong(DTypeError)
def shared_value_of_another_dtype() -> object:
    n = sg.shared(0, name="n")
    n.set_value(np.array(0.5))
    return n


@sg.op
class Counted(sg.Elemwise):
    """An op of a user's, which has no gradient."""

    def ref(self, x: Array) -> Array:
        return np.asarray(x)


# -- the rest --------------------------------------------------------------------------


@wrong(NotDifferentiableError)
def gradient_of_an_op_without_one() -> object:
    x = sg.dvector("x")
    return sg.grad(sg.sum(apply(Counted(), x)), x)


@wrong(SymgraphError)
def no_such_setting() -> None:
    sg.config.floatx = "float32"  # type: ignore[attr-defined]


@wrong(SymgraphError)
def no_such_rule() -> object:
    return sg.Mode().excluding("stabilise")

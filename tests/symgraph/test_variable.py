"""Variables: interning, operators, what they are not, and the words of errors."""

from __future__ import annotations

import copy
import gc
import operator
import pickle
import threading
from collections.abc import Callable

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import DTypeError, MissingInputError, ShapeError, SymgraphError
from symgraph.graph import Node, describe_site, toposort

from ..support import compute

BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow, operator.eq, operator.ne, operator.lt, operator.le),
    *(operator.gt, operator.ge, operator.matmul),
]
BITWISE = [operator.and_, operator.or_, operator.xor]


@pytest.mark.parametrize("operation", BINARY, ids=lambda f: f.__name__)
def test_operators_are_numpys_on_both_sides(operation: Callable[..., object]) -> None:
    x = sg.dvector("x")
    value, other = np.array([1.5, 2.0, 0.5]), np.array([0.5, 2.0, 3.0])
    outputs = [operation(x, other), operation(other, x), operation(x, x)]
    got = compute(outputs, [x], [value])
    pairs = [(value, other), (other, value), (value, value)]
    for one, (a, b) in zip(got, pairs, strict=True):
        np.testing.assert_allclose(one, operation(a, b))
    if operation is not operator.matmul:
        left, right = compute([operation(x, 2), operation(2, x)], [x], [value])
        np.testing.assert_allclose(left, operation(value, 2))
        np.testing.assert_allclose(right, operation(2, value))


@pytest.mark.parametrize("operation", BITWISE, ids=lambda f: f.__name__)
def test_bitwise_operators(operation: Callable[..., object]) -> None:
    k, value = sg.lvector("k"), np.array([5, 6, 7])
    got = compute([operation(k, 3), operation(3, k), ~k], [k], [value])
    expected = [operation(value, 3), operation(3, value), ~value]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_methods() -> None:
    x, value = sg.dmatrix("x"), np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
    got = compute(
        [
            *(abs(x), -x, +x, x.T, x.mT, x.sum(0), x.max(1), x.min(), x.mean(0)),
            *(x.argmax(1), x.reshape(3, 2), x.reshape((6,)), x.transpose(1, 0)),
            *(x.transpose(), x.flatten(), x.dot(x.T), x.astype("int32")),
            x.sum(keepdims=True),
        ],
        [x],
        [value],
    )
    expected = [
        *(abs(value), -value, value, value.T, value.mT, value.sum(0), value.max(1)),
        *(value.min(), value.mean(0), value.argmax(1), value.reshape(3, 2)),
        *(value.ravel(), value.T, value.T, value.ravel(), value @ value.T),
        *(value.astype("int32"), value.sum(keepdims=True)),
    ]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other)


def test_equal_expressions_are_one_node() -> None:
    x = sg.dvector("x")
    assert (sg.exp(x) + 1).same(sg.exp(x) + 1)
    assert not (x + 1).same(x + 1.5)
    assert not sg.dvector("x").same(sg.dvector("x"))
    assert hash(sg.exp(x)) == hash(sg.exp(x))


def test_constants_are_told_apart_by_their_bytes() -> None:
    zero, minus = sg.constant(0.0), sg.constant(-0.0)
    assert not zero.same(minus)
    assert not sg.constant(1).same(sg.constant(True))
    assert not sg.constant(1).same(sg.constant(1.0))
    assert sg.constant(np.nan).same(sg.constant(np.nan))
    big = np.arange(10_000.0)
    assert sg.constant(big).same(sg.constant(big.copy()))
    held = sg.constant(big)
    big[0] = 5.0
    assert held.eval()[0] == 0.0


def test_interning_from_many_threads() -> None:
    x = sg.dvector("x")
    start = threading.Barrier(8)
    made: list[list[Node]] = []

    def build() -> None:
        start.wait()
        y, nodes = x, []
        for k in range(300):
            y = sg.sin(y) + k
            nodes.append(y.node)
        made.append(nodes)

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8
    assert all(a is b for nodes in made for a, b in zip(nodes, made[0], strict=True))


def test_nodes_die_with_their_variables() -> None:
    x = sg.dvector("x")

    def alive() -> int:
        gc.collect()
        return sum(type(o) is Node for o in gc.get_objects())

    before = alive()
    y = x
    for k in range(100):
        y = y * x + k
    assert alive() >= before + 200
    del y
    assert alive() <= before


def test_what_a_variable_is() -> None:
    x = sg.tensor("x", "float32", ("n", 3))
    y = x * 2
    assert (x.dtype, x.ndim, x.name, y.name) == ("float32", 2, "x", None)
    assert x.shape[1] == 3 and x.shape[0].dtype == "int64"
    assert x.size.eval({x: np.ones((4, 3), "float32")}) == 12
    assert sg.tensor("x", shape=(2, 3)).size == 6
    assert repr(x) == "<x: float32[n, 3]>" and repr(y) == "<multiply: float32[n, 3]>"
    assert y.inputs[0].same(x) and isinstance(y.op, sg.ops.Multiply)
    assert len(sg.tensor("x", shape=(2, None))) == 2
    assert [row.type.dims for row in sg.tensor("x", shape=(2, 5))] == [(5,), (5,)]
    assert x.__array_namespace__() is sg


@pytest.mark.parametrize(
    ("misuse", "remedy"),
    [
        (lambda x: bool(x > 0), "use sg.where"),
        (lambda x: float(x[0]), "sg.function"),
        (lambda x: int(x[0]), "sg.function"),
        (lambda x: range(x.shape[0]), "static size"),
        (lambda x: np.asarray(x), r"x.eval\(\{...\}\)"),
        (lambda x: np.array([x, x]), r"x.eval\(\{...\}\)"),
        (lambda x: len(x), r"x.shape\[0\]"),
        (lambda x: list(x), "must be known"),
        (lambda x: 1.0 in x, "sg.any"),
        (lambda x: operator.setitem(x, 0, 1.0), "immutable"),
    ],
)
def test_what_a_variable_is_not(misuse: Callable[..., object], remedy: str) -> None:
    x = sg.dvector("x")
    with pytest.raises(
        SymgraphError, match=rf"symbolic[\s\S]*x[\s\S]*{remedy}"
    ) as caught:
        misuse(x)
    assert "test_variable.py:" in str(caught.value)


def test_numpy_functions_do_not_take_variables_apart() -> None:
    x = sg.dvector("x")
    with pytest.raises(TypeError):
        np.exp(x)
    assert isinstance(np.ones(3) + x, sg.Variable)
    assert isinstance(np.float64(2.0) * x, sg.Variable)


def test_lists_of_variables_are_refused() -> None:
    x = sg.dscalar("x")
    with pytest.raises(DTypeError, match=r"sg\.stack"):
        sg.sum([x, [x]])
    with pytest.raises(DTypeError, match="not supported"):
        sg.constant("text")


def test_errors_name_op_operands_line_and_remedy() -> None:
    x, y = sg.tensor("x", shape=(2,)), sg.tensor("y", shape=(3,))
    with pytest.raises(ShapeError) as caught:
        x + y
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("add: cannot broadcast: axis -1 has size 2")
    assert lines[1] == "  operands: <x: float64[2]>, <y: float64[3]>"
    assert lines[2].startswith("  at ") and lines[2].endswith("x + y")
    assert lines[3].startswith("  help: ")


def test_sites_are_the_users_lines() -> None:
    x = sg.dvector("x")
    y = sg.softmax(x)
    line = test_sites_are_the_users_lines.__code__.co_firstlineno + 2
    told = describe_site(y.site)
    assert told and told.endswith(f"test_variable.py:{line}: y = sg.softmax(x)")


def test_eval() -> None:
    x, y, z = sg.dvector("x"), sg.dscalar("y"), sg.fvector("z")
    got = (x * y).eval({x: [1.0, 2.0], y: 3})
    np.testing.assert_array_equal(got, [3.0, 6.0])
    assert isinstance(sg.sum(x).eval({x: [1.0]}), np.float64)
    # Any expression can be given.
    assert (sg.exp(x) + 1).eval({sg.exp(x): [1.0]}) == 2.0
    with pytest.raises(MissingInputError, match=r"input y[\s\S]*test_variable.py:"):
        (x * y).eval({x: [1.0, 2.0]})
    with pytest.raises(ShapeError, match="2 dimensions for float64"):
        x.eval({x: np.ones((2, 2))})
    with pytest.raises(DTypeError, match=r"value.astype\('float32'\)"):
        z.eval({z: np.ones(3)})


def test_values_are_converted_only_without_loss() -> None:
    x, k = sg.fscalar("x"), sg.bscalar("k")
    assert x.eval({x: 1}) == 1.0 and x.eval({x: 0.1}) == np.float32(0.1)
    for variable, value in ((x, np.float64(0.1)), (k, 1.5), (k, 300), (k, np.int64(3))):
        with pytest.raises(DTypeError):
            variable.eval({variable: value})


def test_mismatched_sizes_at_run_time() -> None:
    x, y = sg.dmatrices("x y")
    with pytest.raises(ShapeError, match=r"contract: [\s\S]*test_variable.py:"):
        (x @ y).eval({x: np.ones((2, 3)), y: np.ones((2, 3))})
    named = sg.tensor("a", shape=("n",)), sg.tensor("b", shape=("n",))
    with pytest.raises(ShapeError, match="has size 3, not 2"):
        (named[0] + named[1]).eval({named[0]: [1.0, 2.0], named[1]: [1.0, 2.0, 3.0]})


def test_results_share_no_memory() -> None:
    x = sg.dmatrix("x")
    given = np.ones((2, 3))
    for output in (x, x.T, x[::-1], x.reshape(-1), sg.broadcast_to(x, (2, 2, 3))):
        got = output.eval({x: given})
        assert not np.shares_memory(got, given)
        assert got.flags.c_contiguous and got.flags.writeable


def test_variables_are_copied_as_themselves_and_pickled_with_graphs() -> None:
    x = sg.dvector("x")
    assert copy.copy(x) is x and copy.deepcopy([x])[0] is x
    with pytest.raises(TypeError, match="pickle a Graph"):
        pickle.dumps(x)
    with pytest.raises(TypeError, match="pickled with their graph"):
        pickle.dumps(x.node)


def test_shared_subexpressions_are_counted_once() -> None:
    x = sg.dscalar("x")
    y = x
    for _ in range(60):
        y = y + y
    assert len(toposort([y.node])) == 61

"""Batching of every op against a loop, and what is built on it: vectorize."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import ops
from symgraph.errors import DTypeError, ShapeError, SymgraphError, UnsupportedError
from symgraph.graph import Node, toposort
from symgraph.op import Array, Elemwise, Op, op
from symgraph.op import Opaque as OpaqueOp
from symgraph.types import TensorType
from symgraph.variable import Variable, apply, as_tensor
from symgraph.vectorize import batch

from ..support import MODES, Computer, assert_same, compute
from .cases import Case, Shapes
from .examples import EXAMPLES


@op
class Whole(OpaqueOp):
    """An op that says nothing about batches."""

    def infer(self, *inputs: Node) -> TensorType:
        return inputs[0].type


def chosen(case: Case) -> Shapes:
    """The shapes of one trial: small, but with elements where the case has such."""
    small = [s for s in case.shapes if all(np.prod(x, initial=1) <= 60 for x in s)]
    return max(small, key=lambda s: min(np.prod(x, initial=1) for x in s))


def declared(
    case: Case, shapes: Shapes, dtype: str, batched: tuple[bool, ...] | None = None
) -> list[Variable]:
    made = []
    for number, (operand, shape) in enumerate(zip(case.operands, shapes, strict=True)):
        sizes = [1 if case.static and size == 1 else None for size in shape]
        front = ["count"] if batched and batched[number] else []
        made.append(sg.tensor(None, operand.dtype or dtype, [*front, *sizes]))
    return made


def dtype_of(case: Case) -> str:
    return "float64" if "float64" in case.dtypes else case.dtypes[-1]


def stacks_of(
    case: Case, shapes: Shapes, batched: tuple[bool, ...], count: int
) -> list[Array]:
    rng = np.random.default_rng(count)
    return [
        operand.draw(rng, (count, *shape) if own else shape, dtype_of(case))
        for operand, shape, own in zip(case.operands, shapes, batched, strict=True)
    ]


def looped(run: Computer, arrays: list[Array], batched: tuple[bool, ...]) -> Array:
    count = next(len(a) for a, own in zip(arrays, batched, strict=True) if own)
    return np.stack(
        [
            run(*(a[k] if own else a for a, own in zip(arrays, batched, strict=True)))[
                0
            ]
            for k in range(count)
        ]
    )


CASES = [(made, k) for made, cases in EXAMPLES.items() for k in range(len(cases))]


@pytest.mark.parametrize(
    ("made", "number"), CASES, ids=lambda p: p if isinstance(p, int) else p.__name__
)
def test_batched_equals_a_loop(made: type[Op], number: int) -> None:
    """Each subset of the inputs batched; 3, 1 and 0 in the batch."""
    case = EXAMPLES[made][number]
    shapes = chosen(case)
    inputs = declared(case, shapes, dtype_of(case))
    output = as_tensor(case.build(*inputs))
    alone = Computer(inputs, [output], "interpret")
    for batched in product([False, True], repeat=len(inputs)):
        if not any(batched):
            continue
        stacks = declared(case, shapes, dtype_of(case), batched)
        replaced = {
            v.node: s for v, s, own in zip(inputs, stacks, batched, strict=True) if own
        }
        try:
            (result,) = batch([output], replaced)
        except UnsupportedError as error:
            assert "of sizes that differ" in str(error)
            assert any(v.dtype.startswith("int") for v in replaced.values())
            continue
        together = Computer(
            [
                s if own else v
                for v, s, own in zip(inputs, stacks, batched, strict=True)
            ],
            [result],
            "interpret",
        )
        for count in (3, 1, 0):
            arrays = stacks_of(case, shapes, batched, count)
            (got,) = together(*arrays)
            if result.ndim == output.ndim:  # it does not depend on elements
                got = np.repeat(np.asarray(got)[None], count, axis=0)
            if count:
                assert_same(got, looped(alone, arrays, batched), f"{batched} {count}")
            else:
                assert np.shape(got)[0] == 0 and np.asarray(got).dtype == output.dtype


STRUCTURAL = [made for made in EXAMPLES if not issubclass(made, Elemwise)]


@pytest.mark.parametrize("part", range(3))
def test_batched_in_compiled_code(part: int) -> None:
    """The first example of each op that is not elementwise, all inputs batched."""
    inputs: list[Variable] = []
    outputs: list[Variable] = []
    arrays: list[Array] = []
    for made in STRUCTURAL[part::3]:
        case = EXAMPLES[made][0]
        shapes = chosen(case)
        every = (True,) * len(shapes)
        cores = declared(case, shapes, dtype_of(case))
        stacks = declared(case, shapes, dtype_of(case), every)
        replaced = {v.node: s for v, s in zip(cores, stacks, strict=True)}
        try:
            outputs += batch([as_tensor(case.build(*cores))], replaced)
        except UnsupportedError:
            continue
        inputs += stacks
        arrays += stacks_of(case, shapes, every, 3)
    assert len(outputs) > 5
    expected = compute(outputs, inputs, arrays)
    got = compute(outputs, inputs, arrays, "fast")
    for mine, theirs, output in zip(got, expected, outputs, strict=True):
        assert_same(mine, theirs, repr(output))


# -- vectorize -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_without_a_signature_scalars(mode: str) -> None:
    """Broadcast as NumPy does, a branch and a constant result included."""
    x, y = sg.tensor("x", shape=(None, 1)), sg.dvector("y")

    def fn(a: Variable, b: Variable) -> tuple[Variable, ...]:
        return sg.where(a > b, a - b, a * b), sg.exp(a), sg.constant(2.0)

    made = sg.vectorize(fn)(x, y)
    assert isinstance(made, tuple)
    data = np.array([[1.0], [2.0]]), np.array([0.5, 1.5, 2.5])
    got = compute(made, [x, y], data, mode)
    oracle = np.vectorize(
        lambda a, b: (a - b if a > b else a * b, np.exp(a), 2.0), otypes="ddd"
    )
    for mine, theirs in zip(got, oracle(*data), strict=True):
        assert_same(mine, theirs, "scalars")


@pytest.mark.parametrize(
    ("signature", "fn", "shapes"),
    [
        ("(n),(n)->()", lambda a, b: (a * b).sum(), ((4, 3), (3,))),
        ("(n),(n)->()", lambda a, b: (a * b).sum(), ((5, 1, 3), (4, 3))),
        ("(n,m),(m,p)->(n,p)", lambda a, b: a @ b, ((2, 3, 4), (4, 5))),
        ("(n,m),(m)->(n)", lambda a, b: a @ b, ((2, 3, 4), (6, 1, 4))),
        ("(n),()->(n)", lambda a, b: a[::-1] * b, ((3,), (2, 4))),
        ("(2),(3)->(6)", lambda a, b: (a[:, None] * b).reshape(6), ((4, 2), (4, 3))),
        ("(),()->()", lambda a, b: a - b, ((), ())),
    ],
)
def test_signatures(signature: str, fn: Any, shapes: Any) -> None:
    """Against numpy.vectorize, sizes of 1 known."""
    rng = np.random.default_rng(0)
    data = [rng.normal(size=shape) for shape in shapes]
    inputs = [
        sg.tensor(None, shape=[1 if size == 1 else None for size in shape])
        for shape in shapes
    ]
    made = sg.vectorize(fn, signature)(*inputs)
    (got,) = compute([made], inputs, data)
    assert_same(got, np.vectorize(fn, signature=signature)(*data), signature)


@pytest.mark.parametrize("mode", MODES)
def test_batch_sizes_of_1_are_met_at_run_time(mode: str) -> None:
    """By ops that do not broadcast too, whichever stack it is that has one element."""
    x, y = sg.dtensor3("x"), sg.dmatrix("y")
    fn = sg.vectorize(
        lambda a, b: (a @ b, sg.concatenate([a[0], b])), "(n,m),(m)->(n),(k)"
    )
    run = Computer([x, y], fn(x, y), mode)
    rng = np.random.default_rng(0)
    for p, q in ((3, 3), (1, 3), (3, 1), (1, 1)):
        a, b = rng.normal(size=(p, 2, 3)), rng.normal(size=(q, 3))
        product_, joined = run(a, b)
        np.testing.assert_allclose(product_, (a @ b[..., None])[..., 0])
        first, second = np.broadcast_arrays(a[:, 0], b)
        np.testing.assert_array_equal(joined, np.concatenate([first, second], 1))


def test_several_results() -> None:
    x = sg.dmatrix("x")
    made = sg.vectorize(lambda a: [a.sum(), a / a.sum(), a.shape[0]], "(n)->(),(n),()")
    data = np.arange(6.0).reshape(2, 3) + 1
    total, share, size = compute(made(x), [x], [data])
    assert_same(total, data.sum(1), "sums")
    assert_same(share, data / data.sum(1, keepdims=True), "shares")
    np.testing.assert_array_equal(size, [3, 3])


def test_in_axes() -> None:
    x, w = sg.dtensor3("x"), sg.dmatrix("w")
    fn = sg.vectorize(lambda a, b: (a @ b, b), in_axes=(-1, None), out_axes=(1, -1))
    rng = np.random.default_rng(0)
    data, weights = rng.normal(size=(2, 3, 4)), rng.normal(size=(3, 5))
    product_, copies = compute(fn(x, w), [x, w], [data, weights])
    np.testing.assert_allclose(product_, np.einsum("ijk,jl->ikl", data, weights))
    np.testing.assert_array_equal(copies, np.stack([weights] * 4, -1))


def test_nested() -> None:
    x, y = sg.dvector("x"), sg.dvector("y")
    inner = sg.vectorize(lambda a, b: a * sg.exp(b), in_axes=(None, 0))
    table = sg.vectorize(inner, in_axes=(0, None))(x, y)
    (got,) = compute([table], [x, y], [[1.0, 2.0], [0.0, 1.0, 2.0]])
    np.testing.assert_allclose(got, np.outer([1.0, 2.0], np.exp([0.0, 1.0, 2.0])))


def test_vectorize_graph_aligns_from_the_right() -> None:
    x, y = sg.dvector("x"), sg.dscalar("y")
    outputs = [sg.sum(x) * y, y + 1, sg.sum(x), sg.constant(3.0)]
    xs, ys = sg.tensor("xs", shape=(None, 1, 3)), sg.dvector("ys")
    made = sg.vectorize_graph(outputs, {x: xs, y: ys})
    assert [v.ndim for v in made] == [2, 1, 2, 0]
    data, more = np.arange(6.0).reshape(2, 1, 3), np.array([1.0, 2.0, 3.0, 4.0])
    got = compute(made[:3], [xs, ys], [data, more])
    np.testing.assert_array_equal(got[0], data.sum(-1) * more)
    np.testing.assert_array_equal(got[1], more + 1)
    np.testing.assert_array_equal(got[2], data.sum(-1))


def test_replacements_do_not_see_each_other() -> None:
    x, y = sg.dscalars("x y")
    swapped = sg.vectorize_graph(x - 2 * y, {x: y, y: x})
    assert compute([swapped], [x, y], [1.0, 10.0]) == [8.0]


def test_an_expression_can_be_replaced() -> None:
    x, s = sg.dvector("x"), sg.dmatrix("s")
    soft = sg.softmax(x)
    made = sg.vectorize_graph(soft * 2 + sg.exp(x), {soft: s})
    (got,) = compute([made], [x, s], [[0.0, 1.0], [[1.0, 2.0], [3.0, 4.0]]])
    np.testing.assert_allclose(got, 2 * np.array([[1, 2], [3, 4]]) + np.exp([0.0, 1.0]))


def test_what_does_not_depend_on_the_batch_stays() -> None:
    x, w = sg.dvector("x"), sg.dvector("w")
    heavy = sg.exp(w) * 3
    (made,) = batch([x * heavy], {x.node: sg.dmatrix("xs")})
    assert heavy.node in made.node.inputs


def test_the_graph_grows_linearly() -> None:
    x, xs = sg.dvector("x"), sg.dmatrix("xs")

    def nodes(depth: int) -> int:
        y = x
        for _ in range(depth):
            y = sg.sin(y) * sg.sum(y) + sg.softmax(y)
        return len(toposort(v.node for v in batch([y], {x.node: xs})))

    assert nodes(40) - nodes(20) == nodes(60) - nodes(40)
    y = x
    for _ in range(1000):
        y = sg.sin(y) * y
    batch([y], {x.node: xs})


def test_softmax_keeps_its_name() -> None:
    x, xs = sg.dvector("x"), sg.dmatrix("xs")
    (made,) = batch([sg.log(sg.softmax(x))], {x.node: xs})
    assert {type(n.op) for n in toposort([made.node])} >= {ops.Softmax}


def test_what_cannot_be_vectorized() -> None:
    x, xs, n = sg.dvector("x"), sg.dmatrix("xs"), sg.lscalar("n")
    with pytest.raises(DTypeError, match="dtypes differ"):
        sg.vectorize_graph(sg.sum(x), {x: sg.fmatrix("f")})
    with pytest.raises(ShapeError, match="shapes do not fit"):
        sg.vectorize_graph(sg.sum(xs), {xs: x})
    with pytest.raises(UnsupportedError, match=r"slice of sizes that differ[\s\S]*:"):
        sg.vectorize_graph(x[:n], {n: sg.lvector("ns")})
    for signature in ("(n", "(n)", "n->n", "(n)->(n)->()"):
        with pytest.raises(SymgraphError, match="not a signature"):
            sg.vectorize(lambda a: a, signature)
    with pytest.raises(ShapeError, match="1 arguments, 2 in the signature"):
        sg.vectorize(lambda a: a, "(n),(n)->(n)")(x)
    with pytest.raises(ShapeError, match=r"was to return \(n\)"):
        sg.vectorize(lambda a: sg.sum(a), "(n)->(n)")(x)
    with pytest.raises(ShapeError, match="core dimension n is 2 and 3"):
        sg.vectorize(lambda a, b: a, "(n),(n)->(n)")(np.ones(2), np.ones(3))
    with pytest.raises(ShapeError, match=r"fewer axes than \(n,m\)"):
        sg.vectorize(lambda a: a, "(n,m)->(n,m)")(x)
    with pytest.raises(SymgraphError, match="names no axis"):
        sg.vectorize(lambda a: a, in_axes=(None,))(x)
    with pytest.raises(SymgraphError, match="2 in_axes for 1"):
        sg.vectorize(lambda a: a, in_axes=(0, 0))(x)


def test_an_op_that_cannot_be_batched_is_named() -> None:
    x = sg.dvector("x")
    y = apply(Whole(), x)
    with pytest.raises(UnsupportedError, match=r"whole[\s\S]*test_batching.py:"):
        batch([y], {x.node: sg.dmatrix("xs")})

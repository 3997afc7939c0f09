"""``Function.cost``: exact rows, formulas, what native code does, and measurements."""

from __future__ import annotations

import ctypes
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen.cpu import build
from symgraph.compiler import host
from symgraph.errors import (
    ArgumentError,
    DTypeError,
    IndexOutOfBoundsError,
    MissingInputError,
    ShapeError,
)
from symgraph.inspect.cost import Row, cost_json
from symgraph.op import Op

from .examples import EXAMPLES
from .test_ops import declared, drawn

Golden = Callable[[str, str], None]


@dataclass(frozen=True)
class Shape:
    """All that is known of an array."""

    shape: Any
    dtype: Any = "float64"


@dataclass(frozen=True)
class Bare:
    """Not even the dtype."""

    shape: tuple[int, ...]


x = sg.tensor("x", "float64", ("n", "m"))
y = sg.tensor("y", "float64", ("n", "m"))
rows = sg.tensor("rows", "int64", ("k",))


def perceptron() -> sg.Function:
    """One step of training, with two layers."""
    data = sg.tensor("data", "float32", ("batch", 64))
    labels = sg.tensor("labels", "int64", ("batch",))
    a = sg.shared(np.zeros((64, 32), "float32"), "a")
    b = sg.shared(np.zeros((32, 10), "float32"), "b")
    p = sg.log_softmax(sg.maximum(data @ a, 0) @ b, axis=1)
    loss = -sg.mean(p[sg.arange(data.shape[0]), labels])
    slopes = sg.grad(loss, [a, b])
    updates = {w: w - 0.1 * g for w, g in zip((a, b), slopes, strict=True)}
    return sg.function([data, labels], loss, updates=updates, name="train")


# -- numbers ---------------------------------------------------------------------------


def test_an_elementwise_function() -> None:
    f = sg.function([x, y], x * y + x, name="f")
    found = f.cost(np.ones((300, 500)), np.ones((300, 500)))
    # Two loads and a store at 2 each, a product and a sum; of float64 they count twice.
    assert [r for r in found.rows if r.name.startswith("k0")] == [
        Row(
            name="k0_add",
            kind="kernel",
            work=2 * 8 * 150_000,
            flops=0,
            bytes_read=2 * 8 * 150_000,
            bytes_written=8 * 150_000,
            chunks=6,  # of 25,088 elements, the next multiple of 256 after 25,000
            scratch=0,
        )
    ]
    assert (found.name, found.sizes) == ("f", {"n": 300, "m": 500})
    assert (found.work, found.flops) == (2_400_000, 0)
    assert (found.bytes_read, found.bytes_written) == (2_400_000, 1_200_000)
    assert (found.arena, found.output) == (0, 1_200_000)


def test_a_full_reduction() -> None:
    f = sg.function([x], sg.sum(x * x), name="f")
    (row,) = f.cost(Shape((400, 1000))).rows
    # Both loops are one: a load at 2 and a product for each element, of float64.
    assert row.work == 2 * 3 * 400_000
    assert row.chunks == 8  # of 50,176 elements; 7 would be an odd number
    assert (row.bytes_read, row.bytes_written) == (3_200_000, 8)


def test_a_step_of_training() -> None:
    f = perceptron()
    found = f.cost(Shape((50, 64), "float32"), Shape((50,), "int64"))
    products = [r for r in found.rows if r.kind == "product"]
    assert [r.flops for r in products] == [
        2 * 50 * 64 * 32,  # forwards
        2 * 50 * 32 * 10,
        2 * 50 * 32 * 10,  # back
        2 * 50 * 32 * 10,
        2 * 50 * 64 * 32,
    ]
    assert [r.work for r in products] == [51200, 8000, 8000, 8000, 51200]
    first = products[0]
    assert first.bytes_read == 4 * (50 * 64 + 64 * 32)
    assert first.bytes_written == 4 * 50 * 32
    assert all(r.chunks == 1 for r in found.rows)
    assert found.output == 4 * (1 + 64 * 32 + 32 * 10)
    for total in ("work", "flops", "bytes_read", "bytes_written"):
        assert getattr(found, total) == sum(getattr(r, total) for r in found.rows)


def test_a_gather_counts_all_that_it_may_take() -> None:
    f = sg.function([x, rows], x[rows])
    found = f.cost(Shape((1000, 4)), Shape((3,), "int64"))
    assert found.bytes_read == 8 * 1000 * 4 + 8 * 3
    assert found.bytes_written == 8 * 3 * 4


def test_nothing_to_do() -> None:
    f = sg.function([x], sg.exp(x))
    (row,) = f.cost(Shape((0, 5))).rows
    assert (row.work, row.chunks, row.bytes_read) == (0, 0, 0)


def test_nothing_is_computed_and_no_memory_taken() -> None:
    f = sg.function([x], sg.exp(x) @ x.T)
    found = f.cost(Shape((2**30, 2**20)))
    assert found.arena == 2**53
    assert found.bytes_read > 2**53  # type: ignore[operator]
    z = sg.zmatrix("z")
    complex_cost = sg.function([z], z * z).cost(Shape((2**30, 2**20), "complex128"))
    assert complex_cost.output == 2**54


def test_a_version_that_broadcasts() -> None:
    a, b = sg.dvector("a"), sg.dvector("b")
    f = sg.function([a, b], a + b)
    found = f.cost(Shape((1,)), Shape((1000,)))
    assert found.sizes == {"a.0": 1, "b.0": 1000}
    assert (found.bytes_read, found.output) == (8 + 8000, 8000)
    assert "generic" not in f.versions  # nothing was compiled


def test_a_size_that_is_a_value() -> None:
    count = sg.lscalar("count")
    f = sg.function([count], sg.arange(count) * 2)
    assert f.cost(1000).output == 8000
    assert f.cost(count=7).sizes == {"count": 7}
    assert f.cost().output == "8*max(0, count)"
    with pytest.raises(ArgumentError, match=r"count\) is a size, of which only the sh"):
        f.cost(Shape((), "int64"))


def test_without_inputs_all_is_known() -> None:
    w = sg.shared(np.zeros(10), "w")
    assert sg.function([], w + 1).cost().output == 80


@pytest.mark.parametrize("mode", ["interpret", "debug"])
def test_other_modes(mode: str) -> None:
    fast = sg.function([x], sg.exp(x), name="f").cost(Shape((3, 4)))
    assert sg.function([x], sg.exp(x), name="f", mode=mode).cost(Shape((3, 4))) == fast


def test_arrays_and_shapes_are_the_same_to_it() -> None:
    f = sg.function([x], sg.softmax(x, 1))
    found = f.cost(np.ones((6, 5)))
    assert found == f.cost(Shape((6, 5))) == f.cost(x=Bare((6, 5)))
    assert found == f.cost(np.ones((5, 6), order="F").T.tolist())


# -- wrong arguments -------------------------------------------------------------------

WRONG: list[tuple[tuple[Any, ...], type[Exception]]] = [
    ((np.ones((2, 3)),), MissingInputError),
    ((np.ones((2, 3)), np.ones((2, 3)), 1), MissingInputError),
    ((np.ones((2, 3)), np.ones((2, 4))), ShapeError),
    ((np.ones((2, 3)), np.ones(3)), ShapeError),
    ((np.ones((2, 3)), np.ones((2, 3), "complex128")), DTypeError),
    ((np.ones((2, 3)), x), DTypeError),
    ((np.ones((2, 3)), [[1.0], [1.0, 2.0]]), ShapeError),
]


@pytest.mark.parametrize(("args", "error"), WRONG)
def test_wrong_arguments_are_refused_as_by_a_call(
    args: tuple[Any, ...], error: type[Exception]
) -> None:
    f = sg.function([x, y], x + y, name="f")
    with pytest.raises(error) as called:
        f(*args)
    with pytest.raises(error) as asked:
        f.cost(*args)
    first = [str(e.value).split("\n  at ")[0] for e in (called, asked)]
    assert first[0] == first[1]


def test_what_a_guard_refuses() -> None:
    f = sg.function([x], x[:, 5], name="f")
    for ask in (f, f.cost):
        with pytest.raises(IndexOutOfBoundsError):
            ask(np.ones((2, 5)))


@pytest.mark.parametrize("shape", [(2, -1), (2, None), 5, ("n", 3)])
def test_what_is_no_shape(shape: Any) -> None:
    f = sg.function([x], x + 1, name="f")
    with pytest.raises(ShapeError, match=r"f: argument 0 \(x\) has the shape"):
        f.cost(Shape(shape))


def test_what_is_no_dtype() -> None:
    with pytest.raises(DTypeError, match="unknown dtype"):
        sg.function([x], x + 1).cost(Shape((2, 3), "floaty"))


# -- text ------------------------------------------------------------------------------


def test_numbers_as_text(golden: Golden) -> None:
    found = perceptron().cost(Shape((5000, 64), "float32"), Shape((5000,), "int64"))
    golden("inspect/cost.txt", str(found))


def test_formulas_as_text(golden: Golden) -> None:
    golden("inspect/cost_formulas.txt", str(perceptron().cost()))


def test_data() -> None:
    f = sg.function([x, y], x + y, name="f")
    for found in (f.cost(), f.cost(Shape((2, 3)), Shape((2, 3)))):
        data = cost_json(found)
        assert json.loads(json.dumps(data)) == data
        assert (data["schema"], data["name"]) == ("symgraph.cost", "f")
        assert data["steps"][0]["work"] == data["work"] == found.work


FAMILY: dict[str, Callable[[], Any]] = {
    "elementwise": lambda: sg.exp(x) * y,
    "softmax": lambda: sg.softmax(x, 1),
    "columns": lambda: sg.std(x, 0),
    "all": lambda: sg.sum(x * x),
    "product": lambda: sg.tanh(x @ y.T) @ y,
    "slices": lambda: sg.diff(x, axis=0),
    "gram": lambda: sg.sum(sg.exp(x.T @ x), 1),
    "layernorm": lambda: (
        (x - sg.mean(x, 1, keepdims=True)) / sg.std(x, 1, keepdims=True)
    ),
}
SHAPES = [(1, 1), (7, 5), (128, 128), (3000, 300), (40, 20_000), (200_000, 3)]


def made(case: str) -> sg.Function:
    return sg.function([x, y], FAMILY[case](), on_unused_input="ignore", name=case)


@pytest.mark.parametrize("case", FAMILY)
def test_formulas_give_the_numbers(case: str) -> None:
    f = made(case)
    formulas = f.cost()
    for shape in SHAPES:
        numbers = f.cost(Shape(shape), Shape(shape))
        sizes = dict(zip("nm", shape, strict=True))
        for one, other in zip(formulas.rows, numbers.rows, strict=True):
            assert one.name == other.name
            for what in ("flops", "bytes_read", "bytes_written"):
                amount = eval(str(getattr(one, what)), {}, sizes)
                # Which of several ways a step takes through memory no formula says.
                skipped = other.chunks == 0 and getattr(other, what) == 0
                assert skipped or amount == getattr(other, what)
            assert int(eval(str(one.work), {}, sizes)) == other.work
        assert eval(str(formulas.output), {}, sizes) == numbers.output


# -- native code -----------------------------------------------------------------------


@contextmanager
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[int]]]:
    """Functions made in here write down into how many chunks each launch is cut."""
    log = (ctypes.c_int64 * 1000)()
    at = f"inttoptr (i64 {ctypes.addressof(log)} to ptr)"
    head = "i64 %chunks, ptr %team) noinline optnone {\nentry:\n"
    note = f"""
  %log.last = load i64, ptr {at}
  %log.next = add i64 %log.last, 1
  store i64 %log.next, ptr {at}
  %log.at = getelementptr i64, ptr {at}, i64 %log.next
  store i64 %chunks, ptr %log.at
"""
    plain = build.support(host())
    assert plain.text.count(head) == 1
    noted = replace(plain, text=plain.text.replace(head, head + note))

    def take() -> list[int]:
        found = list(log[1 : log[0] + 1])
        log[0] = 0
        return found

    with monkeypatch.context() as patch, sg.config.flags(cache=False):
        patch.setattr(build, "support", lambda _: noted)
        yield take


@pytest.mark.parametrize("case", FAMILY)
def test_native_code_makes_as_many_chunks(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    square = {"gram": 1, "product": 0}  # of which size an array is a square
    with logged(monkeypatch) as take:
        f = made(case)
        for shape in SHAPES:
            if case in square and shape[square[case]] > 5000:
                continue  # the square would be large
            f(np.ones(shape), np.ones(shape))
            found = f.cost(Shape(shape), Shape(shape))
            assert take() == [row.chunks for row in found.rows], shape


@pytest.mark.parametrize("case", FAMILY)
def test_native_code_takes_as_much_memory(case: str) -> None:
    f = made(case)
    for shape in [(0, 3), (1, 1), (7, 5), (128, 128), (3000, 300)]:
        f.trim()
        f(np.ones(shape), np.ones(shape))
        assert f.cost(Shape(shape), Shape(shape)).arena == f._fast.native.arena_bytes


# -- measurements ----------------------------------------------------------------------


def seconds(f: Any, *args: Any) -> float:
    """The shortest of several calls."""
    shortest = float("inf")
    for _ in range(15):
        start = time.perf_counter()
        f(*args)
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def test_more_work_takes_more_time() -> None:
    """Work that differs by 4 and more orders as run time does.

    The arrays stay in the nearer caches; one thread runs each function, and all work
    is of the same kind, vector arithmetic.
    """
    v = sg.tensor("v", "float32", ("n",))
    given = np.linspace(0.1, 0.9, 8192, dtype="float32")
    terms: list[sg.Variable] = [v + 1, sg.exp(v)]
    for repeats in (4, 20, 100):
        inner = v
        for _ in range(repeats):
            inner = sg.sin(inner)
        terms.append(inner)
    functions = [sg.function([v], t) for t in terms]
    work = [float(f.cost(given).work) for f in functions]
    assert all(b >= 4 * a for a, b in pairwise(work)), work
    with sg.config.flags(num_threads=1):
        times = [seconds(f, given) for f in functions]
    assert times == sorted(times), (work, times)


def test_more_elements_take_more_time() -> None:
    f = sg.function([x], sg.softmax(x, 1))
    given = [np.ones((16 * 8**k, 64)) for k in range(4)]
    work = [float(f.cost(a).work) for a in given]
    assert [b / a for a, b in pairwise(work)] == [8, 8, 8]
    with sg.config.flags(num_threads=1):
        times = [seconds(f, a) for a in given]
    assert times == sorted(times), (work, times)


def test_a_larger_product_takes_more_time() -> None:
    f = sg.function([x, y], x @ y.T)
    given = [np.ones((32 * 2**k, 32 * 2**k)) for k in range(5)]
    work = [float(f.cost(a, a).work) for a in given]
    assert all(b >= 7.9 * a for a, b in pairwise(work)), work
    with sg.config.flags(num_threads=1):
        times = [seconds(f, a, a) for a in given]
    assert times == sorted(times), (work, times)


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_every_op(made: type[Op]) -> None:
    """Its cost in formulas is that in numbers, whose arena is what a call takes."""
    case = EXAMPLES[made][0]
    shapes, dtype = case.shapes[0], case.dtypes[0]
    inputs = declared(case, shapes, dtype)
    f = sg.function(inputs, case.build(*inputs), on_unused_input="ignore")
    arrays = drawn(case, shapes, dtype)
    f(*arrays)
    numbers, formulas = f.cost(*arrays), f.cost()
    assert numbers.arena == f._fast.native.arena_bytes
    plain = {size.replace(".", "_"): n for size, n in numbers.sizes.items()}
    for one, other in zip(formulas.rows, numbers.rows, strict=True):
        for what in ("work", "flops", "bytes_read", "bytes_written"):
            text = str(getattr(one, what))
            for size in sorted(numbers.sizes, key=len, reverse=True):
                text = text.replace(size, size.replace(".", "_"))
            skipped = other.chunks == 0 and getattr(other, what) == 0
            assert skipped or int(eval(text, {}, plain)) == getattr(other, what), text


def test_a_way_not_taken_costs_nothing() -> None:
    """Narrow and wide matrices are reduced in two ways, one of which has no work."""
    x = sg.matrix("x", "float32", ("n", "m"))
    f = sg.function([x], sg.sum(x, axis=0))
    for shape in ((1000, 32), (1000, 400)):
        found = f.cost(Shape(shape, "float32"))
        idle = [row for row in found.rows if row.chunks == 0]
        assert len(idle) == 1
        assert (idle[0].bytes_read, idle[0].bytes_written, idle[0].work) == (0, 0, 0)
        assert found.bytes_read < 1.2 * 4 * shape[0] * shape[1]

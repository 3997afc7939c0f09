"""The native entry: what it takes, what it declines, what it owns, how it fails."""

from __future__ import annotations

import gc
import operator
import sys
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symgraph.codegen.cpu import build
from symgraph.codegen.cpu import host as hosts
from symgraph.codegen.cpu.runtime import OUTER_DTYPES
from symgraph.codegen.errors import CompileError
from symgraph.codegen.ir import DTYPES, FLOATS, Buffer, Const, Kernel, Let, Load, Store
from symgraph.codegen.program import Array, Guard, Launch, Program, ReadScalar

from .native import (
    Declined,
    Failed,
    binary,
    chain,
    checked,
    compiled,
    constant_index,
    counter,
    elementwise,
    fill,
    make,
)


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape)


def test_result_is_a_new_array_of_the_right_value():
    f = make(binary("add")).entry
    a, b = random(1000), random(1000)
    result = f(a, b)
    np.testing.assert_array_equal(result, a + b)
    assert type(result) is np.ndarray
    assert result.flags.owndata and result.flags.writeable
    assert not np.shares_memory(result, a)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
def test_every_dtype(dtype: str):
    f = make(binary("add", dtype)).entry
    a = np.arange(21).astype(dtype)
    result = f(a, a)
    np.testing.assert_array_equal(result, a + a)
    assert result.dtype is np.dtype(dtype)


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), (3, 0), (2, 3), (2, 1, 5)])
def test_shapes_with_and_without_elements(shape: tuple[int, ...]):
    f = make(binary("mul", rank=len(shape))).entry
    a, b = random(*shape), random(*shape)
    np.testing.assert_array_equal(f(a, b), a * b)


def test_a_result_without_dimensions_is_a_numpy_scalar():
    f = make(binary("add", rank=0)).entry
    result = f(np.array(1.5), np.array(2.0))
    assert type(result) is np.float64
    assert result == 3.5


class Subclass(np.ndarray):
    pass


def declined_arguments() -> dict[str, tuple[Any, ...]]:
    good = np.zeros(4)
    misaligned = np.frombuffer(bytearray(33), np.uint8)[1:].view(np.float64)
    return {
        "none at all": (),
        "too few": (good,),
        "too many": (good, good, good),
        "a list": (good, [0.0] * 4),
        "a number": (1.0, good),
        "None": (good, None),
        "a subclass": (good, good.view(Subclass)),
        "another dtype": (good, good.astype(np.float32)),
        "an integer of the same width": (good.astype(np.int64), good),
        "foreign byte order": (good, good.astype(">f8")),
        "rank": (good, good.reshape(2, 2)),
        "no rank": (np.array(1.0), good),
        "length": (good, np.zeros(5)),
        "strides": (good, np.zeros(8)[::2]),
        "reversed": (good, np.zeros(4)[::-1]),
        "misaligned": (good, misaligned),
    }


@pytest.mark.parametrize("case", declined_arguments())
def test_declined_arguments_reach_the_slow_callable_untouched(case: str):
    f = make(binary("add")).entry
    args = declined_arguments()[case]
    with pytest.raises(Declined) as caught:
        f(*args)
    given, keywords = caught.value.given
    assert len(given) == len(args)
    assert all(g is a for g, a in zip(given, args, strict=True))
    assert keywords == {}


def test_keywords_reach_the_slow_callable():
    f = make(binary("add")).entry
    a = np.zeros(4)
    with pytest.raises(Declined) as caught:
        f(a, b=a)
    given, keywords = caught.value.given
    assert given[0] is a and keywords["b"] is a


def test_fortran_order_is_declined_where_it_differs():
    f = make(binary("add", rank=2)).entry
    a = np.asfortranarray(random(3, 4))
    with pytest.raises(Declined):
        f(a, a)


def test_the_slow_callable_may_call_the_entry_again():
    def convert(*args: Any) -> Any:
        return entry(*(np.ascontiguousarray(a, np.float64) for a in args))

    entry = make(binary("add"), slow=convert).entry
    np.testing.assert_array_equal(entry([1, 2], np.arange(4)[::2]), [1.0, 4.0])


def test_numbers_in_shapes_are_checked():
    arrays = (
        Array("a", "float64", ("n", 3), "input"),
        Array("b", "float64", (3, "n"), "input"),
    )
    f = make(Program("shapes", arrays, (), (), (), ())).entry
    assert f(np.zeros((2, 3)), np.zeros((3, 2))) == []
    for a, b in [((2, 4), (3, 2)), ((2, 3), (3, 3)), ((2, 3), (2, 3))]:
        with pytest.raises(Declined):
            f(np.zeros(a), np.zeros(b))


@pytest.mark.parametrize(
    ("relation", "accepted"),
    [("eq", (5,)), ("le", (1, 4, 5)), ("lt", (1, 4)), ("fits", (1, 5))],
)
def test_guards(relation: Any, accepted: tuple[int, ...]):
    arrays = (Array("a", "float64", ("n",), "input"),)
    guard = Guard("n", relation, 5, 7)
    f = make(Program("guarded", arrays, (), (guard,), (), ())).entry
    for n in (1, 4, 5, 6):
        if n in accepted:
            assert f(np.zeros(n)) == []
        else:
            with pytest.raises(Declined):
                f(np.zeros(n))


# Host sizes --------------------------------------------------------------------------


def host_program(let: Let, dtype: str = "int64") -> Program:
    """Returns the value of `let`, computed on sizes x and y, as the only element."""
    value = let.name
    write = Kernel(
        "write",
        (Buffer("o", "int64", (1,), "out"),),
        (value,),
        (Store("o", (constant_index(0),), value),),
    )
    arrays = (
        Array("a", dtype, (), "input"),
        Array("b", dtype, (), "input"),
        Array("o", "int64", (1,), "output"),
    )
    host = (ReadScalar("x", "a"), ReadScalar("y", "b"), let)
    step = Launch(write, ("o",), (value,))
    return Program("host", arrays, host, (), (step,), ("o",))


INT64 = np.iinfo(np.int64)
EDGES = [0, 1, -1, 2, -2, 7, -7, 63, 64, INT64.max, INT64.min]
REFERENCES = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "floordiv": np.floor_divide,
    "rem": np.remainder, "min": np.minimum, "max": np.maximum, "eq": np.equal,
    "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor, "shl": np.left_shift, "shr": np.right_shift,
}  # fmt: skip


#: A size that does not fit 64 bits is no size: the call is declined.
EXACT = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}


@pytest.mark.parametrize("op", REFERENCES)
def test_host_arithmetic_is_numpys(op: str):
    logical = op in ("eq", "ne", "lt", "le", "gt", "ge")
    let = Let("z", op, ("x", "y"), "bool" if logical else "int64")
    f = make(host_program(let)).entry
    for x in EDGES:
        for y in EDGES:
            a, b = np.array(x), np.array(y)
            with np.errstate(all="ignore"):
                expected = REFERENCES[op](a, b)
            exact = EXACT.get(op)
            if exact is not None and exact(x, y) != int(expected):
                with pytest.raises(Declined):
                    f(a, b)
            else:
                assert f(a, b)[0] == expected, (x, y)


@pytest.mark.parametrize(("op", "reference"), [("neg", np.negative), ("abs", np.abs)])
def test_host_arithmetic_of_one_argument(op: str, reference: Any):
    f = make(host_program(Let("z", op, ("x",), "int64"))).entry
    for x in EDGES:
        assert f(np.array(x), np.array(0))[0] == reference(np.array(x))


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "int" in d or d == "bool"])
def test_a_size_is_read_from_any_integer(dtype: str):
    f = make(
        host_program(Let("z", "add", ("x", Const(0, "int64")), "int64"), dtype)
    ).entry
    for value in (0, 1, -1):
        a = np.array(value).astype(dtype)
        assert f(a, a)[0] == a.astype(np.int64)


def test_a_size_of_a_float_is_rejected():
    with pytest.raises(CompileError, match="0-d integer"):
        compiled(host_program(Let("z", "neg", ("x",), "int64"), "float64"))


# Ownership ---------------------------------------------------------------------------


def test_results_are_a_list_in_order():
    arrays = (
        Array("a", "float64", ("n",), "input"),
        Array("p", "float64", ("n",), "output"),
        Array("q", "float64", (), "output"),
    )
    four = Store("o", (), Const(4.0, "float64"))
    write = Kernel("one", (Buffer("o", "float64", (), "out"),), (), (four,))
    steps = (Launch(fill(3.0), ("p",), ("n",)), Launch(write, ("q",), ()))
    f = make(Program("two", arrays, (), (), steps, ("q", "p", "q"))).entry
    result = f(np.zeros(2))
    assert type(result) is list
    assert [type(r) for r in result] == [np.float64, np.ndarray, np.float64]
    assert result[0] == 4.0 and result[1].tolist() == [3.0, 3.0] and result[2] == 4.0


def test_updates_replace_what_the_box_holds():
    box, factor = [np.zeros(3)], np.array([1.0, 2.0, 3.0])
    before = box[0]
    f = make(counter(), shared=[box], constants=[factor]).entry
    one = np.ones(3)
    np.testing.assert_array_equal(f(one), factor)
    np.testing.assert_array_equal(f(one), 2 * factor)
    np.testing.assert_array_equal(box[0], [2.0, 2.0, 2.0])
    assert before.tolist() == [0.0, 0.0, 0.0]
    assert sys.getrefcount(before) == 2


@pytest.mark.parametrize(
    "held", [np.zeros(4), np.zeros(3, np.float32), np.zeros(6)[::2], [0.0] * 3, None]
)
def test_a_box_that_does_not_fit_is_declined(held: Any):
    f = make(counter(), shared=[[held]], constants=[np.ones(3)]).entry
    with pytest.raises(Declined):
        f(np.ones(3))


def test_an_emptied_box_is_declined():
    box = [np.zeros(3)]
    f = make(counter(), shared=[box], constants=[np.ones(3)]).entry
    box.clear()
    with pytest.raises(Declined):
        f(np.ones(3))


def failing() -> Program:
    """An update is computed before a check that fails for negative elements."""
    arrays = (
        Array("a", "float64", ("n",), "input"),
        Array("s", "float64", ("n",), "shared"),
        Array("s2", "float64", ("n",), "update", target="s"),
        Array("o", "float64", ("n",), "output"),
    )
    steps = (
        Launch(elementwise("add"), ("s", "a", "s2"), ("n",)),
        Launch(checked(41), ("a", "o"), ("n",)),
    )
    return Program("failing", arrays, (), (), steps, ("o",))


def test_a_failed_check_leaves_shared_storage_alone():
    box = [np.zeros(2)]
    f = make(failing(), shared=[box]).entry
    before = box[0]
    with pytest.raises(Failed) as caught:
        f(np.array([1.0, -1.0]))
    assert caught.value.args == (41,)
    assert box[0] is before and before.tolist() == [0.0, 0.0]
    assert sys.getrefcount(before) == 3  # the box, `before`, and the argument
    f(np.array([1.0, 1.0]))
    assert box[0].tolist() == [1.0, 1.0]


def leak_cases() -> dict[str, Callable[[], Any]]:
    """Calls that end in every way a call can."""
    a, ones, box = np.ones(64), np.ones(64), [np.ones(64)]
    add = make(binary("add"), slow=lambda *_: None).entry
    failed = make(failing(), shared=[box], on_fail=lambda code: code).entry
    count = make(counter(), shared=[[np.zeros(64)]], constants=[ones]).entry
    three = make(chain(3)).entry
    return {
        "a result": lambda: add(a, a),
        "declined": lambda: add(a, 1),
        "several steps": lambda: three(a, a),
        "updates": lambda: count(a),
        "failed": lambda: failed(-a),
    }


@pytest.mark.parametrize(
    "case", ["a result", "declined", "several steps", "updates", "failed"]
)
def test_calls_leak_nothing(case: str):
    call = leak_cases()[case]
    for _ in range(100):
        call()
    gc.collect()
    tracemalloc.start()
    try:
        call()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5000):
            call()
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # One leaked object for each call would be 16 bytes times 5000 at least.
    assert after - before < 20_000


def test_reference_counts_of_arguments_do_not_change():
    f = make(binary("add")).entry
    a, b = np.ones(8), np.ones(8)
    counts = sys.getrefcount(a), sys.getrefcount(b)
    results = [f(a, b) for _ in range(1000)]
    assert (sys.getrefcount(a), sys.getrefcount(b)) == counts
    assert {sys.getrefcount(r) for r in results} == {3}


# Memory ------------------------------------------------------------------------------


def test_the_arena_holds_two_slots_between_calls_and_can_be_trimmed():
    f = make(chain(6))
    a, b = random(1000), random(1000)
    assert f.arena_bytes == 0
    expected = (((((a + b) + b) + b) + b) + b) + b
    np.testing.assert_array_equal(f.entry(a, b), expected)
    assert f.arena_bytes == 2 * 8000
    f.entry(a[:10], b[:10])
    assert f.arena_bytes == 2 * 8000
    f.trim()
    assert f.arena_bytes == 0
    np.testing.assert_array_equal(f.entry(a[:9], b[:9]), expected[:9])
    assert f.arena_bytes == 2 * 128


def sized_temporary(role: str = "temp") -> Program:
    """A temporary (or an output) whose length is an argument's value times itself."""
    arrays = (
        Array("x", "int64", (), "input"),
        Array("t", "float64", ("n", "n"), role, slot=0),  # type: ignore[arg-type]
    )
    touch = Kernel(
        "touch",
        (Buffer("t", "float64", ("n", "n"), "out"),),
        ("n",),
        (Store("t", (constant_index(0), constant_index(0)), Const(1.0, "float64")),),
    )
    host = (ReadScalar("n", "x"),)
    results = ("t",) if role == "output" else ()
    return Program("sized", arrays, host, (), (Launch(touch, ("t",), ("n",)),), results)


@pytest.mark.parametrize("n", [-1, INT64.min, INT64.max, 1 << 32, 1 << 28, -(1 << 32)])
def test_impossible_temporaries_are_a_memory_error(n: int):
    f = make(sized_temporary())
    with pytest.raises(MemoryError):
        f.entry(np.array(n))
    assert f.entry(np.array(3)) == []


@pytest.mark.parametrize("n", [-1, INT64.min, INT64.max, 1 << 32])
def test_impossible_outputs_are_numpys_error(n: int):
    f = make(sized_temporary("output"))
    with pytest.raises((ValueError, MemoryError)):
        f.entry(np.array(n))
    assert f.entry(np.array(1)).tolist() == [[1.0]]


def test_threads_that_call_at_once_have_arenas_of_their_own():
    f = make(chain(8))
    wrong: list[int] = []

    def work(seed: int) -> None:
        a = np.full(20_000, float(seed))
        b = np.ones(20_000)
        for _ in range(100):
            if not (f.entry(a, b) == seed + 8).all():
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []
    assert f.arena_bytes == 2 * 160_000


# Ill-formed programs -----------------------------------------------------------------


def test_an_unknown_size_is_rejected():
    arrays = (Array("o", "float64", ("n",), "output"),)
    with pytest.raises(CompileError, match="'n'"):
        compiled(Program("p", arrays, (), (), (), ("o",)))


def test_two_updates_of_one_target_are_rejected():
    arrays = (
        Array("s", "float64", ("n",), "shared"),
        Array("p", "float64", ("n",), "update", target="s"),
        Array("q", "float64", ("n",), "update", target="s"),
    )
    with pytest.raises(CompileError, match="two updates"):
        compiled(Program("p", arrays, (), (), (), ()))


def test_writing_to_an_argument_is_rejected():
    arrays = (Array("a", "float64", ("n",), "input"),)
    steps = (Launch(fill(1.0), ("a",), ("n",)),)
    with pytest.raises(CompileError, match="written"):
        compiled(Program("p", arrays, (), (), steps, ()))


def flattened(target: str = "a") -> Program:
    """``a.ravel() + a.ravel()`` into an output that is seen as flat, too."""
    arrays = (
        Array("a", "float64", ("n", 3), "input"),
        Array("o", "float64", ("n", 3), "output"),
        Array("flat", "float64", ("m",), "view", target=target),
        Array("out", "float64", ("m",), "view", target="o"),
    )
    host = (Let("m", "mul", ("n", Const(3, "int64")), "int64"),)
    step = Launch(elementwise("add"), ("flat", "flat", "out"), ("m",))
    return Program("flattened", arrays, host, (), (step,), ("o",))


def test_views_are_the_memory_of_their_targets():
    a = random(5, 3)
    np.testing.assert_array_equal(make(flattened()).entry(a), a + a)


@pytest.mark.parametrize("target", ["nothing", "out"])
def test_a_view_of_no_array_is_rejected(target: str):
    with pytest.raises(CompileError, match="target"):
        compiled(flattened(target))


def test_writing_to_a_view_of_an_argument_is_rejected():
    arrays = (
        Array("a", "float64", ("n",), "input"),
        Array("v", "float64", ("n",), "view", target="a"),
    )
    steps = (Launch(fill(1.0), ("v",), ("n",)),)
    with pytest.raises(CompileError, match="input a is written"):
        compiled(Program("p", arrays, (), (), steps, ()))


def test_a_result_that_is_no_output_is_rejected():
    arrays = (Array("a", "float64", ("n",), "input"),)
    with pytest.raises(CompileError, match="no output"):
        compiled(Program("p", arrays, (), (), (), ("a",)))


def test_a_launch_with_the_wrong_arrays_is_rejected():
    arrays = (
        Array("a", "float32", ("n",), "input"),
        Array("o", "float64", ("n",), "output"),
    )
    steps = (Launch(elementwise("add"), ("a", "a", "o"), ("n",)),)
    with pytest.raises(CompileError, match="float32"):
        compiled(Program("p", arrays, (), (), steps, ("o",)))


def test_equal_kernels_are_emitted_once():
    text = build.llvm_text(chain(5), hosts.detect())
    assert text.kernels.count("define void @kernel") == 1


def test_renamed_kernels_are_equal_and_different_ones_are_not():
    from symgraph.codegen.cpu.canonical import canonical

    def copy(buffer: str, value: str, size: str) -> Kernel:
        buffers = (
            Buffer(buffer, "float64", (size,), "in"),
            Buffer("o", "float64", (), "out"),
        )
        load = Load(value, buffer, (constant_index(0),), "float64")
        return Kernel(buffer, buffers, (size,), (load, Store("o", (), value)))

    assert canonical(copy("a", "x", "n")) == canonical(copy("b", "y", "m"))
    assert canonical(fill(1.0)) != canonical(fill(2.0))


@pytest.mark.parametrize("dtype", OUTER_DTYPES)
def test_scalars_are_taken_as_they_are(dtype: str):
    """Arrays without axes and NumPy's scalars of the same type, never of another."""
    copied = Program(
        "copied",
        (
            Array("x", *_held(dtype), "input", paired=dtype.startswith("complex")),
            Array("o", *_held(dtype), "output", paired=dtype.startswith("complex")),
        ),
        (),
        (),
        (Launch(_copy(dtype), ("x", "o"), ()),),
        ("o",),
    )
    entry = make(copied).entry
    for number in (0, 1):
        value = np.dtype(dtype).type(number)
        for given in (value, np.array(value)):
            result = entry(given)
            assert type(result) is type(value)
            assert result == value
    for other in sorted({"float32", "float64", "int64", "bool"} - {dtype}):
        with pytest.raises(Declined):
            entry(np.dtype(other).type(1))
    for odd in (None, "x", 10**30, [1.0], np.ones(1, dtype), 1j):
        with pytest.raises(Declined):
            entry(odd)
    if dtype in FLOATS:
        for number in (0.1, -0.0, 5e-324, 3e38, float("nan")):
            result, wanted = entry(number), np.dtype(dtype).type(number)
            np.testing.assert_array_equal(result, wanted)
            assert np.signbit(result) == np.signbit(wanted)
    if dtype == "float32":
        for number in (1e300, float("inf"), 3.5e38):
            with pytest.raises(Declined):
                entry(number)


def _held(dtype: str) -> tuple[str, tuple[int, ...]]:
    """What holds a number of the caller's `dtype`: a pair of floats, if complex."""
    return {"complex64": ("float32", (2,)), "complex128": ("float64", (2,))}.get(
        dtype, (dtype, ())
    )


def _copy(dtype: str) -> Kernel:
    held, shape = _held(dtype)
    buffers = Buffer("a", held, shape, "in"), Buffer("o", held, shape, "out")
    statements: list[Load | Store] = []
    for k in range(2) if shape else [None]:
        at = () if k is None else (constant_index(k),)
        statements += [Load(f"v{k}", "a", at, held), Store("o", at, f"v{k}")]
    return Kernel("copy", buffers, (), tuple(statements))

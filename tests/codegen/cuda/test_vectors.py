"""What a map moves at once, and what it must not."""

from __future__ import annotations

import numpy as np
import pytest

from symgraph.codegen.cuda import device_vectors, indices
from symgraph.codegen.cuda.plan import Plan, plan
from symgraph.codegen.cuda.vectors import Wide, wide
from symgraph.codegen.ir import Affine
from symgraph.codegen.parse import parse_kernel


def planned(*body: str, arrays: str = "", dims: str = "n, m") -> Plan:
    """A map over rows with `body` in it."""
    buffers = arrays or f"x: in float32[{dims}], y: out float32[{dims}]"
    lines = "".join(f"      {line}\n" for line in body)
    text = f"kernel k({buffers}; n, m) split i\n  parallel i < n\n    vector j < m\n"
    made = plan(parse_kernel(text + lines))
    assert made.kind == "map"
    return made


def moved(made: Plan) -> Wide | None:
    found = wide(made.kernel, made.loops)
    assert made.width == (found.width if found else 1)
    return found


def names(found: Wide | None) -> tuple[list[str], list[str]]:
    assert found is not None
    return [s.buffer for s in found.loads], [s.buffer for s in found.stores]


COPY = "v = load x[i, j]: float32", "store y[i, j] = v"


@pytest.mark.parametrize(
    ("dtypes", "width"),
    [
        (("float32", "float32"), 4),
        (("float64", "float64"), 2),
        (("bool", "bool"), 4),
        (("int8", "float64"), 2),
    ],
)
def test_the_largest_elements_fill_a_vector(
    dtypes: tuple[str, str], width: int
) -> None:
    x, y = dtypes
    convert = "w = cast(v): " + y if x != y else "w = select(true, v, v): " + y
    made = planned(
        f"v = load x[i, j]: {x}",
        convert,
        "store y[i, j] = w",
        arrays=f"x: in {x}[n, m], y: out {y}[n, m]",
    )
    found = moved(made)
    assert found is not None and found.width == width
    # One loop over everything, whose rows are as long as the arrays.
    assert len(made.nest) == 1


def test_what_does_not_lie_in_a_row_is_read_one_by_one() -> None:
    arrays = "x: in float32[n, m], b: in float32[m], t: in float32[m, n], "
    made = planned(
        "v = load x[i, j]: float32",
        "w = load b[m - j - 1]: float32",
        "u = load t[j, i]: float32",
        "s = add(v, w): float32",
        "r = add(s, u): float32",
        "store y[i, j] = r",
        arrays=arrays + "y: out float32[n, m]",
    )
    assert names(moved(made)) == (["x"], ["y"])


def test_an_odd_beginning_is_no_vector() -> None:
    made = planned(
        "v = load x[i, j + 1]: float32",
        "w = load x[i, j + 4]: float32",
        "u = add(v, w): float32",
        "store y[i, j] = u",
        arrays="x: in float32[n, 99], y: out float32[n, m]",
    )
    found = moved(made)
    assert found is not None and [s.name for s in found.loads] == ["w"]


def test_what_is_read_after_it_was_stored_is_not_moved() -> None:
    arrays = "x: in float32[n, m], y: inout float32[n, m]"
    before = planned(
        "u = load y[i, j]: float32",
        "v = load x[i, j]: float32",
        "w = add(u, v): float32",
        "store y[i, j] = w",
        arrays=arrays,
    )
    assert names(moved(before)) == (["y", "x"], ["y"])
    after = planned(
        "v = load x[i, j]: float32",
        "store y[i, j] = v",
        "u = load y[i, j]: float32",
        "w = add(u, v): float32",
        "store y[i, j] = w",
        arrays=arrays,
    )
    assert names(moved(after)) == (["x"], [])


def test_short_rows_and_large_work_are_left_alone() -> None:
    arrays = "x: in float32[n, 9], y: out float32[n, 9, 3]"
    text = (
        f"kernel k({arrays}; n) split i\n  parallel i < n\n    vector j < 3\n"
        "      v = load x[i, 2 * j]: float32\n      store y[i, 4, j] = v\n"
    )
    made = plan(parse_kernel(text))
    assert made.kind == "map" and made.width == 1
    many = [f"v{k + 1} = exp(v{k}): float32" for k in range(20)]
    made = planned("v0 = load x[i, j]: float32", *many, "store y[i, j] = v20")
    assert made.kind == "map" and made.width == 1


def test_a_guarded_load_is_not_moved() -> None:
    made = planned(
        "g = lt(j, 5:int64): bool",
        "v = load x[i, j] if g: float32",
        "store y[i, j] = v",
    )
    assert names(moved(made)) == ([], ["y"])


@pytest.mark.parametrize("width", device_vectors.WIDTHS)
def test_vectors_in_the_simulator(width: int) -> None:
    functions = device_vectors.simulated()
    aligned, load, store = (
        functions[f"{kind}{width}"] for kind in ("aligned", "load", "store")
    )
    memory = np.zeros(16 * 4 + 16, np.uint8)
    start = -memory.ctypes.data % 16
    array = memory[start : start + 64].view(np.float32)
    assert [aligned(array, k) for k in range(5)] == [k % width == 0 for k in range(5)]
    store(array, width, tuple(np.float32(k) for k in range(width)))
    assert load(array, width) == tuple(range(width))
    assert array.sum() == sum(range(width))
    with pytest.raises(ValueError, match="misaligned"):
        load(array, 1)
    with pytest.raises(ValueError, match="misaligned"):
        store(array[1:], 0, (np.float32(1),) * width)


def test_axes_go_on_like_an_odometer() -> None:
    """All numbers from a start, by a step, have the axes that dividing gives."""
    extents = (4, 3, 5)
    for first, step in [(0, 1), (7, 4), (13, 14), (2, 59)]:
        values: dict[str, int] = {}
        axes, steps = ("i", "j", "k"), ("i_step", "j_step", "k_step")
        texts = tuple(map(str, extents))
        exec("\n".join(indices.axes_of(str(first), axes, texts)), values)
        exec("\n".join(indices.axes_of(str(step), steps, texts)), values)
        on = compile("\n".join(indices.onward(axes, steps, texts)), "onward", "exec")
        for number in range(first, 60, step):
            want = np.unravel_index(number, extents)
            assert tuple(values[axis] for axis in axes) == want
            exec(on, values)


def test_places() -> None:
    index = (Affine((("i", 1),)), Affine((("j", -2),), 3), Affine())
    assert indices.place(index, ("n", "m", "1"), str.upper) == "I * m + 3 - 2 * J"
    assert indices.place((), (), str, "begin") == "begin"
    assert indices.place((), (), str) == "0"


def test_no_index_counts_from_the_end() -> None:
    flat = device_vectors.simulated()["flat"]
    assert flat(3) == 3
    with pytest.raises(IndexError, match="at -1 of an array"):
        flat(-1)
    used: set[str] = set()
    assert indices.element("x", "0", used) == "x[0]" and not used
    assert indices.element("x", "i + 1", used) == "x[flat(i + 1)]" and used == {"flat"}

"""Transposed access in tiles: the same values, for any shape and number of arrays."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

import numpy as np
import pytest

from symgraph.codegen import schedule
from symgraph.codegen.cpu.ahead import asked_ahead
from symgraph.codegen.cpu.host import detect
from symgraph.codegen.cpu.squares import turn_of
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import Const, Kernel, Loop, walk
from symgraph.codegen.parse import parse_kernel
from symgraph.codegen.tiles import COLUMNS, ROWS, tiled

from .jit import SIZES as OPERATIONS
from .jit import Native

#: A transposed array, a plain one, a row's and a column's value, and both indices.
PLANE = """
    kernel plane(x: in float32[m, n], y: in float32[n, m], z: in float32[n],
                 w: in float32[m], out: out float32[n, m]; n, m) split i
      parallel i < n
        c = load z[i]: float32
        vector j < m
          u = load x[j, i]: float32
          v = load y[i, j]: float32
          s = load w[j]: float32
          p = mul(u, c): float32
          q = mul(v, s): float32
          r = sub(p, q): float32
          a = cast(i): float32
          b = cast(j): float32
          d = sub(a, b): float32
          e = mul(r, d): float32
          store out[i, j] = e
"""

#: Two transposed arrays of different widths, in planes of a larger array.
CUBE = """
    kernel cube(x: in float64[k, m, n], y: in uint8[m, k, n],
                out: out float64[k, n, m]; k, n, m) split l
      parallel l < k
        serial i < n
          vector j < m
            u = load x[l, j, i]: float64
            t = load y[j, l, i]: uint8
            v = cast(t): float64
            s = add(u, v): float64
            store out[l, i, j] = s
"""


def joined(text: str) -> Kernel:
    """A kernel whose head takes two lines."""
    head, rest = dedent(text).strip().split(") split", 1)
    return parse_kernel(" ".join(head.split()) + ") split" + rest)


PLANE_KERNEL, CUBE_KERNEL = joined(PLANE), joined(CUBE)
SIZES = (0, 1, 7, ROWS, ROWS + 1, COLUMNS + 5)


@pytest.fixture(scope="module", params=[1 << 40, 1])
def native(request: pytest.FixtureRequest) -> Native:
    """Both kernels, which store in the caches or past them."""
    host = replace(detect(), streams=request.param)
    return Native([tiled(PLANE_KERNEL), tiled(CUBE_KERNEL)], host)


def plane(n: int, m: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(n)
    shapes = {"x": (m, n), "y": (n, m), "z": (n,), "w": (m,)}
    arrays = {k: random.random(s).astype("f4") for k, s in shapes.items()}
    difference = np.arange(n)[:, None] - np.arange(m)
    x, y = arrays["x"].T * arrays["z"][:, None], arrays["y"] * arrays["w"]
    right = ((x - y) * difference).astype("f4")
    arrays["out"] = np.full((n, m), np.nan, "f4")
    return arrays, right


def cube(k: int, n: int, m: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    random = np.random.default_rng(n)
    x, y = random.random((k, m, n)), random.integers(0, 255, (m, k, n), "u1")
    out = np.full((k, n, m), np.nan)
    right = x.transpose(0, 2, 1) + y.transpose(1, 2, 0)
    return {"x": x, "y": y, "out": out}, right


def strips(n: int) -> int:
    """How many strips of tiles the kernel of a plane of `n` rows has."""
    extent, lets = schedule.extent(tiled(PLANE_KERNEL))
    known: dict[object, int] = {"n": n, "m": 1}
    for let in lets:
        args = (a.value if isinstance(a, Const) else known[a] for a in let.args)
        known[let.name] = OPERATIONS[let.op](*args)
    return known[extent]


def test_strips_are_as_good_as_equal() -> None:
    assert [strips(n) for n in (0, 1, 16, 17, 128, 129, 288)] == [0, 1, 1, 2, 8, 5, 6]
    for n in range(1, 5000, 7):
        count, rows = strips(n), -(-n // strips(n))
        assert rows <= ROWS and (count <= 20 or rows > ROWS // 2)


def test_the_next_tile_is_asked_for() -> None:
    asked = [a for each in asked_ahead(tiled(PLANE_KERNEL)).values() for a in each]
    assert [a.buffer for a in asked] == ["y"]  # x is turned round, the rest stays near
    assert asked[0].index[-1].const == COLUMNS
    assert not asked_ahead(PLANE_KERNEL)


def test_what_is_turned() -> None:
    assert len(tiled(PLANE_KERNEL).scratch) == 1
    assert len(tiled(CUBE_KERNEL).scratch) == 2
    loops = [s for s, _ in walk(tiled(PLANE_KERNEL).body) if isinstance(s, Loop)]
    assert [s.kind for s in loops].count("parallel") == 1


@pytest.mark.parametrize(
    "change",
    [
        ("x[j, i]", "y[i, j]"),  # contiguous already
        ("x[j, i]", "x[j, 0]"),
        ("x[j, i]", "x[j, 2*i]"),
        ("store out[i, j] = e", "store out[i, j] += e"),
        ("load y[i, j]", "load out[i, j]"),
        ("parallel i < n", "serial i < 7"),
    ],
)
def test_what_is_left_alone(change: tuple[str, str]) -> None:
    text = PLANE.replace(*change)
    if "< 7" in text:
        text = text.replace("vector j < m", "vector j < 8").replace(" split i", "")
        head, rest = dedent(text).strip().split("; n, m)", 1)
        given = parse_kernel(" ".join(head.split()) + "; n, m)" + rest)
    else:
        given = joined(text)
    assert tiled(given) is given


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("m", SIZES)
def test_a_plane(native: Native, n: int, m: int) -> None:
    arrays, right = plane(n, m)
    made = tiled(PLANE_KERNEL)
    count = strips(n)
    chunks = [(0, count)] if n < ROWS else [(k, k + 1) for k in range(count)]
    assert native(made, arrays, {"n": n, "m": m}, chunks) == 0
    np.testing.assert_allclose(arrays["out"], right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(3, 70, 40), (2, 1, 100), (1, 33, 31), (4, 64, 64)])
def test_a_cube(native: Native, shape: tuple[int, int, int]) -> None:
    arrays, right = cube(*shape)
    sizes = dict(zip("knm", shape, strict=True))
    chunks = [(k, k + 1) for k in range(shape[0])]
    assert native(tiled(CUBE_KERNEL), arrays, sizes, chunks) == 0
    np.testing.assert_allclose(arrays["out"], right, rtol=1e-12)


def test_the_interpreter_finds_the_same() -> None:
    arrays, right = plane(9, 70)
    assert run_kernel(tiled(PLANE_KERNEL), arrays, {"n": 9, "m": 70}) == 0
    np.testing.assert_allclose(arrays["out"], right, rtol=1e-4, atol=1e-4)


#: Arrays of elements of 1, 2, 4 and 8 bytes turned round, and one that is added up.
TURNS = """
    kernel turns(a: in uint8[m, n], b: in int16[m, n], c: in float32[2, m, n],
                 e: in int64[m, n], ta: out uint8[n, m], tb: out int16[n, m],
                 tc: out float32[2, n, m], te: inout int64[n, m]; n, m) split j
      serial j < m
        vector i < n
          va = load a[j, i]: uint8
          store ta[i, j] = va
      serial j2 < m
        vector i < n
          vb = load b[j2, i]: int16
          store tb[i, j2] = vb
      serial k < 2
        serial j3 < m
          vector i < n
            vc = load c[k, j3, i]: float32
            store tc[k, i, j3] = vc
      serial j4 < m
        vector i < n
          ve = load e[j4, i]: int64
          store te[i, j4] += ve
"""


@pytest.mark.parametrize("width", [16, 32, 64])
def test_squares_of_registers(width: int) -> None:
    """Whole squares are turned by shuffles, at each width of vectors."""
    host = replace(detect(), vector_bytes=width)
    kernel = replace(joined(TURNS), split=None)
    loops = [s for s, _ in walk(kernel.body) if isinstance(s, Loop)]
    assert sum(turn_of(loop) is not None for loop in loops) == 3
    native, rng = Native([kernel], host), np.random.default_rng(0)
    assert native.text.count("shufflevector") >= 3 * width // 8
    for m, n in ((0, 4), (1, 1), (3, 16), (16, 3), (16, 32), (37, 41)):
        arrays = {
            "a": rng.integers(0, 255, (m, n), "u1"),
            "b": rng.integers(-99, 99, (m, n), "i2"),
            "c": rng.random((2, m, n)).astype("f4"),
            "e": rng.integers(-99, 99, (m, n), "i8"),
        }
        right = {f"t{k}": np.swapaxes(v, -1, -2) for k, v in arrays.items()}
        made = {k: np.zeros_like(v, order="C") for k, v in right.items()}
        assert native(kernel, arrays | made, {"n": n, "m": m}) == 0
        for name, value in right.items():
            np.testing.assert_array_equal(made[name], value)

"""Large results stored past the caches: the same values, at any address."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symgraph.codegen.cpu.compile import Module, compile_assembly
from symgraph.codegen.cpu.emit import emit_kernel
from symgraph.codegen.cpu.host import (
    MOST_CACHE,
    UNKNOWN_CACHE,
    Host,
    detect,
    last_cache,
)
from symgraph.codegen.cpu.streams import streamed
from symgraph.codegen.ir import Kernel
from symgraph.codegen.parse import parse_kernel

from .jit import Native

HOST = replace(detect(), streams=1)

MAP = """\
kernel doubled(x: in float32[n], y: out float32[n]; n) split i
  vector i < n
    v = load x[i]: float32
    w = add(v, v): float32
    store y[i] = w
"""
ROWS = """\
kernel rows(x: in float64[m], s: in float64[n], \
y: out float64[n, m], b: out bool[n, m]; n, m) split i
  parallel i < n
    t = load s[i]: float64
    vector j < m
      v = load x[j]: float64
      w = mul(v, t): float64
      c = gt(w, 0.5:float64): bool
      store y[i, j] = w
      store b[i, j] = c
"""
#: One row of a larger array, which the number of this call says.
ONE_ROW = """\
kernel one_row(x: in float32[m], y: out float32[n, m]; n, m, t)
  vector j < m
    v = load x[j]: float32
    store y[t, j] = v
"""
#: What is read again.
AGAIN = """\
kernel again(x: in float32[n], y: out float32[n], z: out float32[n]; n)
  vector i < n
    v = load x[i]: float32
    w = mul(v, v): float32
    store y[i] = w
  vector j < n
    u = load y[j]: float32
    r = sqrt(u): float32
    store z[j] = r
"""
KERNELS = {k.name: k for k in map(parse_kernel, (MAP, ROWS, ONE_ROW, AGAIN))}

on_x86 = pytest.mark.skipif(
    not HOST.triple.startswith("x86_64"), reason="stores with a hint are x86's"
)


def at(offset: int, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An array `offset` elements behind a multiple of 64 bytes."""
    size = int(np.prod(shape)) + offset
    room = np.full(size * np.dtype(dtype).itemsize + 64, 0xA5, "u1")
    start = -room.ctypes.data % 64
    flat = room[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    return flat[offset:].reshape(shape)


@pytest.fixture(scope="module")
def native() -> Native:
    return Native(KERNELS.values(), HOST)


@pytest.mark.parametrize("offset", [0, 1, 2, 4, 7, 8])
@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 1000])
def test_memory_may_begin_anywhere(native: Native, size: int, offset: int) -> None:
    arrays = {"x": at(3, (size,), "float32"), "y": at(offset, (size,), "float32")}
    arrays["x"][:] = np.arange(size)
    native(KERNELS["doubled"], arrays, {"n": size})
    np.testing.assert_array_equal(arrays["y"], 2 * np.arange(size, dtype="f4"))


@pytest.mark.parametrize("offset", [0, 1, 2])
@pytest.mark.parametrize(
    "shape", [(3, 33), (5, 64), (4, 17), (2, 258), (0, 40), (3, 0)]
)
def test_rows_begin_where_they_do(
    native: Native, shape: tuple[int, int], offset: int
) -> None:
    n, m = shape
    random = np.random.default_rng(0)
    arrays = {"x": random.random(m), "s": random.random(n)}
    arrays["y"], arrays["b"] = at(offset, shape, "float64"), at(offset, shape, "bool")
    native(KERNELS["rows"], arrays, {"n": n, "m": m})
    right = arrays["s"][:, None] * arrays["x"]
    np.testing.assert_array_equal(arrays["y"], right)
    np.testing.assert_array_equal(arrays["b"], right > 0.5)


def test_what_is_read_again_stays_near(native: Native) -> None:
    arrays = {name: at(0, (999,), "float32") for name in "xyz"}
    arrays["x"][:] = np.arange(999)
    native(KERNELS["again"], arrays, {"n": 999})
    np.testing.assert_array_equal(arrays["z"], arrays["x"])
    assert set(streamed(KERNELS["again"], 8, HOST)) == {"z"}


def test_what_counts_is_what_is_written() -> None:
    assert streamed(KERNELS["rows"], 8, HOST) == {"y": ("n", "m")}  # 8 bools: too few
    assert streamed(KERNELS["rows"], 16, HOST) == {"y": ("n", "m"), "b": ("n", "m")}
    assert streamed(KERNELS["one_row"], 16, HOST) == {"y": ("m",)}


def test_known_sizes_decide_ahead() -> None:
    assert streamed(KERNELS["doubled"], 16, replace(HOST, streams=0)) == {}
    small = replace(KERNELS["doubled"], sizes=())
    fixed = tuple(replace(b, shape=(1024,)) for b in small.buffers)
    small = replace(small, buffers=fixed)
    assert streamed(small, 16, replace(HOST, streams=4096)) == {"y": (1024,)}
    assert streamed(small, 16, replace(HOST, streams=4097)) == {}


@on_x86
@pytest.mark.parametrize("streams", [0, 1 << 25])
def test_machine_code_has_the_hint_and_a_fence(streams: int) -> None:
    host = replace(HOST, streams=streams)
    found = assembly(KERNELS["doubled"], host)
    assert ("movnt" in found, "sfence" in found) == (streams > 0, streams > 0)


def assembly(kernel: Kernel, host: Host) -> str:
    made = emit_kernel(kernel, host)
    text = made.text.replace("define internal", "define")
    return compile_assembly(Module("\n".join([*made.declarations, text])), host)


@pytest.mark.parametrize(
    ("said", "bytes"),
    [
        ("32768K\n", 1 << 25),
        ("512K\n", 1 << 19),
        ("307200K\n", MOST_CACHE),
        ("much", UNKNOWN_CACHE),
        (None, UNKNOWN_CACHE),
    ],
)
def test_size_of_the_last_cache(tmp_path: Path, said: str | None, bytes: int) -> None:
    place = tmp_path / "size"
    if said is not None:
        place.write_text(said)
    assert last_cache(place) == bytes

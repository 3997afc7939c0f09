"""The primitive ``lookup``: entries of a table, by permutations and from memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.check import CheckError, check_kernel
from symgraph.codegen.cpu.host import Host, detect
from symgraph.codegen.interpret import run_kernel
from symgraph.codegen.ir import FLOATS
from symgraph.codegen.parse import parse_kernel
from symgraph.codegen.text import print_kernel

from .jit import Native

TEXT = """\
kernel entries_{t}(x: in {i}[n], o: out {t}[n], first: out {t}[]; n)
  v0 = lookup({last}:{i}, {table}): {t}
  store first[] = v0
  vector j < n
    v1 = load x[j]: {i}
    v2 = lookup(v1, {table}): {t}
    v3 = add(v2, v0): {t}
    store o[j] = v3
"""


def table(dtype: str) -> list[float]:
    """16 different numbers, some of them special."""
    some = [0.0, -0.0, float("inf"), -1.5, 2.0**-140]
    return [*some, *(float(k) for k in range(len(some), 16))]


def kernel(dtype: str):
    integer = dtype.replace("float", "int")
    entries = ", ".join(f"{v!r}:{dtype}" for v in table(dtype))
    return parse_kernel(TEXT.format(t=dtype, i=integer, table=entries, last=-9))


KERNELS = {dtype: kernel(dtype) for dtype in FLOATS}


def hosts() -> list[Host]:
    """This machine, and as if it had narrower vectors, or no permutations."""
    mine = detect()
    narrow = [replace(mine, vector_bytes=width) for width in (16, 32, 64)]
    return [mine, *narrow, replace(mine, features="")]


@pytest.fixture(scope="module", params=range(5))
def native(request: pytest.FixtureRequest) -> Native:
    return Native(KERNELS.values(), hosts()[request.param])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [0, 1, 7, 16, 37, 200])
def test_entries(native: Native, dtype: str, n: int) -> None:
    info = np.iinfo(dtype.replace("float", "int"))
    x = np.random.default_rng(n).integers(info.min, info.max, n, info.dtype)
    found = {"x": x, "o": np.zeros(n, dtype), "first": np.zeros((), dtype)}
    native(KERNELS[dtype], found, {"n": n})
    entries = np.array(table(dtype), dtype)
    assert found["first"] == entries[-9 & 15] == 7
    np.testing.assert_array_equal(found["o"], entries[x & 15] + entries[7])
    meant = {"x": x, "o": np.zeros(n, dtype), "first": np.zeros((), dtype)}
    run_kernel(KERNELS[dtype], meant, {"n": n})
    np.testing.assert_array_equal(found["o"], meant["o"])


@pytest.mark.parametrize("dtype", FLOATS)
def test_its_text_is_read_back(dtype: str) -> None:
    check_kernel(KERNELS[dtype])
    assert parse_kernel(print_kernel(KERNELS[dtype])) == KERNELS[dtype]


def test_entries_are_literals_of_one_type() -> None:
    entries = ", ".join(f"{v!r}:float64" for v in table("float64"))
    text = TEXT.format(t="float64", i="int64", table=entries, last=3)
    other = text.replace("lookup(v1, 0.0:float64", "lookup(v1, v0")
    with pytest.raises(CheckError, match="the entries of a lookup are literals"):
        check_kernel(parse_kernel(other))
    narrow = text.replace("x: in int64", "x: in int32").replace(
        "x[j]: int64", "x[j]: int32"
    )
    with pytest.raises(CheckError, match="lookup is I"):
        check_kernel(parse_kernel(narrow))

"""What is expected of kernels' machine code, and that it is so."""

from __future__ import annotations

import pytest

from symgraph.codegen.cuda import ptx
from symgraph.codegen.cuda.assemble import compile_ptx
from symgraph.codegen.cuda.plan import plan
from symgraph.codegen.cuda.report import rows
from symgraph.codegen.cuda.texts import excuses, texts_of, vectors_of
from symgraph.codegen.ir import Kernel
from symgraph.codegen.parse import parse_kernel, parse_program

from . import programs

TEXTS = dict(
    zip((text.split()[1] for text in programs.PROGRAMS), programs.PROGRAMS, strict=True)
)


def elementwise(dtype: str, *body: str) -> Kernel:
    lines = "".join(f"    {line}\n" for line in body)
    arrays = f"x: in {dtype}[n], z: in {dtype}[n], y: out {dtype}[n]"
    return parse_kernel(
        f"kernel k({arrays}; n) split i\n  parallel i < n\n"
        f"    v = load x[i]: {dtype}\n    w = load z[i]: {dtype}\n{lines}"
        "    store y[i] = u\n"
    )


@pytest.mark.parametrize(
    ("dtype", "vectors"),
    [("float32", ("load", "store")), ("int16", ("load", "store")), ("int8", ())],
)
def test_vectors_that_fill_a_register_alone_are_not_looked_for(
    dtype: str, vectors: tuple[str, ...]
) -> None:
    made = plan(elementwise(dtype, f"u = add(v, w): {dtype}"))
    assert made.width == 4 and vectors_of(made) == vectors


def test_excuses() -> None:
    assert not list(excuses(elementwise("float32", "u = div(v, w): float32")))
    sine = elementwise("float32", "s = sin(v): float32", "u = add(s, w): float32")
    assert list(excuses(sine)) == [("local memory", "sin of huge arguments")]
    divided = elementwise("int64", "u = floordiv(v, w): int64")
    assert list(excuses(divided)) == [("integer division", "floordiv of int64")]
    halved = elementwise("int64", "u = floordiv(v, 2:int64): int64")
    assert not list(excuses(halved))


@pytest.mark.cuda
@pytest.mark.parametrize("name", TEXTS)
def test_no_kernel_has_faults(name: str) -> None:
    found = [
        row for text in texts_of(parse_program(TEXTS[name])) for row in rows([text])
    ]
    assert found
    assert not [(row.name, str(fault)) for row in found for fault in row.faults]


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("dtype", "load"),
    [("float32", "v4"), ("float64", "v2"), ("int64", "v2"), ("int32", "v4")],
)
def test_sixteen_bytes_at_once(dtype: str, load: str) -> None:
    step = parse_program(
        f"program p\n  input x: {dtype}[n]\n  input z: {dtype}[n]\n"
        f"  output y: {dtype}[n]\n"
        f"  kernel k(x: in {dtype}[n], z: in {dtype}[n], y: out {dtype}[n]; n) "
        "split i\n"
        f"    parallel i < n\n      v = load x[i]: {dtype}\n"
        f"      w = load z[i]: {dtype}\n      u = mul(v, w): {dtype}\n"
        f"      s = add(u, w): {dtype}\n      store y[i] = s\n"
        "  launch k(x, z, y; n)\n  return y\n"
    )
    (text,) = texts_of(step)
    made = compile_ptx(text.source, text.parameters, (9, 0))
    loads = [i for i in ptx.vector_loads(made) if f".{load}." in i.opcode]
    stores = [i for i in ptx.vector_stores(made) if f".{load}." in i.opcode]
    assert len(loads) == 2 and len(stores) == 1
    assert not ptx.local_memory(made)
    if dtype.startswith("float"):
        assert ptx.fused(made)

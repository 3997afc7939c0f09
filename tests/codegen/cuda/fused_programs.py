# ruff: noqa: E501 - a kernel has its arguments on one line
"""Products and what is done with their elements, by hand; some must not be fused.

As a script, it runs them on a GPU or in numba's simulator and compares with the
interpreter, cut in several ways:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.codegen.cuda.fused_programs``.
"""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np

from symgraph.codegen.cuda import product
from symgraph.codegen.cuda.fusion import fusions_of
from symgraph.codegen.cuda.launch import CudaProgram, Limits
from symgraph.codegen.cuda.product import Enough
from symgraph.codegen.interpret import dims_of
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program

from ...device import real
from .launch_tools import Counting

#: Names that the product's own text has, too.
BIAS = """
program bias
  input a: float32[m, k]
  input b: float32[k, n]
  input c: float32[n]
  output y: float32[m, n]
  temp t: float32[m, n] slot 0
  kernel bias_tanh(t: in float32[m, n], row: in float32[n], out: out float32[m, n]; m, n) split x
    parallel x < m
      vector column < n
        total = load t[x, column]: float32
        w = load row[column]: float32
        left = add(total, w): float32
        right = tanh(left): float32
        store out[x, column] = right
  gemm t = a @ b for m=m, n=n, k=k
  launch bias_tanh(t, c, y; m, n)
  return y
"""

#: Several outputs, one of another dtype, one transposed and one in place of an input;
#: what the sizes and a scalar decide; and steps in between.
SEVERAL = """
program several
  input a: float32[m, k]
  input b: float32[k, n]
  input c: float32[m]
  input s: float32[]
  output y: float64[m, n]
  output z: float32[n, m]
  output w: float32[m]
  temp t: float32[m, n] slot 0
  temp r: float32[m, n] slot 1
  temp u: float32[m, n] slot 1
  kernel fill(r: out float32[m, n]; m, n) split i
    parallel i < m
      vector j < n
        p = cast(j): float32
        store r[i, j] = p
  kernel ends(t: in float32[m, n], r: in float32[m, n], c: in float32[m], s: in float32[], u: out float32[m, n], y: out float64[m, n], z: out float32[n, m]; m, n) split i
    count = mul(m, n): int64
    all = cast(count): float32
    v1 = load s[]: float32
    parallel i < m
      v2 = load c[i]: float32
      vector j < n
        v3 = load t[i, j]: float32
        v4 = load r[i, j]: float32
        v5 = mul(v3, v1): float32
        v6 = add(v5, v2): float32
        v7 = div(v6, all): float32
        v8 = sub(v7, v4): float32
        store u[i, j] = v8
        v9 = cast(v7): float64
        store y[i, j] = v9
        v10 = load t[i, j]: float32
        store z[j, i] = v10
  kernel sums(u: in float32[m, n], w: out float32[m]; m, n) split i
    parallel i < m
      vector j < n -> total = sum v: float32
        v = load u[i, j]: float32
      store w[i] = total
  gemm t = a @ b for m=m, n=n, k=k
  launch fill(r; m, n)
  launch ends(t, r, c, s, u, y, z; m, n)
  launch sums(u, w; m, n)
  return y, z, w
"""

BATCHED = """
program batched
  input a: float64[b, k, m]
  input c: float64[n, k]
  input d: float64[b, m, n]
  output y: float64[b, m, n]
  temp t: float64[b, m, n] slot 0
  kernel residual(t: in float64[b, m, n], d: in float64[b, m, n], y: out float64[b, m, n]; b, m, n) split i
    parallel i < b
      serial j < m
        vector h < n
          v1 = load t[i, j, h]: float64
          v2 = load d[i, j, h]: float64
          v3 = max(v1, 0.0:float64): float64
          v4 = add(v3, v2): float64
          store y[i, j, h] = v4
  gemm t = transpose(a) @ transpose(c) for m=m, n=n, k=k, batch=b, rhs_batched=false
  launch residual(t, d, y; b, m, n)
  return y
"""

#: The second product is added to the first one, and ended.
ADDED = """
program added
  input a: float32[m, k]
  input b: float32[k, n]
  output y: float32[m, n]
  temp t: float32[m, n] slot 0
  kernel twice(t: in float32[m, n], y: out float32[m, n]; m, n) split i
    parallel i < m
      vector j < n
        v1 = load t[i, j]: float32
        v2 = mul(v1, 2.0:float32): float32
        store y[i, j] = v2
  gemm t = a @ b for m=m, n=n, k=k
  gemm t += a @ b for m=m, n=n, k=k
  launch twice(t, y; m, n)
  return y
"""

#: Rows and columns of the product are two axes each, and a third one is alone.
VIEWS = """
program views
  input a: float32[p, q, k]
  input b: float32[k, f, g]
  input c: float32[g]
  output y: float32[p, q, 1, f, g]
  temp t: float32[p, q, 1, f, g] slot 0
  view u: float32[m, n] of t
  host m = mul(p, q): int64
  host n = mul(g, f): int64
  kernel ends(t: in float32[p, q, 1, f, g], c: in float32[g], y: out float32[p, q, 1, f, g]; p, q, f, g) split i
    parallel i < p
      serial j < q
        serial one < 1
          serial r < f
            vector s < g
              v1 = load t[i, j, one, r, s]: float32
              v2 = load c[s]: float32
              v3 = add(v1, v2): float32
              v4 = cast(r): float32
              v5 = add(v3, v4): float32
              v6 = cast(i): float32
              v7 = mul(v5, v6): float32
              v8 = cast(one): float32
              v9 = sub(v7, v8): float32
              store y[i, j, one, r, s] = v9
  gemm u = a @ b for m=m, n=n, k=k
  launch ends(t, c, y; p, q, f, g)
  return y
"""

ROWS = """
program rows
  input a: float32[m, k]
  input b: float32[k]
  input c: float32[m]
  output y: float32[m]
  temp t: float32[m] slot 0
  kernel ends(t: in float32[m], c: in float32[m], y: out float32[m]; m) split i
    vector i < m
      v1 = load t[i]: float32
      v2 = load c[i]: float32
      v3 = sub(v1, v2): float32
      store y[i] = v3
  gemm t = a @ b for m=m, n=1, k=k
  launch ends(t, c, y; m)
  return y
"""

COLUMNS = (
    ROWS.replace("a: float32[m, k]", "a: float32[k, m]")
    .replace("gemm t = a @ b for m=m, n=1", "gemm t = b @ a for m=1, n=m")
    .replace("program rows", "program columns")
)

#: A loop moves what a round has made to where the next one finds it.
LOOP = """
program loop
  input h: float32[m, m]
  input w: float32[m, m]
  output y: float32[m, m]
  temp count: int64[] slot 0
  temp one: float32[m, m] slot 1
  temp two: float32[m, m] slot 2
  temp t: float32[m, m] slot 3
  kernel copy(x: in float32[m, m], y: out float32[m, m]; m) split i
    parallel i < m
      vector j < m
        v = load x[i, j]: float32
        store y[i, j] = v
  kernel ends(t: in float32[m, m], x: in float32[m, m], y: out float32[m, m]; m) split i
    parallel i < m
      vector j < m
        v1 = load t[i, j]: float32
        v2 = load x[i, j]: float32
        v3 = add(v1, v2): float32
        v4 = tanh(v3): float32
        store y[i, j] = v4
  launch copy(h, one; m)
  repeat count < 3 moving one <- two
  gemm t = one @ w for m=m, n=m, k=m
  launch ends(t, h, two; m)
  end
  launch copy(one, y; m)
  return y
"""

FUSED = {
    text.split()[1]: text
    for text in (BIAS, SEVERAL, BATCHED, ADDED, VIEWS, ROWS, COLUMNS, LOOP)
}

#: The result lies where the left operand does, which other blocks still read.
IN_PLACE = """
program in_place
  input x: float32[m, m]
  input b: float32[m, m]
  output y: float32[m, m]
  temp a: float32[m, m] slot 0
  temp t: float32[m, m] slot 1
  temp c: float32[m, m] slot 0
  kernel twice(x: in float32[m, m], y: out float32[m, m]; m) split i
    parallel i < m
      vector j < m
        v1 = load x[i, j]: float32
        v2 = add(v1, v1): float32
        store y[i, j] = v2
  launch twice(x, a; m)
  gemm t = a @ b for m=m, n=m, k=m
  launch twice(t, c; m)
  gemm y = c @ b for m=m, n=m, k=m
  return y
"""

#: The side of a small tile; on a GPU its threads are two warps.
SIDE = 8 if real() else 2
_FEW = Limits(threads=4, blocks=3, chunk=4, tile=SIDE, warp=2)
if real():
    _FEW = Limits(threads=64, blocks=3, chunk=64, tile=SIDE)
#: How products are cut: few of everything, so that tiles are small; large tiles; and
#: sums in chunks.
WAYS = {
    "small": (_FEW, Enough()),
    "large": (replace(_FEW, tile=2 * SIDE), Enough(blocks=1)),
    "chunks": (
        _FEW,
        Enough(blocks=99, warps=99, threads=99, terms=(2, 2, 2), chunks=(3, 3, 3)),
    ),
}
#: The first is more than two small tiles.
SIZES = (2 * SIDE + 1, 1, 0)


def parsed(text: str) -> Program:
    """The program, which must be well-formed."""
    program = parse_program(text)
    check_program(program)
    return program


def drawn(program: Program, **sizes: int) -> dict[str, np.ndarray]:
    """Arguments of a program, whose sizes are given by name."""
    rng = np.random.default_rng(0)
    return {
        a.name: rng.uniform(-1, 1, dims_of(a.shape, sizes)).astype(a.dtype)
        for a in program.by_role("input")
    }


def names_in(program: Program) -> set[str]:
    """The sizes that the inputs have."""
    shapes = [a.shape for a in program.by_role("input")]
    return {e for shape in shapes for e in shape if isinstance(e, str)}


def agrees(program: Program, way: str, sizes: dict[str, int]) -> list[str]:
    """Run a program; the kernels launched.  It must give the interpreter's results."""
    limits, enough = WAYS[way]
    kernels = Counting()
    given: dict[str, Any] = drawn(program, **sizes)
    cut = functools.partial(product.cuts, enough=enough)
    with mock.patch.object(product, "cuts", cut):
        whole = CudaProgram(program, limits, kernels)
        got = whole.run(given)
    want = run_program(program, given)
    for x, y in zip(got.results, want.results, strict=True):
        assert (x.dtype, x.shape) == (y.dtype, y.shape), (program.name, way, sizes)
        assert np.allclose(x, y, rtol=1e-5, atol=1e-5), (program.name, way, sizes, x, y)
    dropped = fusions_of(program).dropped
    for plan in whole._plans:
        assert dropped.isdisjoint(plan.layout.places)
    return list(kernels.launched.elements())


def main() -> int:
    """Run all for all sizes; prints what was launched for the first."""
    for name, text in (FUSED | {"in_place": IN_PLACE}).items():
        program = parsed(text)
        for way in WAYS:
            for size in SIZES:
                # No two are the same, where they are not one.
                sizes = dict.fromkeys(names_in(program), size)
                more = enumerate(sorted(sizes)) if size > 1 else ()
                sizes |= {each: size + k for k, each in more}
                launched = agrees(program, way, sizes)
                if size == SIZES[0]:
                    print(name, way, *launched)
            for empty in sorted(names_in(program)):
                agrees(program, way, dict.fromkeys(names_in(program), 3) | {empty: 0})
    return 0


if __name__ == "__main__":
    sys.exit(main())

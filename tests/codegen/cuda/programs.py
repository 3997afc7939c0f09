# ruff: noqa: E501 - a kernel has its arguments on one line
"""Small programs by hand, one for each thing that running on a device must get right.

As a script, it runs them in numba's simulator and compares with the interpreter:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.codegen.cuda.programs``.
"""

from __future__ import annotations

import sys

import numpy as np

from symgraph.codegen.cuda.launch import CudaProgram, Limits
from symgraph.codegen.interpret import dims_of
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program

from ...device import limits, real

SOFTMAX = """
program softmax
  input x: float32[n, m]
  output y: float32[n, m]
  kernel softmax(x: in float32[n, m], out: out float32[n, m]; n, m) split i
    scratch row: float32[m]
    parallel i < n
      vector j < m -> top = max v1: float32
        v1 = load x[i, j]: float32
      vector j < m -> total = sum v4: float32
        v2 = load x[i, j]: float32
        v3 = sub(v2, top): float32
        v4 = exp(v3): float32
        store row[j] = v4
      vector j < m
        v5 = load row[m - j - 1]: float32
        v6 = div(v5, total): float32
        store out[i, m - j - 1] = v6
  launch softmax(x, y; n, m)
  return y
"""

KNOWN_ROWS = """
program known_rows
  input x: float64[n, 40]
  output y: float64[n, 40]
  output z: float64[n]
  kernel k(x: in float64[n, 40], y: out float64[n, 40], z: out float64[n]; n) split i
    scratch row: float64[40]
    parallel i < n
      vector j < 40
        v1 = load x[i, j]: float64
        store row[j] = v1
      vector j < 40
        v2 = load row[39 - j]: float64
        store y[i, j] = v2
      v3 = load row[39]: float64
      store z[i] = v3
  launch k(x, y, z; n)
  return y, z
"""

SHORT_ROWS = """
program short_rows
  input x: float64[n, 3]
  output y: float64[n, 3]
  kernel k(x: in float64[n, 3], out: out float64[n, 3]; n) split i
    scratch row: float64[3]
    parallel i < n
      vector j < 3 -> total = sum v1: float64
        v1 = load x[i, j]: float64
        store row[j] = v1
      vector j < 3
        v2 = load row[2 - j]: float64
        v3 = div(v2, total): float64
        store out[i, j] = v3
  launch k(x, y; n)
  return y
"""

WIDE = """
program wide
  input x: float32[n, m]
  input b: float32[m]
  output y: float32[n, m]
  output z: bool[n, m]
  kernel k(x: in float32[n, m], b: in float32[m], y: out float32[n, m], z: out bool[n, m]; n, m) split i
    parallel i < n
      vector j < m
        v1 = load x[i, j]: float32
        v2 = load b[j]: float32
        v3 = load b[m - j - 1]: float32
        v4 = add(v1, v2): float32
        v5 = mul(v4, v3): float32
        v6 = lt(v1, v2): bool
        store y[i, j] = v5
        store z[i, j] = v6
  launch k(x, b, y, z; n, m)
  return y, z
"""

#: Scratch of each thread that no register can be.
WINDOWS = """
program windows
  input x: float64[n]
  input q: float64[k]
  output y: float64[n]
  kernel windows(x: in float64[n], y: out float64[n]; n, k) split i
    scratch few: float64[5]
    scratch more: float64[k]
    parallel i < n
      v = load x[i]: float64
      serial a < k
        store more[a] = v
      serial c < 5
        store few[c] = v
      serial b < k -> total = sum w: float64
        w = load more[k - b - 1]: float64
      serial d < 5 -> rest = sum u: float64
        u = load few[4 - d]: float64
      s = add(total, rest): float64
      store y[i] = s
  launch windows(x, y; n, k)
  return y
"""

RUNNING_SUM = """
program running_sum
  input x: float64[n, m]
  output y: float64[n, m]
  kernel k(x: in float64[n, m], out: out float64[n, m]; n, m) split s
    scratch row: float64[m]
    parallel s < 1
      vector j < m
        store row[j] = 0.0:float64
      serial i < n
        vector j < m
          v1 = load row[j]: float64
          v2 = load x[i, j]: float64
          v3 = add(v1, v2): float64
          store row[j] = v3
        vector j < m
          v4 = load row[m - j - 1]: float64
          store out[i, m - j - 1] = v4
  launch k(x, y; n, m)
  return y
"""

REDUCTIONS = """
program reductions
  input x: float32[n, m]
  input w: int8[n]
  output total: float32[]
  output top: float32[]
  output shifted: float32[n]
  output product: int8[]
  kernel both(x: in float32[n, m], a: out float32[], b: out float32[], c: out float32[n]; n, m) split i
    serial i < n -> sums = sum inner: float32, tops = max most: float32
      vector j < m -> inner = sum v1: float32, most = max v1: float32
        v1 = load x[i, j]: float32
    store a[] = sums
    v2 = mul(sums, 2.0:float32): float32
    store b[] = tops
    vector k < n
      v3 = add(v2, tops): float32
      store c[k] = v3
  kernel wraps(w: in int8[n], p: out int8[]; n) split i
    vector i < n -> p1 = prod v1: int8
      v1 = load w[i]: int8
    store p[] = p1
  launch both(x, total, top, shifted; n, m)
  launch wraps(w, product; n)
  return total, top, shifted, product
"""

ROWS_OF_SUMS = """
program rows_of_sums
  input x: float64[n, m]
  output y: float64[n]
  output z: float64[]
  kernel k(x: in float64[n, m], out: out float64[n], z: out float64[]; n, m) split i
    serial i < n -> all = sum most: float64
      vector j < m -> most = max v1: float64
        v1 = load x[i, j]: float64
      store out[i] = most
    store z[] = all
  launch k(x, y, z; n, m)
  return y, z
"""

RECURRENCE = """
program recurrence
  input x: float64[n]
  output y: float64[n]
  output last: float64[]
  output steps: int64[]
  kernel k(x: in float64[n], out: out float64[n], last: out float64[], steps: out int64[]; n)
    vector z < n
      store out[z] = 0.0:float64
    serial i < n keeping a = 0.5:float64 then v2 to b: float64, on = true:bool then v3 to off: bool, c = 0:int64 then v4 to d: int64 while on
      v1 = load x[i]: float64
      v2 = mul(a, v1): float64
      v3 = gt(v2, 0.001:float64): bool
      v4 = add(c, 1:int64): int64
      store out[i] = v2
    store last[] = b
    store steps[] = d
  launch k(x, y, last, steps; n)
  return y, last, steps
"""

HISTOGRAM = """
program histogram
  input at: int64[n]
  input x: float32[n, m]
  output y: float32[5, m]
  kernel zero(y: out float32[5, m]; m) split i
    parallel i < 5
      vector j < m
        store y[i, j] = 0.0:float32
  kernel scatter(at: in int64[n], x: in float32[n, m], y: inout float32[5, m]; n, m)
    serial i < n
      v1 = load at[i]: int64
      v2 = ge(v1, 0:int64): bool
      v3 = lt(v1, 5:int64): bool
      v4 = and(v2, v3): bool
      check v4 else 9
      v5 = select(v4, v1, 0:int64): int64
      vector j < m
        v6 = load x[i, j]: float32
        store y[v5, j] += v6
  kernel meet(at: in int64[n], y: inout float32[5, m]; n, m)
    vector i < n
      v1 = load at[i]: int64
      v2 = ge(v1, 0:int64): bool
      v3 = lt(v1, 5:int64): bool
      v4 = and(v2, v3): bool
      check v4 else 2
      v5 = select(v4, v1, 0:int64): int64
      store y[v5, 0] += 1.0:float32
  launch zero(y; m)
  launch scatter(at, x, y; n, m)
  launch meet(at, y; n, m)
  return y
"""

RUNNING = """
program running
  input x: float64[n, m]
  output y: float64[n, m]
  output z: float64[n, m]
  output w: int64[m]
  kernel rows(x: in float64[n, m], y: out float64[n, m]; n, m) split i
    scratch held: float64[]
    parallel i < n
      store held[] = -0.0:float64
      serial j < m
        v1 = load held[]: float64
        v2 = load x[i, m - j - 1]: float64
        v3 = mul(v2, 2.0:float64): float64
        v4 = add(v1, v3): float64
        v5 = add(v4, 1.0:float64): float64
        store y[i, j] = v5
        store held[] = v4
  kernel columns(x: in float64[n, m], z: out float64[n, m]; n, m)
    scratch held: float64[m]
    vector k < m
      store held[k] = -inf:float64
    serial i < n
      vector j < m
        v1 = load held[j]: float64
        v2 = load x[i, j]: float64
        v3 = max(v1, v2): float64
        store z[i, j] = v3
        store held[j] = v3
  kernel flat(w: out int64[m]; m)
    scratch held: int64[]
    store held[] = 3:int64
    serial j < m
      v1 = load held[]: int64
      v2 = add(j, 5:int64): int64
      v3 = add(v2, v1): int64
      store w[j] = v3
      store held[] = v3
  launch rows(x, y; n, m)
  launch columns(x, z; n, m)
  launch flat(w; m)
  return y, z, w
"""

SCATTER = """
program scatter
  input at: int64[n]
  input x: float32[n, m]
  output y: float32[5, m]
  output z: float32[5]
  kernel zero(y: out float32[5, m]; m) split i
    parallel i < 5
      vector j < m
        store y[i, j] = 0.0:float32
  kernel none(z: out float32[5]) split i
    vector i < 5
      store z[i] = 0.0:float32
  kernel add(at: in int64[n], x: in float32[n, m], y: inout float32[5, m]; n, m)
    serial i < n
      serial j < m
        v1 = load at[i]: int64
        v2 = ge(v1, 0:int64): bool
        check v2 else 9
        v3 = select(v2, v1, 0:int64): int64
        v4 = load x[i, j]: float32
        store y[v3, j] += v4
  kernel set(at: in int64[n], z: inout float32[5]; n)
    serial i < n
      v1 = load at[i]: int64
      v2 = ge(v1, 0:int64): bool
      check v2 else 2
      v3 = select(v2, v1, 0:int64): int64
      v4 = cast(i): float32
      store z[v3] = v4
  launch zero(y; m)
  launch none(z)
  launch add(at, x, y; n, m)
  launch set(at, z; n)
  return y, z
"""

COLUMNS = """
program columns
  input x: float64[n, m, k]
  output y: float64[m, k]
  output z: float64[k]
  output w: float64[k]
  kernel both(x: in float64[n, m, k], y: out float64[m, k]; n, m, k) split j
    parallel j < m
      vector l < k
        v0 = load x[n - 1, j, l]: float64
        serial i < n -> total = sum v2: float64, top = max v1: float64
          v1 = load x[i, j, l]: float64
          v2 = sub(v1, v0): float64
        v3 = add(total, top): float64
        store y[j, l] = v3
  kernel rows(y: in float64[m, k], z: out float64[k], w: out float64[k]; m, k) split l
    vector l < k
      serial j < m -> most = min v1: float64
        v1 = load y[j, l]: float64
      store z[l] = most
      v2 = mul(most, 2.0:float64): float64
      store w[l] = v2
  launch both(x, y; n, m, k)
  launch rows(y, z, w; m, k)
  return y, z, w
"""

PRODUCTS = """
program products
  input a: float32[b, n, k]
  input c: float32[k, m]
  input d: float64[k, n]
  input e: float64[m, k]
  output y: float32[b, n, m]
  output z: float64[n, m]
  gemm y = a @ c for m=n, n=m, k=k, batch=b, rhs_batched=false
  gemm z = transpose(d) @ transpose(e) for m=n, n=m, k=k
  gemm z += transpose(d) @ transpose(e) for m=n, n=m, k=k
  return y, z
"""

LOOPS = """
program loops
  input x: float64[n, m]
  input limit: float64[]
  output y: float64[n, m]
  output count: int64[]
  output which: float64[]
  temp t: int64[]
  temp on: bool[]
  temp old: float64[m]
  temp new: float64[m]
  temp late: bool[]
  view flat: float64[1, m] of old
  row xs: float64[m] of x at 0 + 1 * t
  row ys: float64[m] of y at 0 + 1 * t
  kernel start(old: out float64[m], on: out bool[], y: out float64[n, m]; n, m)
    vector j < m
      store old[j] = 1.0:float64
    store on[] = true:bool
    serial i < n
      vector k < m
        store y[i, k] = 0.0:float64
  kernel next(x: in float64[m], old: in float64[1, m], new: out float64[m], y: out float64[m]; m) split j
    vector j < m
      v1 = load x[j]: float64
      v2 = load old[0, j]: float64
      v3 = add(v1, v2): float64
      store new[j] = v3
      store y[j] = v3
  kernel test(new: in float64[m], limit: in float64[], on: out bool[]; m) split j
    vector j < m -> total = sum v1: float64
      v1 = load new[j]: float64
    v2 = load limit[]: float64
    v3 = lt(total, v2): bool
    store on[] = v3
  kernel finish(t: in int64[], count: out int64[], late: out bool[])
    v1 = load t[]: int64
    store count[] = v1
    v2 = gt(v1, 2:int64): bool
    store late[] = v2
  kernel say(old: in float64[m], which: out float64[]; m) split j
    vector j < m -> total = sum v1: float64
      v1 = load old[j]: float64
    store which[] = total
  kernel deny(which: out float64[])
    store which[] = -1.0:float64
  launch start(old, on, y; n, m)
  repeat t < n while on moving old <- new
  launch next(xs, flat, new, ys; m)
  launch test(new, limit, on; m)
  end
  launch finish(t, count, late)
  when late
  launch say(old, which; m)
  otherwise
  launch deny(which)
  end
  return y, count, which
"""

PROGRAMS = (
    *(SOFTMAX, KNOWN_ROWS, SHORT_ROWS, WIDE, WINDOWS, RUNNING_SUM, REDUCTIONS),
    *(ROWS_OF_SUMS, RECURRENCE, RUNNING, HISTOGRAM, SCATTER, COLUMNS, PRODUCTS, LOOPS),
)
#: Values for all sizes: nothing, one of everything, and more than a block's threads.
SIZES = (
    {"n": 0, "m": 0, "k": 0, "b": 0},
    {"n": 1, "m": 1, "k": 1, "b": 1},
    {"n": 5, "m": 11, "k": 3, "b": 2},
    {"n": 13, "m": 2, "k": 5, "b": 1},
    {"n": 3, "m": 8, "k": 1, "b": 3},
)
LIMITS = (
    limits()
    if real()
    else (
        Limits(threads=4, blocks=3, chunk=4, tile=2, warp=2, row=4),
        Limits(threads=8, blocks=1, chunk=100, tile=4, warp=8),
    )
)


def parsed(text: str) -> Program:
    """A program, which must be well-formed."""
    program = parse_program(text)
    check_program(program)
    return program


def drawn(program: Program, sizes: dict[str, int], seed: int) -> dict[str, np.ndarray]:
    """Values for its inputs; indices from 0 to 4, and one that is none."""
    rng = np.random.default_rng(seed)
    given = {}
    for array in program.by_role("input"):
        shape = dims_of(array.shape, sizes)
        if array.dtype == "int64":
            value = rng.integers(0, 5, shape)
            if value.size > 12:
                value[7] = -3
        elif array.dtype == "int8":
            value = rng.integers(-9, 9, shape).astype("int8")
        else:
            value = rng.uniform(-1, 1, shape).astype(array.dtype)
        given[array.name] = np.asarray(value)
        if array.name == "limit":
            given["limit"] = np.array(sizes["m"] * 1.5)
    return given


def main() -> int:
    """Run all programs over all sizes; returns how many results are wrong."""
    wrong = 0
    for text in PROGRAMS:
        program = parsed(text)
        for number, sizes in enumerate(SIZES):
            for cut in LIMITS:
                given = drawn(program, sizes, number)
                want = run_program(program, given)
                whole = CudaProgram(program, cut)
                for _ in range(2):
                    got = whole.run(given)
                    same = got.status == want.status
                    if same and not want.status:
                        for x, y in zip(got.results, want.results, strict=True):
                            tolerance = 1e-5 if y.dtype == "float32" else 1e-12
                            same &= x.dtype == y.dtype and x.shape == y.shape
                            same &= np.allclose(x, y, rtol=tolerance, atol=tolerance)
                    if not same:
                        wrong += 1
                        print(program.name, sizes, cut, got, want)
        print(program.name, *whole.kinds)
    return wrong


if __name__ == "__main__":
    sys.exit(main() != 0)

# ruff: noqa: E501 - a kernel has its arguments on one line
"""Programs whose kernels accumulate along rows, which may be few and long."""

from __future__ import annotations

#: Each row of `x`, or `x` as one row, accumulated; what is accumulated is `@V@`.
_ROWS = """
program rows
  input x: @D@[n, m]
  output y: @D@[n, m]
  kernel rows(x: in @D@[n, m], y: out @D@[n, m]; n, m) split i
    scratch held: @D@[]
    parallel i < n
      store held[] = @I@:@D@
      serial j < m
        v1 = load held[]: @D@
        v = load x[i, @J@]: @D@
        w = @OP@(v1, v): @D@
        store y[i, j] = w
        store held[] = w
  launch rows(x, y; n, m)
  return y
"""
_ROW = """
program row
  input x: @D@[m]
  output y: @D@[m]
  kernel row(x: in @D@[m], y: out @D@[m]; m)
    scratch held: @D@[]
    store held[] = @I@:@D@
    serial j < m
      v1 = load held[]: @D@
      v = load x[@J@]: @D@
      w = @OP@(v1, v): @D@
      store y[j] = w
      store held[] = w
  launch row(x, y; m)
  return y
"""


def accumulating(
    dtype: str, op: str, init: str, rows: bool = False, reverse: bool = False
) -> str:
    """A program that accumulates `x`, from its end where `reverse`, by a primitive."""
    text = _ROWS if rows else _ROW
    text = text.replace("@J@", "m - j - 1" if reverse else "j")
    for name, value in (("D", dtype), ("OP", op), ("I", init)):
        text = text.replace(f"@{name}@", value)
    return text


#: A producer and a consumer in the kernel, a check, a value of the row, and what is
#: stored beside.
FUSED = """
program fused
  input x: float64[n, m]
  input at: int64[m]
  output y: float64[n, m]
  output z: float64[n, m]
  kernel fused(x: in float64[n, m], at: in int64[m], y: out float64[n, m], z: out float64[n, m]; n, m) split i
    scratch held: float64[]
    parallel i < n
      store held[] = -0.0:float64
      serial j < m
        v1 = load held[]: float64
        v2 = load at[j]: int64
        v3 = ge(v2, 0:int64): bool
        check v3 else 9
        v4 = select(v3, v2, 0:int64): int64
        v5 = load x[i, v4]: float64
        v6 = load x[i, 0]: float64
        v7 = sub(v5, v6): float64
        v8 = cast(j): float64
        v9 = add(v7, v8): float64
        v10 = add(v1, v9): float64
        v11 = mul(v10, 2.0:float64): float64
        store y[i, j] = v11
        store z[i, j] = v5
        store held[] = v10
  launch fused(x, at, y, z; n, m)
  return y, z
"""

#: Flags counted in int64.
COUNTED = """
program counted
  input x: bool[m]
  output y: int64[m]
  kernel counted(x: in bool[m], y: out int64[m]; m)
    scratch held: int64[]
    store held[] = 0:int64
    serial j < m
      v1 = load held[]: int64
      v2 = load x[j]: bool
      v3 = cast(v2): int64
      v4 = add(v1, v3): int64
      store y[j] = v4
      store held[] = v4
  launch counted(x, y; m)
  return y
"""

#: Its last sum is stored once more, and so it is left to one block.
TOTAL = """
program total
  input x: float32[m]
  output y: float32[m]
  output z: float32[]
  kernel total(x: in float32[m], y: out float32[m], z: out float32[]; m)
    serial j < m keeping held = -0.0:float32 then w to last: float32
      v = load x[j]: float32
      w = add(held, v): float32
      store y[j] = w
    store z[] = last
  launch total(x, y, z; m)
  return y, z
"""

#: Two sums at once, which no team shares out, are left to one block, too.
TWO = """
program two
  input x: float32[m]
  output y: float32[m]
  kernel two(x: in float32[m], y: out float32[m]; m)
    serial j < m keeping a = -0.0:float32 then c to e: float32, b = -0.0:float32 then d to f: float32
      v = load x[j]: float32
      c = add(a, v): float32
      w = mul(v, v): float32
      d = add(b, w): float32
      u = add(c, d): float32
      store y[j] = u
  launch two(x, y; m)
  return y
"""

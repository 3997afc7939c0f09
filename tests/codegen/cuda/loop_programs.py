# ruff: noqa: E501 - a kernel has its arguments on one line
"""Programs with loops and conditions, for what runs them on a device."""

from __future__ import annotations

#: Ends before round `limit`; a check fails in round `bad`, with code 5, and then another
#: one with code 3 in the same round.  `last` is what the rounds before it carried.
UNTIL = """
program until
  input x: float64[n]
  input limit: int64[]
  input bad: int64[]
  output count: int64[]
  output last: float64[]
  temp t: int64[] slot 0
  temp on: bool[] slot 1
  temp next_on: bool[] slot 2
  temp a: float64[] slot 3
  temp b: float64[] slot 4
  view same: float64[1] of a
  row xs: float64[] of x at 0 + 1 * t
  kernel start(limit: in int64[], a: out float64[], on: out bool[])
    store a[] = 1.0:float64
    v1 = load limit[]: int64
    v2 = gt(v1, 0:int64): bool
    store on[] = v2
  kernel next(x: in float64[], t: in int64[], a: in float64[1], bad: in int64[], b: out float64[])
    v1 = load x[]: float64
    v2 = load a[0]: float64
    v3 = mul(v2, 0.5:float64): float64
    v4 = add(v3, v1): float64
    store b[] = v4
    v5 = load t[]: int64
    v6 = load bad[]: int64
    v7 = ne(v5, v6): bool
    check v7 else 5
  kernel test(t: in int64[], limit: in int64[], bad: in int64[], next_on: out bool[])
    v1 = load t[]: int64
    v2 = load bad[]: int64
    v3 = ne(v1, v2): bool
    check v3 else 3
    v4 = add(v1, 1:int64): int64
    v5 = load limit[]: int64
    v6 = lt(v4, v5): bool
    store next_on[] = v6
  kernel finish(t: in int64[], a: in float64[], count: out int64[], last: out float64[])
    v1 = load t[]: int64
    store count[] = v1
    v2 = load a[]: float64
    store last[] = v2
  launch start(limit, a, on)
  repeat t < n while on moving a <- b, on <- next_on
  launch next(xs, t, same, bad, b)
  launch test(t, limit, bad, next_on)
  end
  launch finish(t, a, count, last)
  return count, last
"""

#: A loop of fixed extent with conditions in conditions; the bools' memory is used again
#: in the branches.  In the last branch a check holds only if that branch is taken.
SIGNS = """
program signs
  input x: float64[n]
  output y: float64[n]
  output total: float64[]
  temp t: int64[] slot 0
  temp positive: bool[] slot 1
  temp large: bool[] slot 2
  temp scrap: bool[] slot 1
  temp old: float64[] slot 3
  temp new: float64[] slot 4
  row xs: float64[] of x at n1 + -1 * t
  row ys: float64[] of y at n1 + -1 * t
  host n1 = sub(n, 1:int64): int64
  kernel start(old: out float64[])
    store old[] = 0.0:float64
  kernel look(x: in float64[], positive: out bool[], large: out bool[])
    v1 = load x[]: float64
    v2 = gt(v1, 0.0:float64): bool
    store positive[] = v2
    v3 = abs(v1): float64
    v4 = gt(v3, 1.0:float64): bool
    store large[] = v4
  kernel put(x: in float64[], scrap: out bool[], y: out float64[])
    store scrap[] = false:bool
    v1 = load x[]: float64
    v2 = mul(v1, 10.0:float64): float64
    store y[] = v2
  kernel keep(x: in float64[], scrap: out bool[], y: out float64[])
    store scrap[] = false:bool
    v1 = load x[]: float64
    store y[] = v1
  kernel deny(x: in float64[], y: out float64[])
    v1 = load x[]: float64
    v2 = le(v1, 0.0:float64): bool
    check v2 else 7
    v3 = ge(v1, -9.0:float64): bool
    check v3 else 6
    store y[] = -1.0:float64
  kernel sum(old: in float64[], y: in float64[], new: out float64[])
    v1 = load old[]: float64
    v2 = load y[]: float64
    v3 = add(v1, v2): float64
    store new[] = v3
  kernel finish(old: in float64[], total: out float64[])
    v1 = load old[]: float64
    store total[] = v1
  launch start(old)
  repeat t < n moving old <- new
  launch look(xs, positive, large)
  when positive
  when large
  launch put(xs, scrap, ys)
  otherwise
  launch keep(xs, scrap, ys)
  end
  otherwise
  launch deny(xs, ys)
  end
  launch sum(old, ys, new)
  end
  launch finish(old, total)
  return y, total
"""

#: Newton's method for the root of each of `x`, until it does: a loop that may end early
#: in one that may, or in one of fixed extent, with one of fixed extent and a product in
#: a branch that is taken for every other.
ROOTS = """
program roots
  input x: float64[n]
  input eye: float64[2, 2]
  input stop: float64[]
  output y: float64[n]
  output steps: int64[n]
  output squares: float64[2, 2]
  temp t: int64[] slot 0
  temp k: int64[] slot 1
  temp j: int64[] slot 2
  temp far: bool[] slot 3
  temp next_far: bool[] slot 4
  temp odd: bool[] slot 5
  temp a: float64[] slot 6
  temp b: float64[] slot 7
  temp p: float64[2, 2] slot 8
  temp q: float64[2, 2] slot 9
  temp going: bool[] slot 10
  temp next_going: bool[] slot 11
  row xs: float64[] of x at 0 + 1 * t
  row ys: float64[] of y at 0 + 1 * t
  row counts: int64[] of steps at 0 + 1 * t
  kernel start(y: out float64[n], steps: out int64[n], p: out float64[2, 2], going: out bool[]; n)
    vector i < n
      store y[i] = 0.0:float64
      store steps[i] = -1:int64
    vector i < 2
      vector l < 2
        store p[i, l] = 1.0:float64
    store going[] = true:bool
  kernel begin(x: in float64[], t: in int64[], a: out float64[], far: out bool[], odd: out bool[])
    v1 = load x[]: float64
    store a[] = v1
    v2 = gt(v1, 0.0:float64): bool
    store far[] = v2
    v3 = load t[]: int64
    v4 = rem(v3, 2:int64): int64
    v5 = eq(v4, 1:int64): bool
    store odd[] = v5
  kernel step(x: in float64[], a: in float64[], b: out float64[], next_far: out bool[])
    v1 = load x[]: float64
    v2 = load a[]: float64
    v3 = div(v1, v2): float64
    v4 = add(v2, v3): float64
    v5 = mul(v4, 0.5:float64): float64
    store b[] = v5
    v6 = sub(v5, v2): float64
    v7 = abs(v6): float64
    v8 = gt(v7, 1e-06:float64): bool
    store next_far[] = v8
  kernel put(a: in float64[], k: in int64[], y: out float64[], count: out int64[])
    v1 = load a[]: float64
    store y[] = v1
    v2 = load k[]: int64
    store count[] = v2
  kernel more(y: in float64[], stop: in float64[], next_going: out bool[])
    v1 = load y[]: float64
    v2 = load stop[]: float64
    v3 = lt(v1, v2): bool
    store next_going[] = v3
  kernel copy(p: in float64[2, 2], out: out float64[2, 2])
    vector i < 2
      vector l < 2
        v1 = load p[i, l]: float64
        store out[i, l] = v1
  launch start(y, steps, p, going; n)
  repeat t < n@WHILE@
  launch begin(xs, t, a, far, odd)
  repeat k < 20 while far moving a <- b, far <- next_far
  launch step(xs, a, b, next_far)
  end
  launch put(a, k, ys, counts)
  when odd
  repeat j < 3 moving p <- q
  gemm q = p @ eye for m=2, n=2, k=2
  end
  otherwise
  end
  launch more(ys, stop, next_going)
  end
  launch copy(p, squares)
  return y, steps, squares
"""
EARLY = ROOTS.replace("@WHILE@", " while going moving going <- next_going")
FIXED = ROOTS.replace("@WHILE@", " moving going <- next_going")

#: Shared and constant arrays, complex arguments and results, and an update.
UPDATE = """
program update
  input z: float32[n, 2] complex
  input scale: int64[]
  shared w: float64[n]
  constant c: float64[n]
  output out: float32[n, 2] complex
  output sized: float64[k]
  update new: float64[n] of w
  temp held: float64[n] slot 0
  temp more: float64[n] slot 0
  temp wide: float64[n] slot 1
  host k = read scale
  kernel turn(z: in float32[n, 2], out: out float32[n, 2]; n) split i
    parallel i < n
      v1 = load z[i, 0]: float32
      v2 = load z[i, 1]: float32
      v3 = neg(v2): float32
      store out[i, 0] = v3
      store out[i, 1] = v1
  kernel add(w: in float64[n], c: in float64[n], y: out float64[n]; n) split i
    vector i < n
      v1 = load w[i]: float64
      v2 = load c[i]: float64
      v3 = add(v1, v2): float64
      store y[i] = v3
  kernel ones(y: out float64[k]; k) split i
    vector i < k
      store y[i] = 1.0:float64
  launch turn(z, out; n)
  launch add(w, c, held; n)
  launch add(held, c, wide; n)
  launch add(wide, c, more; n)
  launch add(more, w, new; n)
  launch ones(sized; k)
  return out, sized
"""

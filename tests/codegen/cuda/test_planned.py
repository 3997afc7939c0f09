"""Plans under the checker of races: sound as they are, and not with a barrier less."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.check import check_kernel
from symgraph.codegen.cuda.plan import Plan, plan
from symgraph.codegen.cuda.planned import by_plan, dealt_out
from symgraph.codegen.cuda.program_races import still_faults
from symgraph.codegen.cuda.races import Fault, find_faults
from symgraph.codegen.parse import parse_kernel, parse_program

from .test_races import ROWS, SOFTMAX

#: All threads of a step read what one of them stores, and the next step stores again.
STEPS = parse_kernel("""\
kernel steps(x: in float32[m], y: inout float32[t, m]; t, m)
  vector j < m
    v = load x[j]: float32
    store y[0, j] = v
  serial s < t
    serial p < 1
      store y[s, 0] = 1.0:float32
    vector k < m
      w = load y[s, 0]: float32
""")

#: What stands after the reduction is run by one block, as in a row.
SUMS = parse_kernel("""\
kernel sums(x: in float32[n, m], y: out float32[k], z: out float32[k]; n, m, k) split i
  vector i < n -> total = sum part: float32
    vector j < m -> part = sum v: float32
      v = load x[i, j]: float32
  vector a < k
    store y[a] = total
  vector b < k
    w = load y[k - b - 1]: float32
    store z[b] = w
""")

MAP = parse_kernel("""\
kernel window(x: in float32[n, m], y: out float32[n, m]; n, m, k) split i
  scratch held: float32[3]
  parallel i < n
    vector j < m
      v = load x[i, j]: float32
      serial a < k
        store held[a] = v
      serial b < k -> total = sum w: float32
        w = load held[b]: float32
      store y[i, j] = total
""")

WIDE = parse_kernel("""\
kernel wide(x: in float32[n, m], b: in float32[m], y: out float32[n, m]; n, m) split i
  parallel i < n
    vector j < m
      v = load x[i, j]: float32
      w = load b[j]: float32
      u = add(v, w): float32
      store y[i, j] = u
""")

KERNELS = {
    "rows": (ROWS, "rows", {"n": 11, "m": 37}),
    "rows with a reduction": (SOFTMAX, "rows", {"n": 11, "m": 37}),
    "steps": (STEPS, "single", {"t": 5, "m": 37}),
    "a reduction": (SUMS, "reduce", {"n": 90, "m": 100, "k": 37}),
    "a map": (MAP, "map", {"n": 11, "m": 37, "k": 3}),
    "a wide map": (WIDE, "map", {"n": 11, "m": 38}),
}


def faults(made: Plan, sizes: dict[str, int]) -> list[Fault]:
    return find_faults(*dealt_out(made, sizes), sizes)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("threads", [1, 4, 32, 256])
def test_plans_are_sound(name: str, threads: int) -> None:
    kernel, kind, sizes = KERNELS[name]
    check_kernel(kernel)
    made = plan(kernel, threads)
    assert made.kind == kind
    assert not [str(f) for f in faults(made, sizes)]
    assert not [str(f) for f in faults(made, dict.fromkeys(sizes, 1))]


@pytest.mark.parametrize("name", KERNELS)
def test_with_no_barriers_threads_race(name: str) -> None:
    kernel, kind, sizes = KERNELS[name]
    made = plan(kernel, 8)
    found = faults(replace(made, barriers=frozenset()), sizes)
    assert {f.kind for f in found} == (set() if kind == "map" else {"race"})


def test_each_barrier_of_a_row_is_needed() -> None:
    made = plan(ROWS, 8)
    assert len(made.barriers) == 2
    for barrier in made.barriers:
        fewer = replace(made, barriers=made.barriers - {barrier})
        assert {f.kind for f in faults(fewer, KERNELS["rows"][2])} == {"race"}


def test_warps_that_run_rows_are_sound() -> None:
    """Shuffles order nothing: where rows are handed over, the warp waits."""
    for kernel, count in ((ROWS, 2), (SOFTMAX, 2)):
        made = plan(kernel, 8, warp=4, short=True)
        assert made.by_warps and len(made.barriers) == count
        sizes = {"n": 11, "m": 37}
        assert not [str(f) for f in faults(made, sizes)]
        for barrier in made.barriers:
            fewer = replace(made, barriers=made.barriers - {barrier})
            assert {f.kind for f in faults(fewer, sizes)} == {"race"}


def test_one_warp_waits_where_several_meet_anyway() -> None:
    assert len(plan(SOFTMAX, 8, warp=4).barriers) == 1
    assert len(plan(SOFTMAX, 4, warp=4).barriers) == 2


def test_scratch_of_a_thread_is_no_scratch_of_a_block() -> None:
    made = plan(ROWS, 8)
    assert made.places == ("block area",)
    found = faults(replace(made, places=("thread area",)), KERNELS["rows"][2])
    assert {f.kind for f in found} == {"unwritten"}
    window = plan(MAP, 8)
    assert window.places == ("thread shared",)
    found = faults(replace(window, places=("shared",)), KERNELS["a map"][2])
    assert {f.kind for f in found} == {"race"}


def test_what_follows_a_reduction_is_one_blocks() -> None:
    """Were it all blocks that run what stands after a reduction, they would race."""
    made = plan(SUMS, 8)
    sizes = KERNELS["a reduction"][2]
    kernel, spread = dealt_out(made, sizes)
    assert spread.groups == 3  # 9,000 in chunks of 4,096
    everyone = replace(spread, handover=None)
    assert "race" in {f.kind for f in find_faults(kernel, everyone, sizes)}


def test_a_loop_shared_out_that_must_not_be() -> None:
    """Each element needs the one before."""
    kernel = parse_kernel("""\
kernel running(y: inout float32[m]; m)
  serial j < 40
    before = load y[j]: float32
    store y[j + 1] = before
""")
    made = plan(kernel, 8)
    assert not made.barriers and made.threads == 1
    assert not faults(made, {"m": 41})
    wrong = replace(made, spread=("threads", *made.spread[1:]), threads=8, team=8)
    assert {f.kind for f in faults(wrong, {"m": 41})} == {"race"}


def test_a_plan_for_any_kernel() -> None:
    ((kernel, dealt),) = by_plan(8)(ROWS, {"n": 11, "m": 37})
    assert not find_faults(kernel, dealt, {"n": 11, "m": 37})


def test_a_kernel_in_parts_is_looked_at_without_being_run() -> None:
    """Each part has some of the kernel's buffers, and one of its own."""
    program = parse_program("""\
program columns
  input x: float32[n, m]
  output y: float32[m]
  kernel sums(x: in float32[n, m], y: out float32[m]; n, m) split j
    vector j < m
      serial i < n -> total = sum v: float32
        v = load x[i, j]: float32
      store y[j] = total
  launch sums(x, y; n, m)
  return y
""")
    found = list(still_faults(program, {"x": np.zeros((99, 3), "float32")}, by_plan(8)))
    assert len(found) == 2 and not any(each.faults for each in found)

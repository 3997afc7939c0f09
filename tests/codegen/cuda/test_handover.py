"""The step of a reduction's last block: sound as it is, and planted faults found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.check import check_kernel
from symgraph.codegen.cuda.handover import HANDOVER, Marks
from symgraph.codegen.cuda.plan import plan
from symgraph.codegen.cuda.planned import by_plan, dealt_out
from symgraph.codegen.cuda.program_races import still_faults
from symgraph.codegen.cuda.races import find_faults
from symgraph.codegen.cuda.source import stages
from symgraph.codegen.cuda.spread import Spread
from symgraph.codegen.ir import Kernel
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.text import print_kernel

#: Two carries; the loop stores, and what follows it reads that and stores there again.
SUMS = parse_kernel("""\
kernel sums(x: in float64[n], y: inout float64[n]; n) split i
  vector i < n -> total = sum v: float64, most = max v: float64
    v = load x[i]: float64
    store y[i] = v
  vector j < n
    w = load y[n - j - 1]: float64
    u = add(w, total): float64
    z = sub(u, most): float64
    store y[n - j - 1] = z
""")
SIZES = {"n": 29}


def dealt(
    threads: int = 4, warp: int = 2, kernel: Kernel = SUMS
) -> tuple[Kernel, Spread]:
    """The kernel as several blocks run it."""
    found = dealt_out(plan(kernel, threads, warp), SIZES, least=threads)
    assert found[1].groups > 3
    return found


def faults(kernel: Kernel, spread: Spread) -> set[tuple[str, str]]:
    """The kind of each fault, and the buffer of its statement."""
    found = find_faults(kernel, spread, SIZES)
    return {(f.kind, getattr(f.statement, "buffer", "")) for f in found}


def marked(spread: Spread, change: Callable[[Marks], Marks]) -> Spread:
    assert spread.handover is not None
    return replace(spread, handover=change(spread.handover))


def edited(kernel: Kernel, before: str, after: str) -> Kernel:
    text = print_kernel(kernel)
    assert text.count(before) == 1
    return parse_kernel(text.replace(before, after))


@pytest.mark.parametrize(("threads", "warp"), [(1, 1), (4, 2), (4, 4), (8, 32)])
def test_it_is_sound(threads: int, warp: int) -> None:
    kernel, spread = dealt(threads, warp)
    check_kernel(kernel)
    assert not faults(kernel, spread)


def test_one_block_is_its_own_last() -> None:
    kernel, spread = dealt_out(plan(SUMS, 4, 2), SIZES)
    assert spread.groups == 1
    assert not faults(kernel, spread)


def test_the_source_has_the_acts_in_the_order_that_is_checked() -> None:
    (stage,) = stages(plan(SUMS, 4, 2))
    written = {
        "leave": "total_parts[cuda.blockIdx.x] = total",
        "fence": "cuda.threadfence()",
        "count": "last[0] = cuda.atomic.add(done, 0, 1)",
        "meet": "cuda.syncthreads()",
        "last": "if last[0] + 1 < cuda.gridDim.x:",
        "reset": "done[0] = 0",
        "take": "for part in range(thread, cuda.gridDim.x, 4):",
    }
    at = 0
    for act in HANDOVER:
        at = stage.text.index(written[act], at) + 1
    assert stage.text.count("cuda.threadfence()") == HANDOVER.count("fence")


def test_a_missing_fence() -> None:
    kernel, spread = dealt()
    assert spread.handover is not None and len(spread.handover.fences) == 2
    for fence in spread.handover.fences:
        fewer = marked(
            spread,
            lambda m, f=fence: replace(m, fences=m.fences - {f}),  # type: ignore[misc]
        )
        found = faults(kernel, fewer)
        assert {("race", "total_parts"), ("race", "most_parts")} <= found


def test_a_fence_before_the_last_part_is_left() -> None:
    kernel, spread = dealt()
    assert spread.handover is not None
    leaves = spread.handover.leaves
    early = marked(
        spread, lambda m: replace(m, fences=frozenset({leaves + 1, m.count}))
    )
    found = faults(kernel, early)
    assert ("race", "most_parts") in found
    assert ("race", "total_parts") not in found


def test_a_missing_barrier_between_the_count_and_what_follows() -> None:
    kernel, spread = dealt()
    assert spread.handover is not None
    fewer = replace(spread, barriers=spread.barriers - {spread.handover.last})
    assert ("race", "total_parts") in faults(kernel, fewer)


def test_what_the_blocks_of_one_warp_store_is_met_before_it_is_fenced() -> None:
    kernel, spread = dealt(4, 4)
    assert spread.handover is not None
    assert spread.handover.leaves in spread.barriers
    fewer = replace(spread, barriers=spread.barriers - {spread.handover.leaves})
    assert ("race", "y") in faults(kernel, fewer)


def test_a_part_out_of_bounds() -> None:
    kernel, spread = dealt()
    wrong = edited(kernel, "store total_parts[block]", "store total_parts[block + 1]")
    assert {("bounds", "total_parts"), ("unwritten", "total_parts")} <= faults(
        wrong, spread
    )
    shorter = edited(
        kernel,
        f"most_parts: out float64[{spread.groups}]",
        f"most_parts: out float64[{spread.groups - 1}]",
    )
    assert faults(shorter, spread) == {("bounds", "most_parts")}


def test_two_blocks_leave_one_part() -> None:
    kernel, spread = dealt()
    wrong = edited(kernel, "store total_parts[block]", "store total_parts[0]")
    assert ("race", "total_parts") in faults(wrong, spread)


def test_a_part_that_nobody_leaves() -> None:
    kernel, spread = dealt()
    more = edited(
        kernel,
        f"total_parts: out float64[{spread.groups}]",
        f"total_parts: out float64[{spread.groups + 1}]",
    )
    more = edited(more, "load total_parts[part]", "load total_parts[part + 1]")
    assert faults(more, spread) == {("unwritten", "total_parts")}


def test_a_count_that_is_not_atomic() -> None:
    kernel, spread = dealt()
    assert ("race", "done") in faults(kernel, replace(spread, atomics=frozenset()))


def test_a_counter_that_is_not_reset() -> None:
    kernel, spread = dealt()
    wrong = edited(kernel, "store done[0] = 0:int32", "store done[0] = 1:int32")
    (fault,) = find_faults(wrong, spread, SIZES)
    assert fault.kind == "counter" and "is left at 1, not at 0" in fault.text


def test_blocks_that_are_counted_twice() -> None:
    kernel, spread = dealt()
    twice = edited(kernel, "store done[0] += 1:int32", "store done[0] += 2:int32")
    (fault,) = find_faults(twice, spread, SIZES)
    assert fault.kind == "counter"
    assert f"{2 * spread.groups} are counted of {spread.groups}" in fault.text


def test_a_block_that_goes_on_though_it_is_not_the_last() -> None:
    kernel, spread = dealt()
    assert ("race", "y") in faults(kernel, replace(spread, handover=None))


def test_the_sum_of_all_parts_is_an_index() -> None:
    """Each block has a part of its own, and all together are what decides."""
    text = """\
kernel count(y: inout float64[m]; n, m) split i
  vector i < n -> total = sum one: int64
    one = add(i, 1:int64): int64
  serial once < 1
    store y[total] = 1.0:float64
"""
    kernel = parse_kernel(text)
    kinds = []
    for m in (436, 435):  # y[435] is stored to
        sizes = {"n": 29, "m": m}
        made, spread = dealt_out(plan(kernel, 4, 2), sizes, least=4)
        assert spread.groups > 3
        kinds.append([f.kind for f in find_faults(made, spread, sizes)])
    assert kinds == [[], ["bounds"]]


def test_columns_of_programs_that_are_not_run() -> None:
    """Kernels cut in two have other buffers than the launch."""
    program = parse_program("""\
program columns
  input x: float64[n, m]
  output y: float64[m]
  kernel columns(x: in float64[n, m], y: out float64[m]; n, m) split j
    parallel j < m
      serial i < n -> total = sum v: float64
        v = load x[i, j]: float64
      store y[j] = total
  launch columns(x, y; n, m)
  return y
""")
    given = {"x": np.zeros((90, 3))}
    found = list(still_faults(program, given, by_plan(4, least=4)))
    assert len(found) == 2 and not [f for c in found for f in c.faults]

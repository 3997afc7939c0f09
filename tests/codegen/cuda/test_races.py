"""Planted races, missing barriers and accesses out of bounds: each one is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.check import check_kernel
from symgraph.codegen.cuda.decisive import decisive
from symgraph.codegen.cuda.program_races import still_faults, walk_faults
from symgraph.codegen.cuda.races import (
    AccessError,
    Place,
    check_launch,
    find_faults,
)
from symgraph.codegen.cuda.spread import Dealt, Spread, independent, numbered
from symgraph.codegen.ir import Kernel
from symgraph.codegen.parse import parse_kernel, parse_program


def kinds(kernel: Kernel, spread: Spread, **sizes: int) -> list[tuple[str, str]]:
    """The kind of each fault, and the buffer or axis that its statement names first."""
    faults = find_faults(kernel, spread, sizes)
    return [(f.kind, type(f.statement).__name__) for f in faults]


# Iterations that may run at once

SHIFT = parse_kernel("""\
kernel shift(y: inout float32[n]; n, m) split i
  parallel i < m
    v = load y[i]: float32
    store y[i + 1] = v
""")


def test_an_iteration_reads_what_its_neighbour_writes() -> None:
    (fault,) = find_faults(SHIFT, independent(SHIFT), {"n": 10, "m": 9})
    assert fault.kind == "race"
    assert "thread 0 may write cell 1 of y, which thread 1 may read" in fault.text
    assert "store y[i + 1] = v" in str(fault)
    assert "in `v = load y[i]: float32`" in fault.text


def test_an_access_past_the_end() -> None:
    faults = find_faults(SHIFT, independent(SHIFT), {"n": 9, "m": 9})
    assert sorted(f.kind for f in faults) == ["bounds", "race"]
    (bounds,) = (f for f in faults if f.kind == "bounds")
    assert "thread 8 is at 9 of y, outside of 0..9" in bounds.text


def test_one_iteration_has_nobody_to_race_with() -> None:
    assert not find_faults(SHIFT, independent(SHIFT), {"n": 2, "m": 1})


def test_an_error_has_the_faults() -> None:
    with pytest.raises(AccessError, match="thread 0 may write cell 1") as caught:
        check_launch(SHIFT, independent(SHIFT), {"n": 10, "m": 9})
    assert [f.kind for f in caught.value.faults] == ["race"]
    check_launch(SHIFT, independent(SHIFT), {"n": 10, "m": 1})


def test_two_iterations_write_one_cell() -> None:
    kernel = parse_kernel("""\
kernel halves(x: in float32[n], y: out float32[n]; n, m) split i
  parallel i < n
    k = floordiv(i, 2:int64): int64
    v = load x[i]: float32
    store y[k] = v
""")
    assert kinds(kernel, independent(kernel), n=6, m=0) == [("race", "Store")]
    assert kinds(kernel, independent(kernel), n=1, m=0) == []


def test_what_is_guarded_is_not_touched() -> None:
    text = """\
kernel padded(x: in float32[n], y: out float32[m]; n, m) split i
  parallel i < m
    inside = lt(i, n): bool
    v = load x[i] if inside: float32
    store y[i] = v
"""
    kernel = parse_kernel(text)
    assert not find_faults(kernel, independent(kernel), {"n": 4, "m": 9})
    bare = parse_kernel(text.replace(" if inside", ""))
    assert kinds(bare, independent(bare), n=4, m=9) == [("bounds", "Load")]


def test_an_index_below_zero_does_not_wrap() -> None:
    kernel = parse_kernel("""\
kernel back(x: in float32[n], y: out float32[n]; n) split i
  parallel i < n
    v = load x[i - 1]: float32
    store y[i] = v
""")
    assert kinds(kernel, independent(kernel), n=4) == [("bounds", "Load")]


def test_each_axis_has_bounds_of_its_own() -> None:
    """The element lies in the array, but in another row."""
    kernel = parse_kernel("""\
kernel column(x: in float32[n, m], y: out float32[n]; n, m) split i
  parallel i < n
    v = load x[i, n]: float32
    store y[i] = v
""")
    assert kinds(kernel, independent(kernel), n=3, m=3) == [("bounds", "Load")]
    assert kinds(kernel, independent(kernel), n=3, m=4) == []


GATHER = parse_kernel("""\
kernel scatter(at: in int64[n], x: in float32[n], y: inout float32[m]; n, m) split i
  parallel i < n
    k = load at[i]: int64
    v = load x[i]: float32
    store y[k] = v
""")


@pytest.mark.parametrize(
    ("indices", "wanted"),
    [
        ([3, 0, 2, 1], []),
        ([3, 0, 3, 1], ["race"]),
        ([3, 0, 5, 1], ["bounds"]),
        ([-1, 0, 2, 1], ["bounds"]),
    ],
)
def test_indices_are_followed(indices: list[int], wanted: list[str]) -> None:
    at = {"at": np.array(indices, np.int64)}
    faults = find_faults(GATHER, independent(GATHER), {"n": 4, "m": 5}, at)
    assert [f.kind for f in faults] == wanted


def test_only_what_decides_must_be_given() -> None:
    assert decisive(GATHER).buffers == {"at"}
    assert "v" not in decisive(GATHER).names
    with pytest.raises(KeyError, match="the elements of at decide"):
        find_faults(GATHER, independent(GATHER), {"n": 4, "m": 5})
    with pytest.raises(ValueError, match=r"at is int64\[4\], given int32\[4\]"):
        wrong = {"at": np.zeros(4, np.int32)}
        find_faults(GATHER, independent(GATHER), {"n": 4, "m": 5}, wrong)


def test_atomics_may_meet_but_no_plain_store() -> None:
    text = """\
kernel count(at: in int64[n], y: inout float32[m]; n, m)
  serial i < n
    k = load at[i]: int64
    store y[k] += 1.0:float32
"""
    kernel = parse_kernel(text)
    at = {"at": np.array([1, 1, 0], np.int64)}
    spread = Spread(groups=4, threads=2, dealt={0: Dealt("grid")})
    sizes = {"n": 3, "m": 2}
    plain = find_faults(kernel, spread, sizes, at)
    assert [f.kind for f in plain] == ["race"]
    atomic = replace(spread, atomics=frozenset({2}))
    assert not find_faults(kernel, atomic, sizes, at)
    mixed = parse_kernel(text + "    store y[k] = 0.0:float32\n")
    assert [f.kind for f in find_faults(mixed, atomic, sizes, at)] == ["race"]


def test_a_loop_runs_as_often_as_each_thread_says() -> None:
    """Row i has i + 1 elements; one more would be out of bounds in the last row."""
    text = """\
kernel triangle(x: in float32[n, n], y: out float32[n, n]; n) split i
  parallel i < n
    most = add(i, 1:int64): int64
    serial j < most
      v = load x[i, j]: float32
      store y[i, j] = v
"""
    kernel = parse_kernel(text)
    assert not find_faults(kernel, independent(kernel), {"n": 5})
    longer = parse_kernel(text.replace("1:int64", "2:int64"))
    assert kinds(longer, independent(longer), n=5) == [
        ("bounds", "Load"),
        ("bounds", "Store"),
    ]


def test_a_loop_that_ends_early() -> None:
    text = """\
kernel search(x: in int64[n], y: out float32[m]; n, m) split i
  parallel i < 2
    serial j < n keeping STATES while on
      v = load x[j]: int64
      next = add(at, 1:int64): int64
      more = lt(v, 3:int64): bool
    store y[end] = 1.0:float32
"""
    at = "at = 0:int64 then next to end: int64"
    on = "on = true:bool then more to last: bool"
    kernel = parse_kernel(text.replace("STATES", f"{at}, {on}"))
    x = {"x": np.array([0, 1, 3, 9, 9], np.int64)}
    (fault,) = find_faults(kernel, independent(kernel), {"n": 5, "m": 4}, x)
    assert "cell 3 of y" in fault.text  # both iterations stop after three rounds
    beyond = find_faults(kernel, independent(kernel), {"n": 5, "m": 3}, x)
    assert [f.kind for f in beyond] == ["bounds"]


HOPS = """\
kernel hops(x: in int64[n], y: out float32[n]; n) split i
  scratch kept: int64[2]
  parallel i < n
    v = load x[i]: int64
    store kept[0] = v
    k = load kept[0]: int64
    store y[k] = 1.0:float32
"""


def test_an_index_by_way_of_another_array() -> None:
    kernel = parse_kernel(HOPS)
    assert decisive(kernel).buffers == {"x", "kept"}
    for indices, wanted in (([2, 0, 1], []), ([2, 2, 1], ["race"])):
        x = {"x": np.array(indices, np.int64)}
        faults = find_faults(kernel, independent(kernel), {"n": 3}, x)
        assert [f.kind for f in faults] == wanted


COUNTS = parse_kernel("""\
kernel counts(x: in int64[n, m], most: in int64[n], y: out float32[n, m]; n, m) split i
  parallel i < n
    count = load most[i]: int64
    serial j < count -> total = sum u: int64
      v = load x[i, j]: int64
      u = add(v, 1:int64): int64
    store y[i, total] = 1.0:float32
""")


@pytest.mark.parametrize(("first", "wanted"), [(0, []), (1, ["bounds"])])
def test_an_index_that_is_a_sum(first: int, wanted: list[str]) -> None:
    """Each row's sum is of as many elements, and one for each, as the row says."""
    arrays = {
        "x": np.repeat(np.array([[first], [9], [1]]), 5, axis=1),
        "most": np.array([4, 0, 2], np.int64),
    }
    faults = find_faults(COUNTS, independent(COUNTS), {"n": 3, "m": 5}, arrays)
    assert [f.kind for f in faults] == wanted
    if faults:
        assert "thread 0 is at 8 of y" in faults[0].text


def test_what_is_no_promise_runs_once() -> None:
    """A serial loop may write where it reads, beside a loop that is split."""
    kernel = parse_kernel("""\
kernel sums(x: in float32[n], y: out float32[n]; n) split i
  parallel i < n
    v = load x[i]: float32
    store y[i] = v
  serial k < n
    w = load y[k]: float32
    store y[n - k - 1] = w
""")
    assert not find_faults(kernel, independent(kernel), {"n": 7})
    everyone = replace(independent(kernel), once=frozenset())
    assert {f.kind for f in find_faults(kernel, everyone, {"n": 7})} == {"race"}


# Threads of one group

ROWS = parse_kernel("""\
kernel reverse(x: in float32[n, m], y: out float32[n, m]; n, m) split i
  scratch row: float32[m]
  parallel i < n
    vector j < m
      v = load x[i, j]: float32
      store row[j] = v
    vector k < m
      w = load row[m - k - 1]: float32
      store y[i, k] = w
""")

#: A row to each group; the numbers are those of `numbered`.
BY_ROWS = Spread(
    groups=3,
    threads=4,
    dealt={0: Dealt("groups"), 1: Dealt("threads"), 4: Dealt("threads")},
    barriers=frozenset({1, 4}),
    shared=frozenset({"row"}),
)


def test_the_kernel_is_well_formed() -> None:
    check_kernel(ROWS)
    assert [type(s).__name__ for s in numbered(ROWS)] == [
        *("Loop", "Loop", "Load", "Store", "Loop", "Load", "Store")
    ]


@pytest.mark.parametrize("m", [1, 4, 11])
def test_rows_in_shared_memory(m: int) -> None:
    assert not find_faults(ROWS, BY_ROWS, {"n": 7, "m": m})


def test_a_missing_barrier_between_two_loops() -> None:
    spread = replace(BY_ROWS, barriers=frozenset({1}))
    (fault,) = find_faults(ROWS, spread, {"n": 3, "m": 8})
    assert fault.kind == "race"
    assert "may read cell 7 of row, which thread 3 may write" in fault.text


def test_a_missing_barrier_between_two_rows() -> None:
    """A fast thread begins the group's next row while a slow one reads the last."""
    spread = replace(BY_ROWS, barriers=frozenset({4}))
    assert not find_faults(ROWS, spread, {"n": 3, "m": 8})  # a row for each group
    (fault,) = find_faults(ROWS, spread, {"n": 4, "m": 8})
    assert fault.kind == "race"
    assert "may write cell" in fault.text


def test_what_one_thread_has_needs_no_barrier() -> None:
    """Read in the order in which it was written, each element stays with its thread."""
    text = """\
kernel copy(x: in float32[n, m], y: out float32[n, m]; n, m) split i
  scratch row: float32[m]
  parallel i < n
    vector j < m
      v = load x[i, j]: float32
      store row[j] = v
    vector k < m
      w = load row[k]: float32
      store y[i, k] = w
"""
    kernel = parse_kernel(text)
    spread = replace(BY_ROWS, barriers=frozenset())
    assert not find_faults(kernel, spread, {"n": 7, "m": 9})
    wider = {**BY_ROWS.dealt, 4: Dealt("threads", width=2)}
    faults = find_faults(kernel, replace(spread, dealt=wider), {"n": 7, "m": 9})
    assert {f.kind for f in faults} == {"race"}


def test_groups_share_no_scratch_but_their_own() -> None:
    assert not find_faults(ROWS, BY_ROWS, {"n": 3, "m": 8})
    private = replace(BY_ROWS, shared=frozenset())
    # Each thread then has a row of its own, of which the others see nothing.
    (fault,) = find_faults(ROWS, private, {"n": 3, "m": 8})
    assert fault.kind == "unwritten"
    assert "thread 0 reads element 7 of row" in fault.text


def test_a_barrier_that_some_threads_miss() -> None:
    spread = replace(BY_ROWS, barriers=frozenset({1, 3, 4}))
    assert not find_faults(ROWS, spread, {"n": 3, "m": 8})
    (fault,) = find_faults(ROWS, spread, {"n": 3, "m": 7})
    assert (fault.kind, fault.statement) == ("barrier", numbered(ROWS)[3])
    assert "not all threads of group 0" in fault.text


SOFTMAX = parse_kernel("""\
kernel centre(x: in float32[n, m], y: out float32[n, m]; n, m) split i
  scratch row: float32[m]
  parallel i < n
    vector j < m -> total = sum v: float32
      v = load x[i, j]: float32
      store row[j] = v
    vector k < m
      w = load row[m - k - 1]: float32
      u = sub(w, total): float32
      store y[i, k] = u
""")


def test_a_declared_reduction_is_a_barrier() -> None:
    spread = replace(BY_ROWS, barriers=frozenset({1}))
    assert not find_faults(SOFTMAX, spread, {"n": 7, "m": 9})


def test_a_row_by_each_thread_needs_no_barriers() -> None:
    for kernel in (ROWS, SOFTMAX):
        spread = Spread(groups=2, threads=3, dealt={0: Dealt("grid")})
        assert not find_faults(kernel, spread, {"n": 7, "m": 5})
        # But with one row in shared memory for all of them:
        shared = replace(spread, shared=frozenset({"row"}))
        assert "race" in {f.kind for f in find_faults(kernel, shared, {"n": 7, "m": 5})}


def test_a_result_of_the_row_is_stored_by_one_thread() -> None:
    kernel = parse_kernel("""\
kernel sums(x: in float32[n, m], y: out float32[n]; n, m) split i
  parallel i < n
    vector j < m -> total = sum v: float32
      v = load x[i, j]: float32
    store y[i] = total
""")
    spread = Spread(3, 4, {0: Dealt("groups"), 1: Dealt("threads")})
    assert not find_faults(kernel, spread, {"n": 7, "m": 9})
    # The row dealt to all threads of the launch, each group would store the sum.
    everyone = replace(spread, dealt={1: Dealt("grid")})
    assert not find_faults(kernel, everyone, {"n": 7, "m": 9})
    each = replace(spread, dealt={0: Dealt("threads")})
    (fault,) = find_faults(kernel, each, {"n": 7, "m": 9})
    assert (fault.kind, type(fault.statement).__name__) == ("race", "Store")


def test_the_sum_of_all_threads_is_an_index() -> None:
    kernel = parse_kernel("""\
kernel last(x: in int64[n, m], y: out float32[n]; n, m) split i
  parallel i < n
    vector j < m -> total = sum v: int64
      v = load x[i, j]: int64
    store y[total] = 1.0:float32
""")
    x = {"x": np.zeros((3, 9), np.int64)}
    x["x"][:, 5] = [2, 0, 1]
    spread = Spread(3, 4, {0: Dealt("groups"), 1: Dealt("threads")})
    assert not find_faults(kernel, spread, {"n": 3, "m": 9}, x)
    x["x"][2, 0] = 1  # that row's sum is then 2 as well
    (fault,) = find_faults(kernel, spread, {"n": 3, "m": 9}, x)
    assert "cell 2 of y" in fault.text
    # A group for all rows: then no two groups meet, and the rows come one by one.
    assert not find_faults(kernel, replace(spread, groups=1), {"n": 3, "m": 9}, x)


def test_every_iteration_of_a_wide_loop_is_run() -> None:
    text = """\
kernel beyond(x: in float32[n], y: out float32[n]; n, m) split i
  parallel i < m
    v = load x[i]: float32
    store y[i] = v
"""
    kernel = parse_kernel(text)
    spread = Spread(2, 3, {0: Dealt("grid", width=4)})
    for m in (1, 4, 5, 24, 47):
        assert not find_faults(kernel, spread, {"n": m, "m": m})
        faults = find_faults(kernel, spread, {"n": m - 1, "m": m})
        assert [f.kind for f in faults] == ["bounds", "bounds"]


@pytest.mark.parametrize(("waits", "wanted"), [([1, 1], []), ([1, 0], ["race"])])
def test_a_barrier_orders_none_but_those_who_come(
    waits: list[int], wanted: list[str]
) -> None:
    """Each group has a row, and as many barriers as the row says."""
    kernel = parse_kernel("""\
kernel rounds(often: in int64[n], y: inout float32[n, m]; n, m)
  serial k < n
    vector j < m
      store y[k, j] = 1.0:float32
    count = load often[k]: int64
    serial i < count
      nothing = add(i, 1:int64): int64
    vector l < m
      w = load y[k, m - l - 1]: float32
""")
    dealt = {0: Dealt("groups"), 1: Dealt("threads"), 6: Dealt("threads")}
    spread = Spread(2, 4, dealt, barriers=frozenset({5}))
    often = {"often": np.array(waits, np.int64)}
    faults = find_faults(kernel, spread, {"n": 2, "m": 4}, often)
    assert [f.kind for f in faults] == wanted
    assert all("thread 4" in f.text for f in faults)


# Launches, and arrays in one memory

STAGES = parse_kernel("""\
kernel stages(x: in float32[n], t: out float32[n], y: out float32[n]; n)
  parallel i < n
    v = load x[i]: float32
    store t[i] = v
  parallel k < n
    w = load t[n - k - 1]: float32
    store y[k] = w
""")


def test_groups_wait_for_each_other_at_the_end_of_a_launch_alone() -> None:
    spread = Spread(3, 4, {0: Dealt("grid"), 3: Dealt("grid")})
    sizes = {"n": 12}
    two = replace(spread, boundaries=frozenset({0}))
    assert not find_faults(STAGES, two, sizes)
    assert kinds(STAGES, spread, **sizes) == [("race", "Load")]
    barrier = replace(spread, barriers=frozenset({3}))
    assert kinds(STAGES, barrier, **sizes) == [("race", "Load")]
    one_group = Spread(1, 4, spread.dealt, barriers=frozenset({3}))
    assert not find_faults(STAGES, one_group, sizes)


def test_an_output_in_place_of_an_input() -> None:
    text = """\
kernel k(x: in float32[n], y: out float32[n]; n) split i
  parallel i < n
    v = load x[AT]: float32
    store y[i] = v
"""
    here, there = (
        parse_kernel(text.replace("AT", "i")),
        parse_kernel(text.replace("AT", "n - i - 1")),
    )
    apart = {"x": Place("slot 0"), "y": Place("slot 1")}
    places = {"x": Place("slot 0"), "y": Place("slot 0")}
    for kernel, wanted in ((here, []), (there, ["race"])):
        spread = independent(kernel)
        assert not find_faults(kernel, spread, {"n": 5}, places=apart)
        faults = find_faults(kernel, spread, {"n": 5}, places=places)
        assert [f.kind for f in faults] == wanted
    # Rows of one array, the second a row further.
    behind = {"x": Place("rows", 20), "y": Place("rows")}
    assert not find_faults(there, independent(there), {"n": 5}, places=behind)


def test_arrays_of_different_widths_in_one_memory() -> None:
    kernel = parse_kernel("""\
kernel narrow(x: in float64[n], y: out float32[n]; n) split i
  parallel i < n
    v = load x[i]: float64
    w = cast(v): float32
    store y[i] = w
""")
    places = {"x": Place("slot"), "y": Place("slot")}
    (fault,) = find_faults(kernel, independent(kernel), {"n": 5}, places=places)
    assert fault.kind == "race"  # y[2] lies in the first half of x[1]


# Programs

PROGRAM = """\
program reversals
  input x: float32[n]
  output y: float32[n]
  temp a: float32[n] slot 0
  temp b: float32[n] slot SLOT
  kernel reverse(x: in float32[n], y: out float32[n]; n) split i
    parallel i < n
      v = load x[n - i - 1]: float32
      store y[i] = v
  launch reverse(x, a; n)
  launch reverse(a, b; n)
  launch reverse(b, y; n)
  return y
"""


def by_iteration(kernel: Kernel, _: object) -> list[tuple[Kernel, Spread]]:
    return [(kernel, independent(kernel))]


@pytest.mark.parametrize(("slot", "wanted"), [(1, [0, 0, 0]), (0, [0, 1, 0])])
def test_temporaries_in_one_slot(slot: int, wanted: list[int]) -> None:
    """The second launch, and it alone, writes over what other threads have to read."""
    program = parse_program(PROGRAM.replace("SLOT", str(slot)))
    given = {"x": np.arange(5, dtype="float32")}
    for faults in (walk_faults, still_faults):
        found = list(faults(program, given, by_iteration))
        assert [c.position for c in found] == [0, 1, 2]
        assert [len(c.faults) for c in found] == wanted


LOOP = """\
program loop
  input x: float32[m, n]
  output y: float32[m, n]
  temp t: int64[] slot 0
  row a: float32[n] of y at 0 + 1 * t
  row b: float32[n] of TARGET at START + 1 * t
  kernel add(x: in float32[n], y: out float32[n]; n) split i
    parallel i < n
      v = load x[n - i - 1]: float32
      store y[i] = v
  repeat t < m
  launch add(b, a; n)
  end
  return y
"""


@pytest.mark.parametrize(
    ("target", "rounds", "wanted"),
    [("x", 2, [False, False]), ("y", 3, [True, True, True])],
)
def test_rows_of_one_array(target: str, rounds: int, wanted: list[bool]) -> None:
    program = parse_program(LOOP.replace("TARGET", target).replace("START", "0"))
    given = {"x": np.zeros((4, 5), "float32")}
    found = list(walk_faults(program, given, by_iteration, rounds=rounds))
    assert [bool(c.faults) for c in found] == wanted
    (still,) = still_faults(program, given, by_iteration)
    assert bool(still.faults) == wanted[0]


def test_the_second_half_of_a_wide_element() -> None:
    kernel = parse_kernel("""\
kernel halves(x: in float64[n], y: out float32[m]; n, m) split i
  parallel i < n
    v = load x[n - i - 1]: float64
    w = cast(v): float32
    store y[2*i + 1] = w
""")
    places = {"x": Place("slot"), "y": Place("slot")}
    (fault,) = find_faults(
        kernel, independent(kernel), {"n": 5, "m": 10}, places=places
    )
    assert fault.kind == "race"

"""The ledger: against a comparison of all pairs of touches, on random histories."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgraph.codegen.cuda.ledger import CONFLICTS, Ledger, Touch, Who

THREADS, GROUP, CELLS = 6, 3, 4
TOUCHES: tuple[Touch, ...] = ("read", "write", "atomic")

#: One step of a history: everyone in a group waits, or some threads touch a cell each.
Step = tuple[str, dict[int, int]]


def everyone() -> Who:
    thread = np.arange(THREADS)
    return Who(thread, thread // GROUP, np.zeros(THREADS, np.int64))


def steps() -> st.SearchStrategy[Step]:
    touched = st.dictionaries(
        st.integers(0, THREADS - 1), st.integers(0, CELLS - 1), min_size=1
    )
    wait = st.dictionaries(st.integers(0, THREADS // GROUP - 1), st.just(0), min_size=1)
    return st.one_of(
        st.tuples(st.sampled_from(TOUCHES), touched),
        st.tuples(st.just("wait"), wait),
        st.tuples(st.just("launch"), st.just({})),
    )


def races_in(history: list[Step]) -> bool:
    """Whether any two touches of one cell conflict and nothing orders them."""
    phases, launch = [0] * (THREADS // GROUP), 0
    seen: list[tuple[str, int, int, int, int]] = []
    for what, where in history:
        if what == "launch":
            launch += 1
        elif what == "wait":
            for group in where:
                phases[group] += 1
        else:
            seen += [(what, t, c, phases[t // GROUP], launch) for t, c in where.items()]
    for (a, s, c, p, m), (b, t, d, q, n) in combinations(seen, 2):
        ordered = s == t or m != n or (s // GROUP == t // GROUP and p != q)
        if c == d and not ordered and b in CONFLICTS[a]:  # type: ignore[index]
            return True
    return False


def found_in(history: list[Step]) -> bool:
    ledger, who = Ledger(CELLS), everyone()
    found = False
    for number, (what, where) in enumerate(history):
        if what == "launch":
            ledger.launch()
        elif what == "wait":
            who.phase[np.isin(who.group, list(where))] += 1
        else:
            mask = np.isin(who.thread, list(where))
            cells = np.array([where[t] for t in sorted(where)])
            touch = next(t for t in TOUCHES if t == what)
            found |= ledger.record(touch, cells, who.where(mask), number) is not None
    return found


@given(st.lists(steps(), max_size=12))
def test_it_finds_what_a_comparison_of_all_pairs_finds(history: list[Step]) -> None:
    assert found_in(history) == races_in(history)


@given(
    st.lists(st.sampled_from(("touch", "wait", "fence")), max_size=6),
    st.data(),
)
def test_a_group_acquires_what_comes_before_the_fences_of_all(
    acts: list[str], data: st.DataObject
) -> None:
    """By a comparison with each touch: none is lost that is not ordered.

    The first thread of each group fences.  What follows the last fence is not ordered,
    nor what another thread of its group touches in the phase of that fence.
    """
    who, ledger = everyone(), Ledger(CELLS)
    leaders = who.thread % GROUP == 0
    touches: list[tuple[int, int, int, int]] = []  # thread, cell, phase, when
    fences: list[tuple[int, int]] = []  # phase, when
    for when, act in enumerate(acts):
        if act == "wait":
            who.phase[:] += 1
        elif act == "fence":
            fences.append((int(who.phase[0]), when))
            ledger.fence(leaders, int(who.phase[0]))
        else:
            thread = data.draw(st.integers(0, THREADS - 1))
            cell = data.draw(st.integers(0, CELLS - 1))
            only = who.where(who.thread == thread)
            ledger.record("write", np.array([cell]), only, when)
            touches.append((thread, cell, int(who.phase[0]), when))
    ledger.release()
    ledger.acquire()
    after = Who(np.array([THREADS]), np.array([THREADS]), np.array([0]))
    for cell in range(CELLS):
        raced = ledger.record("read", np.array([cell]), after, 99) is not None
        ordered = [
            any(w < fence and (p < q or t % GROUP == 0) for q, fence in fences)
            for t, c, p, w in touches
            if c == cell
        ]
        assert raced or all(ordered)
        # Several touches of a cell are told apart by their last phase alone.
        assert raced == (not all(ordered)) or len(ordered) > 1


def test_both_threads_and_both_places_are_named() -> None:
    ledger, who = Ledger(CELLS), everyone()
    one = ledger.record("write", np.arange(2), who.where(who.thread < 2), 7)
    assert one is None
    race = ledger.record("read", np.array([1]), who.where(who.thread == 2), 9)
    assert race is not None
    assert (race.cell, race.touch, race.thread, race.statement) == (1, "read", 2, 9)
    assert (race.other_touch, race.other, race.earlier) == ("write", 1, 7)


@pytest.mark.parametrize("touch", TOUCHES)
def test_two_threads_at_once(touch: Touch) -> None:
    who = everyone()
    race = Ledger(CELLS).record(touch, np.array([3, 3]), who.where(who.thread < 2), 0)
    assert (race is not None) == (touch == "write")
    if race is not None:
        assert {race.thread, race.other} == {0, 1}

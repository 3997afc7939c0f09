"""How threads combine what they hold: each one once, in a fixed order."""

from __future__ import annotations

import re

import numpy as np
import pytest

from symgraph.codegen.cuda.combine import SIDE, Held, combined
from symgraph.codegen.cuda.ledger import Ledger, Who

TEAMS = ((2, 2), (8, 8), (4, 2), (16, 4), (256, 32), (1024, 32))


def lines(team: int, warp: int) -> list[str]:
    held = Held("total", "float32", "{} + {}".format, "slots")
    return list(combined([held], team, warp, set()))


def down(values: list[list[int]], step: int, warp: int) -> list[list[int]]:
    """What each thread gets of the lane `step` on; its own beyond the warp's end."""
    found = []
    for thread, own in enumerate(values):
        within = thread % warp + step < warp
        found.append(values[thread + step] if within else own)
    return found


@pytest.mark.parametrize(("team", "warp"), TEAMS)
def test_everyone_has_all_values_once(team: int, warp: int) -> None:
    """The lines, run for all threads in lockstep on lists of who is taken in."""
    total = [[thread] for thread in range(team)]
    slots = [[] for _ in range(2 * team // warp)]
    other, half, side = total, 0, 0

    def step(line: str) -> None:
        nonlocal total, other, half, side
        match line.split():
            case ["half", "=", number]:
                half = int(number)
            case ["other_float32", "=", _, _, _]:
                other = down(total, half, warp)
            case ["total", "=", "total", "+", _]:
                total = [a + b for a, b in zip(total, other, strict=True)]
            case ["half", "//=", "2"]:
                half //= 2
            case ["side", "=", number, "-", "side"]:
                side = int(number) - side
            case ["total", "=", "lane_float32(total,", "0,", _]:
                total = [total[t // warp * warp] for t in range(team)]
            case ["total", "=", "slots[side", "+", "thread", "%", number]:
                warps = int(number.rstrip("]"))
                total = [slots[side + t % warps] for t in range(team)]
            case ["slots[side", "+", "thread", "//", _, "=", "total"]:
                for t in range(0, team, warp):
                    slots[side + t // warp] = total[t]
            case _:
                assert line in ("cuda.syncthreads()", f"if thread % {warp} == 0:")

    text = lines(team, warp)
    place = 0
    while place < len(text):
        line = text[place]
        place += 1
        if not line.startswith("while"):
            step(line.strip())
            continue
        inner = []
        while place < len(text) and text[place].startswith("    "):
            inner.append(text[place].strip())
            place += 1
        while half > 0:
            for each in inner:
                step(each)
    assert all(sorted(found) == list(range(team)) for found in total)
    assert all(found == total[0] for found in total)


def test_the_threads_of_a_warp_need_no_memory() -> None:
    text = "\n".join(lines(32, 32))
    assert "slots" not in text and "sync" not in text and SIDE not in text
    assert not lines(1, 1)


def test_two_sets_of_slots_need_one_barrier() -> None:
    """A thread that is one barrier ahead never writes what another still reads."""
    assert len(re.findall("sync", "\n".join(lines(256, 32)))) == 1

    def races(sets: int) -> bool:
        thread = np.arange(8)
        warps, warp = 4, 2
        ledger, phase, side = Ledger(2 * warps), np.zeros(8, int), 0
        found = []
        for _ in range(5):
            who = Who(thread, thread * 0, phase)
            first = thread % warp == 0
            at = side + thread // warp
            found.append(ledger.record("write", at[first], who.where(first), 0))
            phase = phase + 1
            who = Who(thread, thread * 0, phase)
            found.append(ledger.record("read", side + thread % warps, who, 1))
            side = (side + warps) % (sets * warps)
        return any(race is not None for race in found)

    assert not races(2)
    assert races(1)

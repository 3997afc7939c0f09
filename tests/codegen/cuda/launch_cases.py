"""What runs programs on a device, against the interpreter: loops and conditions.

A script, since the simulator must be asked for before numba is imported:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.codegen.cuda.launch_cases [case ...]`` prints
for each case what went wrong, as JSON.  Without the variable it is for a GPU.  Here are
loops and conditions; `memory_cases` and `long_cases` have the rest.
"""

from __future__ import annotations

import json
import sys
import traceback

import numpy as np

from symgraph.codegen.cuda.launch import CudaProgram, Limits

from ...device import limits, real
from . import long_cases, loop_programs, memory_cases
from .launch_tools import CASES, Counting, agrees, case, copies, on_device, until
from .programs import parsed

assert memory_cases and long_cases  # their cases are among them


@case
def early_ends_at_every_round(cut: Limits) -> None:
    """In the first batches, at their ends and in the middle of them; and not at all."""
    whole = CudaProgram(parsed(loop_programs.UNTIL), cut)
    assert list(whole._control.rounds.values()) == [32]
    for limit in (*range(19), 99):
        want = agrees(whole, until(17, limit))
        assert want.results[0] == min(limit, 17)
    agrees(whole, until(0, 5))
    agrees(whole, until(100, 97))


@case
def rounds_are_read_once_a_batch(cut: Limits) -> None:
    kernels = Counting()
    whole = CudaProgram(parsed(loop_programs.UNTIL), cut, kernels)
    given = on_device(until(200, 70))
    whole.call(given)
    kernels.launched.clear()
    with copies() as counts:
        whole.call(given)
    # Batches of 1, 2, 4, 8, 16 and 32 rounds are 63, and one more; then the status.
    assert counts == {"copy_to_host": 8}, counts
    # Whoever reads after 95 rounds knows that 25 of them were not run.
    assert kernels.launched["next_if"] == 95, kernels.launched
    assert kernels.launched["begin_round"] == 96


@case
def checks_in_a_loop(cut: Limits) -> None:
    """The first one that fails says the status, and the loop ends."""
    kernels = Counting()
    whole = CudaProgram(parsed(loop_programs.UNTIL), cut, kernels)
    for bad in range(12):
        assert agrees(whole, until(12, 99, bad)).status == 5
    # Not where it would have been in a round that is not run.
    for bad in range(3, 9):
        assert agrees(whole, until(12, bad, bad)).status == 0
    kernels.launched.clear()
    assert whole.run(until(10_000, 10_000, 3)).status == 5
    assert kernels.launched["next_if"] == 7


@case
def conditions_in_a_fixed_loop(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.SIGNS), cut)
    assert len(whole._control.blind) == 4
    for n in (0, 1, 7):
        x = np.random.default_rng(n).normal(size=n) * 1.5
        agrees(whole, {"x": x})
    agrees(whole, {"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    assert agrees(whole, {"x": np.array([1.0, -10, 2])}).status == 6


@case
def a_fixed_loop_copies_nothing(cut: Limits) -> None:
    """Only the status is read, at the end: there are checks."""
    whole = CudaProgram(parsed(loop_programs.SIGNS), cut)
    given = on_device({"x": np.random.default_rng(0).normal(size=9)})
    with copies() as counts:
        done = whole.call(given)
    assert counts == {"copy_to_host": 1}
    assert done.status == 0


@case
def loops_in_loops(cut: Limits) -> None:
    for text, stops in ((loop_programs.FIXED, (0,)), (loop_programs.EARLY, (2, 4, 9))):
        whole = CudaProgram(parsed(text), cut)
        # An inner loop is launched in batches, a loop around another is not; and a
        # condition with a loop in it is waited for.
        expected = [1, 32] if text is loop_programs.EARLY else [32]
        assert sorted(whole._control.rounds.values()) == expected
        assert not whole._control.blind
        for stop in stops:
            for n in (0, 1, 6):
                given = {
                    "x": np.array([4.0, 0.0, 2.0, 25.0, 1.0, 49.0])[:n],
                    "eye": np.array([[2.0, 0.0], [0.0, 0.5]]),
                    "stop": np.array(float(stop)),
                }
                agrees(whole, given)


@case
def work_that_is_too_much_to_do_in_vain(cut: Limits) -> None:
    """A branch of ten launches is waited for, and so is a loop around it."""
    lines = loop_programs.SIGNS.splitlines()
    place = lines.index("  launch deny(xs, ys)")
    text = "\n".join([*lines[:place], *[lines[place]] * 10, *lines[place + 1 :]])
    whole = CudaProgram(parsed(text), cut)
    assert len(whole._control.blind) == 2  # the inner one still
    agrees(whole, {"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    given = on_device({"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    with copies() as counts:
        whole.call(given)
    assert counts == {"copy_to_host": 7}


@case
def rows_that_are_missing(cut: Limits) -> None:
    """A round that is run and has no row is an error; one that is not run is none."""
    text = loop_programs.UNTIL.replace("repeat t < n while", "repeat t < 50 while")
    whole = CudaProgram(parsed(text), cut)
    for n in (3, 4, 6):
        agrees(whole, until(n, n))
        try:
            whole.run(until(n, n + 1))
        except IndexError as error:
            assert f"x has no row {n}" in str(error)
        else:
            raise AssertionError(n)


@case
def rows_that_are_missing_after_a_check(cut: Limits) -> None:
    """The check has ended the call, although the host goes on to launch."""
    text = loop_programs.SIGNS.replace("repeat t < n", "repeat t < 50")
    whole = CudaProgram(parsed(text), cut)
    agrees(whole, {"x": np.array([1.0, -10, 2])})
    try:
        whole.run({"x": np.array([1.0, -2, 2])})
    except IndexError as error:
        assert "no row -1" in str(error)
    else:
        raise AssertionError


@case
def long_loops_have_numbers(cut: Limits) -> None:
    """More rounds than are numbered at once."""
    text = loop_programs.UNTIL.replace("repeat t < n while", "repeat t < 1100 while")
    text = text.replace("at 0 + 1 * t", "at 0 + 0 * t")
    # In the simulator, where each launch is slow, by one thread.
    cut = cut if real() else Limits(threads=1, blocks=1)
    whole = CudaProgram(parsed(text), cut)
    got = whole.run(until(1, 1050))
    assert got.results[0] == 1050
    assert len(whole._numbers) == 2


def main(names: list[str]) -> int:
    """Run the cases called so, or all."""
    found: dict[str, str] = {}
    for name in names or list(CASES):
        found[name] = ""
        for cut in limits():
            try:
                CASES[name](cut)
            except Exception:
                found[name] += f"{cut}\n{traceback.format_exc()}"
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

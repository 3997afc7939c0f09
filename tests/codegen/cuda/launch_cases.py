"""What runs programs on a device, in numba's simulator, against the interpreter.

A script, since the simulator must be asked for before numba is imported:
``NUMBA_ENABLE_CUDASIM=1 python -m tests.codegen.cuda.launch_cases [case ...]`` prints
for each case what went wrong, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np

from symgraph.codegen.cuda.helpers import helper_stages
from symgraph.codegen.cuda.kernels import KernelCache
from symgraph.codegen.cuda.launch import (
    CudaProgram,
    DeviceResult,
    Limits,
    is_on_device,
)
from symgraph.codegen.cuda.memory import ALIGNMENT
from symgraph.codegen.errors import DeviceError, DeviceMemoryError
from symgraph.codegen.run import GuardError, ProgramResult, run_program

from . import loop_programs, programs
from .programs import parsed

SMALL = Limits(threads=4, blocks=3, chunk=4, tile=2)
CASES: dict[str, Callable[[], None]] = {}


def case(function: Callable[[], None]) -> Callable[[], None]:
    """Have a function run as a case."""
    CASES[function.__name__] = function
    return function


# -- tools -----------------------------------------------------------------------------


class Counting(KernelCache):
    """Counts launches by the kernels' names."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: Counter[str] = Counter()

    def launcher(self, cuda: Any, stage: Any, blocks: int, stream: Any = 0) -> Any:
        made = super().launcher(cuda, stage, blocks, stream)

        def launch(*args: Any) -> None:
            self.launched[stage.name] += 1
            made(*args)

        return launch


@contextmanager
def copies() -> Iterator[Counter[str]]:
    """Counts what crosses between the host and the device."""
    from numba import cuda

    kind, counts = type(cuda.device_array(1)), Counter[str]()

    def counted(name: str) -> Any:
        plain = getattr(kind, name)

        def method(self: Any, *args: Any, **more: Any) -> Any:
            counts[name] += 1
            return plain(self, *args, **more)

        return mock.patch.object(kind, name, method)

    unwanted = mock.patch.object(cuda, "to_device", side_effect=AssertionError)
    with counted("copy_to_host"), counted("copy_to_device"), unwanted:
        yield counts


def on_device(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """All arrays on the device."""
    from numba import cuda

    return {name: cuda.to_device(np.asarray(a)) for name, a in arrays.items()}


def fetched(whole: CudaProgram, done: DeviceResult) -> ProgramResult:
    """What is on the device."""
    results = [array.copy_to_host() for array in done.results]
    updates = {
        str(a.target): done.updates[a.name].copy_to_host()
        for a in whole.program.by_role("update")
        if not done.status
    }
    return ProgramResult(results, updates, done.status)


def same(got: ProgramResult, want: ProgramResult) -> None:
    """Fail where two results differ."""
    assert got.status == want.status, (got.status, want.status)
    if want.status:
        assert not got.results and not got.updates
        return
    pairs = list(zip(got.results, want.results, strict=True))
    assert got.updates.keys() == want.updates.keys()
    pairs += [(got.updates[name], want.updates[name]) for name in want.updates]
    for x, y in pairs:
        assert (x.dtype, x.shape) == (y.dtype, y.shape), (x, y)
        assert np.allclose(x, y, rtol=1e-6, atol=1e-9), (x, y)


def agrees(whole: CudaProgram, given: Mapping[str, Any]) -> ProgramResult:
    """Fail unless a program gives the interpreter's results, from either side."""
    want = run_program(whole.program, given)
    same(whole.run(given), want)
    same(fetched(whole, whole.call(on_device(given))), want)
    return want


def until(n: int, limit: int, bad: int = -1) -> dict[str, Any]:
    """Arguments of `UNTIL`."""
    x = np.linspace(0, 1, n)
    return {"x": x, "limit": np.array(limit), "bad": np.array(bad)}


def updated(n: int, scale: int = 3) -> dict[str, Any]:
    """Arguments of `UPDATE`."""
    rng = np.random.default_rng(n)
    return {
        "z": (rng.normal(size=n) + 1j * rng.normal(size=n)).astype("complex64"),
        "scale": np.array(scale),
        "w": rng.normal(size=n),
        "c": rng.normal(size=n),
    }


# -- loops and conditions --------------------------------------------------------------


@case
def early_ends_at_every_round() -> None:
    """In the first batches, at their ends and in the middle of them; and not at all."""
    whole = CudaProgram(parsed(loop_programs.UNTIL), SMALL)
    assert list(whole._control.rounds.values()) == [32]
    for limit in (*range(19), 99):
        want = agrees(whole, until(17, limit))
        assert want.results[0] == min(limit, 17)
    agrees(whole, until(0, 5))
    agrees(whole, until(100, 97))


@case
def rounds_are_read_once_a_batch() -> None:
    kernels = Counting()
    whole = CudaProgram(parsed(loop_programs.UNTIL), SMALL, kernels)
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
def checks_in_a_loop() -> None:
    """The first one that fails says the status, and the loop ends."""
    kernels = Counting()
    whole = CudaProgram(parsed(loop_programs.UNTIL), SMALL, kernels)
    for bad in range(12):
        assert agrees(whole, until(12, 99, bad)).status == 5
    # Not where it would have been in a round that is not run.
    for bad in range(3, 9):
        assert agrees(whole, until(12, bad, bad)).status == 0
    kernels.launched.clear()
    assert whole.run(until(10_000, 10_000, 3)).status == 5
    assert kernels.launched["next_if"] == 7


@case
def conditions_in_a_fixed_loop() -> None:
    whole = CudaProgram(parsed(loop_programs.SIGNS), SMALL)
    assert len(whole._control.blind) == 4
    for n in (0, 1, 7):
        x = np.random.default_rng(n).normal(size=n) * 1.5
        agrees(whole, {"x": x})
    agrees(whole, {"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    assert agrees(whole, {"x": np.array([1.0, -10, 2])}).status == 6


@case
def a_fixed_loop_copies_nothing() -> None:
    """Only the status is read, at the end: there are checks."""
    whole = CudaProgram(parsed(loop_programs.SIGNS), SMALL)
    given = on_device({"x": np.random.default_rng(0).normal(size=9)})
    with copies() as counts:
        done = whole.call(given)
    assert counts == {"copy_to_host": 1}
    assert done.status == 0


@case
def loops_in_loops() -> None:
    for text, stops in ((loop_programs.FIXED, (0,)), (loop_programs.EARLY, (2, 4, 9))):
        whole = CudaProgram(parsed(text), SMALL)
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
def work_that_is_too_much_to_do_in_vain() -> None:
    """A branch of ten launches is waited for, and so is a loop around it."""
    lines = loop_programs.SIGNS.splitlines()
    place = lines.index("  launch deny(xs, ys)")
    text = "\n".join([*lines[:place], *[lines[place]] * 10, *lines[place + 1 :]])
    whole = CudaProgram(parsed(text), SMALL)
    assert len(whole._control.blind) == 2  # the inner one still
    agrees(whole, {"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    given = on_device({"x": np.array([0.0, 3, -3, 0.5, -0.5, 2])})
    with copies() as counts:
        whole.call(given)
    assert counts == {"copy_to_host": 7}


@case
def rows_that_are_missing() -> None:
    """A round that is run and has no row is an error; one that is not run is none."""
    text = loop_programs.UNTIL.replace("repeat t < n while", "repeat t < 50 while")
    whole = CudaProgram(parsed(text), SMALL)
    for n in (3, 4, 6):
        agrees(whole, until(n, n))
        try:
            whole.run(until(n, n + 1))
        except IndexError as error:
            assert f"x has no row {n}" in str(error)
        else:
            raise AssertionError(n)


@case
def rows_that_are_missing_after_a_check() -> None:
    """The check has ended the call, although the host goes on to launch."""
    text = loop_programs.SIGNS.replace("repeat t < n", "repeat t < 50")
    whole = CudaProgram(parsed(text), SMALL)
    agrees(whole, {"x": np.array([1.0, -10, 2])})
    try:
        whole.run({"x": np.array([1.0, -2, 2])})
    except IndexError as error:
        assert "no row -1" in str(error)
    else:
        raise AssertionError


@case
def long_loops_have_numbers() -> None:
    """More rounds than are numbered at once."""
    text = loop_programs.UNTIL.replace("repeat t < n while", "repeat t < 1100 while")
    text = text.replace("at 0 + 1 * t", "at 0 + 0 * t")
    whole = CudaProgram(parsed(text), Limits(threads=1, blocks=1))
    got = whole.run(until(1, 1050))
    assert got.results[0] == 1050
    assert len(whole._numbers) == 2


# -- memory ----------------------------------------------------------------------------


@case
def all_programs_from_either_side() -> None:
    for text in programs.PROGRAMS:
        program = parsed(text)
        whole = CudaProgram(program, SMALL)
        for number, sizes in enumerate(programs.SIZES):
            given = programs.drawn(program, sizes, number)
            want = run_program(program, given)
            got = fetched(whole, whole.call(on_device(given)))
            assert got.status == want.status
            for x, y in zip(got.results, want.results, strict=not want.status):
                tolerance = 1e-5 if y.dtype == "float32" else 1e-12
                assert (x.dtype, x.shape) == (y.dtype, y.shape)
                assert np.allclose(x, y, rtol=tolerance, atol=tolerance)


@case
def updates_and_complex_numbers() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    for n in (1, 0, 5, 11):
        for scale in (3, 0):
            agrees(whole, updated(n, scale))
    done = whole.call(updated(5))
    assert list(done.updates) == ["new"] and done.results[0].dtype == "complex64"


@case
def arguments_on_the_device_are_used_in_place() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    given = updated(6)
    there = on_device(given)
    with copies() as counts:
        whole.call(there)
    assert counts == {"copy_to_host": 1}  # a size is a value: the host must know it
    for name, held in there.items():
        assert np.array_equal(held.copy_to_host(), given[name]), name
    there["scale"] = given["scale"]
    with copies() as counts:
        done = whole.call(there)
    assert counts == {"copy_to_device": 1}
    # Nobody else's memory: another call leaves the results as they are.
    want = fetched(whole, done)
    more = whole.call(on_device(updated(6) | {"w": np.zeros(6)}))
    same(fetched(whole, done), want)
    arrays = [*done.results, *done.updates.values(), *more.results]
    arrays += [*more.updates.values()]
    arrays += [held for held in there.values() if is_on_device(held)]
    for k, one in enumerate(arrays):
        for other in arrays[:k]:
            assert not np.shares_memory(one._ary, other._ary)


@case
def constants_are_copied_once() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    given = updated(6)
    with copies() as counts:
        whole.call(given)
    assert counts == {"copy_to_device": 4}
    with copies() as counts:
        whole.call(given)
    assert counts == {"copy_to_device": 3}
    same(whole.run(given), run_program(whole.program, given))
    other = given | {"c": given["c"] + 1}
    agrees(whole, other)
    assert whole.trim() > 6 * 8 and whole.trim() == 0
    agrees(whole, other)


@case
def an_arena_is_used_again() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    allocated: list[int] = []
    plain = whole.memory._allocated

    def counted(shape: Any, dtype: str) -> Any:
        allocated.append(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return plain(shape, dtype)

    given = on_device(updated(200))
    with mock.patch.object(whole.memory, "_allocated", counted):
        whole.call(given)
        first, allocated[:] = list(allocated), []
        whole.call(given)
        # Its two results and its update, and nothing else.
        assert sorted(allocated) == [24, 1600, 1600]
        assert len(first) == 4
        # Two slots of 1600 bytes for three arrays, and what failed.
        assert whole.memory.kept == max(first) == 2 * 7 * ALIGNMENT + ALIGNMENT
        allocated.clear()
        whole.call(on_device(updated(100)))
        assert len(allocated) == 3  # it fits
        whole.call(on_device(updated(300)))
        assert len(allocated) == 7
        assert whole.memory.kept == 2 * 10 * ALIGNMENT + ALIGNMENT
    assert len(whole._plans) == 3


@case
def places_are_aligned() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    whole.call(updated(5))
    (plan,) = whole._plans
    assert {place.begin % ALIGNMENT for place in plan.layout.places.values()} == {0}
    held = plan.layout.places
    assert held["held"].begin == held["more"].begin != held["wide"].begin
    apart = [p for name, p in held.items() if name != "more"]
    apart.sort(key=lambda place: place.begin)
    for place, after in pairwise(apart):
        assert place.end <= after.begin
    assert apart[-1].end <= plan.layout.bytes


@case
def memory_that_there_is_not() -> None:
    """The error says how much was asked for; then all goes on."""

    class Failure(Exception):
        code = 2

    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    given = updated(5)
    whole.run(given)
    whole.memory.failures = (Failure,)
    cuda = whole.memory.cuda
    kept = whole.memory.kept
    with mock.patch.object(cuda, "device_array", side_effect=Failure("none")):
        try:
            whole.call(given)
        except DeviceMemoryError as error:
            assert error.bytes == 40 and "40 bytes" in str(error)
            assert "update" in str(error)
        else:
            raise AssertionError
    # What was kept has been given back before that.
    assert kept and not whole.memory.kept
    agrees(whole, given)
    plain, calls = cuda.device_array, []

    def once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise Failure("none")
        return plain(*args)

    with mock.patch.object(cuda, "device_array", once):
        agrees(whole, given)
    Failure.code = 700
    with mock.patch.object(cuda, "device_array", side_effect=Failure("broken")):
        try:
            whole.call(given)
        except DeviceError as error:
            assert not isinstance(error, DeviceMemoryError) and "broken" in str(error)
        else:
            raise AssertionError


@case
def a_device_that_breaks_off() -> None:
    whole = CudaProgram(parsed(loop_programs.UNTIL), SMALL)
    given = on_device(until(3, 3))
    whole.call(given)
    kept = whole.memory.kept
    failure = whole.memory.failures[0]("illegal address")
    kind = type(given["x"])
    with mock.patch.object(kind, "copy_to_host", side_effect=failure):
        try:
            whole.call(given)
        except DeviceError as error:
            assert "until" in str(error) and "illegal address" in str(error)
        else:
            raise AssertionError
    assert whole.memory.kept == kept
    agrees(whole, until(3, 3))


@case
def arguments_that_do_not_fit() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    given = on_device(updated(4))
    wrong = on_device({"w": np.zeros(4, "float32"), "c": np.zeros(5)})
    turned = on_device({"w": np.zeros(8)})["w"][::2]
    for name, value, kind in (
        ("w", wrong["w"], TypeError),
        ("c", wrong["c"], ValueError),
        ("w", turned, ValueError),
    ):
        try:
            whole.call(given | {name: value})
        except kind as error:
            assert name in str(error)
        else:
            raise AssertionError(name)
    try:
        whole.call({name: given[name] for name in given if name != "z"})
    except KeyError:
        pass
    else:
        raise AssertionError
    guarded = loop_programs.UPDATE.replace(
        "  launch turn", "  guard k lt n else 8\n  launch turn", 1
    )
    whole = CudaProgram(parsed(guarded), SMALL)
    agrees(whole, updated(4, 3))
    for scale in (4, 5):
        for sided in (updated(4, scale), on_device(updated(4, scale))):
            try:
                whole.call(sided)
            except GuardError as error:
                assert error.code == 8
            else:
                raise AssertionError(scale)


# -- kernels and threads ---------------------------------------------------------------


@case
def kernels_are_compiled_once() -> None:
    """Across programs; and with a condition they are others."""
    kernels = KernelCache()
    for _ in range(2):
        whole = CudaProgram(parsed(loop_programs.SIGNS), SMALL, kernels)
        whole.run({"x": np.ones(2)})
        count = len(kernels)
        # Seven kernels, and those that keep conditions.
        assert count == 7 + len(helper_stages()), count
    CudaProgram(parsed(loop_programs.UPDATE), SMALL, kernels).run(updated(2))
    assert len(kernels) == count + 3
    few = KernelCache(2)
    agrees(CudaProgram(parsed(loop_programs.SIGNS), SMALL, few), {"x": np.ones(3)})
    assert len(few) == 2


@case
def streams() -> None:
    """What is read on a stream is waited for, and arenas are not shared by two."""
    from numba import cuda

    waits: list[object] = []

    class Stream(cuda.stream):  # type: ignore[misc]
        def synchronize(self) -> None:
            waits.append(self)

    whole = CudaProgram(parsed(loop_programs.UNTIL), SMALL)
    one, other = Stream(), Stream()
    given = until(6, 4)
    want = run_program(whole.program, given)
    for stream in (one, other, one, 0):
        waits.clear()
        same(fetched(whole, whole.call(given, stream)), want)
        # After 1, 3 and 6 rounds, and for the status.
        assert waits == ([stream] * 4 if stream else [])
    assert {id(arena.stream) for arena in whole.memory._free} == {
        id(stream) for stream in (one, other, 0)
    }
    assert len(whole._plans) == 3


@case
def patterns_are_forgotten() -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    whole._plans.most = 3
    for n in (1, 2, 3, 4, 1, 5):
        agrees(whole, updated(n, 1))
        assert len(whole._plans) <= 3


@case
def several_threads() -> None:
    """One program, with sizes that differ."""
    whole = CudaProgram(parsed(loop_programs.UPDATE), SMALL)
    loop = CudaProgram(parsed(loop_programs.UNTIL), SMALL)
    faults: list[str] = []

    def work(number: int) -> None:
        try:
            for turn in range(4):
                agrees(whole, updated(1 + (number + turn) % 3))
                agrees(loop, until(6, number + turn))
        except BaseException:
            faults.append(traceback.format_exc())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]
    assert 1 <= len(whole.memory._free) <= 5


def main(names: list[str]) -> int:
    """Run the cases called so, or all."""
    found = {}
    for name in names or list(CASES):
        try:
            CASES[name]()
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

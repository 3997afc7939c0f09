"""Where the arrays of a call lie, what is kept, and who may call at once."""

from __future__ import annotations

import threading
import traceback
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np

from symgraph.codegen.cuda.helpers import helper_stages
from symgraph.codegen.cuda.kernels import KernelCache
from symgraph.codegen.cuda.launch import CudaProgram, Limits, is_on_device
from symgraph.codegen.cuda.memory import ALIGNMENT
from symgraph.codegen.errors import DeviceError, DeviceMemoryError
from symgraph.codegen.run import GuardError, run_program

from . import loop_programs, programs
from .launch_tools import (
    agrees,
    apart,
    case,
    copies,
    fetched,
    on_device,
    same,
    until,
    updated,
)
from .programs import parsed


@case
def all_programs_from_either_side(cut: Limits) -> None:
    for text in programs.PROGRAMS:
        program = parsed(text)
        whole = CudaProgram(program, cut)
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
def updates_and_complex_numbers(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
    for n in (1, 0, 5, 11):
        for scale in (3, 0):
            agrees(whole, updated(n, scale))
    done = whole.call(updated(5))
    assert list(done.updates) == ["new"] and done.results[0].dtype == "complex64"


@case
def arguments_on_the_device_are_used_in_place(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
            assert apart(one, other)


@case
def constants_are_copied_once(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
def an_arena_is_used_again(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
        # Two slots of 1600 bytes for three arrays, what failed, and the counter.
        assert whole.memory.kept == max(first) == 2 * 7 * ALIGNMENT + 2 * ALIGNMENT
        allocated.clear()
        whole.call(on_device(updated(100)))
        assert len(allocated) == 3  # it fits
        whole.call(on_device(updated(300)))
        assert len(allocated) == 7
        assert whole.memory.kept == 2 * 10 * ALIGNMENT + 2 * ALIGNMENT
    assert len(whole._plans) == 3


@case
def rows_are_kept(cut: Limits) -> None:
    """Those of the arena's arrays; a caller's array is another one at each call."""
    whole = CudaProgram(parsed(loop_programs.UNTIL), cut)
    given = until(5, 99)
    for _ in range(2):
        agrees(whole, given)
        sizes = [len(cut) for arena in whole.memory._free for cut in arena._cuts]
        assert sorted(sizes) == [0, 5]
    agrees(whole, given | {"x": given["x"] + 1})


@case
def places_are_aligned(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
def memory_that_there_is_not(cut: Limits) -> None:
    """The error says how much was asked for; then all goes on."""

    class Failure(Exception):
        code = 2

    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
def a_device_that_breaks_off(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UNTIL), cut)
    given = on_device(until(3, 3))
    whole.call(given)
    kept = whole.memory.kept
    failure = whole.memory.failures[0](700, "illegal address")
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
def arguments_that_do_not_fit(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
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
    whole = CudaProgram(parsed(guarded), cut)
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
def kernels_are_compiled_once(cut: Limits) -> None:
    """Across programs; and with a condition they are others."""
    kernels = KernelCache()
    for _ in range(2):
        whole = CudaProgram(parsed(loop_programs.SIGNS), cut, kernels)
        whole.run({"x": np.ones(2)})
        count = len(kernels)
        # Seven kernels, and those that keep conditions.
        assert count == 7 + len(helper_stages()), count
    CudaProgram(parsed(loop_programs.UPDATE), cut, kernels).run(updated(2))
    assert len(kernels) == count + 3
    few = KernelCache(2)
    agrees(CudaProgram(parsed(loop_programs.SIGNS), cut, few), {"x": np.ones(3)})
    assert len(few) == 2


@case
def streams(cut: Limits) -> None:
    """What is read on a stream is waited for, and arenas are not shared by two."""
    from numba import cuda

    whole = CudaProgram(parsed(loop_programs.UNTIL), cut)
    one, other = cuda.stream(), cuda.stream()
    given = until(6, 4)
    want = run_program(whole.program, given)
    kind, waits = type(one), list[object]()
    plain = kind.synchronize

    def synchronize(self: Any) -> None:
        waits.append(self)
        plain(self)

    with mock.patch.object(kind, "synchronize", synchronize):
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
def patterns_are_forgotten(cut: Limits) -> None:
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
    whole._plans.most = 3
    for n in (1, 2, 3, 4, 1, 5):
        agrees(whole, updated(n, 1))
        assert len(whole._plans) <= 3


@case
def several_threads(cut: Limits) -> None:
    """One program, with sizes that differ."""
    whole = CudaProgram(parsed(loop_programs.UPDATE), cut)
    loop = CudaProgram(parsed(loop_programs.UNTIL), cut)
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

"""Threads: the same bits for any number of them, forks, signals, concurrent calls."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from symgraph.codegen.cpu import threads
from symgraph.codegen.cpu.runtime import Slot, runtime
from symgraph.codegen.ir import Buffer, Carry, Kernel, Let, Load, Loop, Store, axis
from symgraph.codegen.program import Array, Launch, Program

from .native import binary, chain, make

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def thread_count() -> Iterator[None]:
    """Put the number of threads back."""
    before = threads.get_num_threads()
    yield
    threads.set_num_threads(before)


def row_sums() -> Program:
    """``o[i] = sum(a[i, :])``: the order of additions matters to the last bits."""
    body = (
        Loop("j", "m", "vector",
             (Load("x", "a", (axis("i"), axis("j")), "float64"),),
             (Carry("s", "sum", "x", "float64"),)),
        Store("o", (axis("i"),), "s"),
    )  # fmt: skip
    buffers = (
        Buffer("a", "float64", ("n", "m"), "in"),
        Buffer("o", "float64", ("n",), "out"),
    )
    loop = Loop("i", "n", "parallel", body)
    kernel = Kernel("row_sums", buffers, ("n", "m"), (loop,), "i")
    arrays = (
        Array("a", "float64", ("n", "m"), "input"),
        Array("o", "float64", ("n",), "output"),
    )
    launch = Launch(kernel, ("a", "o"), ("n", "m"))
    return Program("row_sums", arrays, (), (), (launch,), ("o",))


def scratch_sums() -> Program:
    """``o[i] = sum(a[i, :] * i)``, with the products kept in scratch memory."""
    first = (
        Load("x", "a", (axis("i"), axis("j")), "float64"),
        Let("f", "cast", ("i",), "float64"),
        Let("y", "mul", ("x", "f"), "float64"),
        Store("kept", (axis("j"),), "y"),
    )
    second = (Load("z", "kept", (axis("k"),), "float64"),)
    body = (
        Loop("j", "m", "vector", first),
        Loop("k", "m", "vector", second, (Carry("s", "sum", "z", "float64"),)),
        Store("o", (axis("i"),), "s"),
    )
    program = row_sums()
    (launch,) = program.steps
    assert isinstance(launch, Launch)
    kernel = replace(
        launch.kernel,
        name="scratch_sums",
        body=(Loop("i", "n", "parallel", body),),
        scratch=(Buffer("kept", "float64", ("m",), "inout"),),
    )
    return replace(program, steps=(replace(launch, kernel=kernel),))


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 7), (4000, 901)])
def test_chunks_have_scratch_memory_of_their_own(
    shape: tuple[int, int], thread_count: None
):
    f = make(scratch_sums())
    a = np.random.default_rng(0).standard_normal(shape)
    expected = (a * np.arange(shape[0])[:, None]).sum(1)
    for count in (1, 2, 5):
        threads.set_num_threads(count)
        np.testing.assert_allclose(f.entry(a), expected, atol=1e-6)
    # A line for each row or fewer, all of the row's length.
    assert f.arena_bytes % 64 == 0
    assert shape[1] * 8 <= f.arena_bytes or 0 in shape


@pytest.mark.parametrize("shape", [(1, 100_000), (7, 1000), (3000, 700), (100_000, 3)])
def test_results_are_bitwise_the_same(shape: tuple[int, int], thread_count: None):
    f = make(row_sums()).entry
    a = np.random.default_rng(0).standard_normal(shape)
    bits = set()
    for count in (1, 2, 3, 8):
        threads.set_num_threads(count)
        assert threads.get_num_threads() == count
        result = f(a)
        np.testing.assert_allclose(result, a.sum(1), atol=1e-9)
        bits.add(result.tobytes())
    assert len(bits) == 1


def test_every_element_is_computed_once(thread_count: None):
    f = make(binary("add")).entry
    for count in (1, 2):
        threads.set_num_threads(count)
        for n in (0, 1, 255, 256, 257, 49_999, 1_000_003):
            a = np.arange(n, dtype=np.float64)
            np.testing.assert_array_equal(f(a, a), a + a)


@pytest.mark.parametrize("count", [0, -1, threads.MOST_THREADS + 1])
def test_nonsense_numbers_of_threads_are_refused(count: int):
    with pytest.raises(ValueError, match="number of threads"):
        threads.set_num_threads(count)


@pytest.mark.parametrize(
    ("text", "expected"), [("3", 3), ("5,2", 5), (" 4 ", 4), ("99999999", 4096)]
)
def test_the_environment_sets_the_number(
    text: str, expected: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert threads.default_threads() == expected


@pytest.mark.parametrize("text", ["", "0", "-2", "many"])
def test_nonsense_in_the_environment_is_ignored(
    text: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert threads.default_threads() >= 1


def test_two_python_threads_use_the_pool_at_once(thread_count: None):
    threads.set_num_threads(2)
    f = make(chain(4)).entry
    wrong: list[float] = []

    def work(value: float) -> None:
        a, b = np.full(300_000, value), np.ones(300_000)
        for _ in range(30):
            if not (f(a, b) == value + 4).all():
                wrong.append(value)

    workers = [threading.Thread(target=work, args=(float(k),)) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_the_gil_is_released():
    f = make(chain(60)).entry
    a = np.ones(1_000_000)
    progress = [0, 0]
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            progress[0] += 1
            time.sleep(0.0005)

    counter = threading.Thread(target=count)
    counter.start()
    try:
        begun, at_start = time.perf_counter(), progress[0]
        f(a, a)
        took, ticks = time.perf_counter() - begun, progress[0] - at_start
    finally:
        stop.set()
        counter.join()
    # While the GIL is held another thread gets nothing done at all.
    assert took < 0.004 or ticks >= 2


def run_script(text: str) -> subprocess.CompletedProcess[str]:
    head = """
    import os, signal, sys, threading, time, warnings
    import numpy as np
    from tests.codegen.native import binary, chain, make
    from symgraph.codegen.cpu import threads
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )


def test_ctrl_c_ends_a_long_call_between_steps():
    script = """
    f = make(chain(3000)).entry
    a = np.ones(2_000_000)
    f(a[:1], a[:1])
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.perf_counter()
    try:
        f(a, a)
    except KeyboardInterrupt:
        print("interrupted after", time.perf_counter() - begun)
    assert (f(a[:5], a[:5]) == 3001).all()
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    seconds = float(done.stdout.split()[-1])
    assert 0.2 < seconds < 1.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_serial_and_warns_once():
    script = """
    threads.set_num_threads(2)
    f = make(binary("add")).entry
    big, small = np.ones(1_000_000), np.ones(10)
    assert (f(big, big) == 2).all()
    warnings.simplefilter("always")
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings(record=True) as caught:
            f(small, small)
            assert not caught
            for _ in range(3):
                assert (f(big, big) == 2).all()
            assert len(caught) == 1 and "forked" in str(caught[0].message), caught
        threads.set_num_threads(4)
        assert threads.get_num_threads() == 1
        grandchild = os.fork()
        if grandchild == 0:
            assert (f(big, big) == 2).all()
            os._exit(7)
        status = os.waitpid(grandchild, 0)[1]
        os._exit(5 if os.waitstatus_to_exitcode(status) == 7 else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 5, status
    assert (f(big, big) == 2).all() and threads.get_num_threads() == 2
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_warning_in_a_child_may_be_an_error():
    script = """
    threads.set_num_threads(2)
    f = make(binary("add")).entry
    big = np.ones(1_000_000)
    f(big, big)
    warnings.simplefilter("error")
    child = os.fork()
    if child == 0:
        try:
            f(big, big)
        except RuntimeWarning:
            os._exit(0 if (f(big, big) == 2).all() else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_before_the_pool_started_has_its_own():
    script = """
    child = os.fork()
    if child == 0:
        threads.set_num_threads(2)
        big = np.ones(1_000_000)
        f = make(binary("add")).entry
        ok = (f(big, big) == 2).all() and threads.get_num_threads() == 2
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


def test_without_more_threads_functions_run_on_those_there_are():
    script = """
    threads.pool().wanted = 4
    made = []
    def create(*arguments):
        made.append(arguments)
        return len(made) == 1 and created(*arguments)
    created, threads._create = threads._create, create
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        f = make(binary("add")).entry
    assert len(caught) == 1 and "on 2 threads" in str(caught[0].message), caught
    assert threads.get_num_threads() == 2
    big = np.ones(1_000_000)
    assert (f(big, big) == 2).all()
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


def test_helpers_take_part_and_leave():
    """Each call is helped, whoever called last, and nobody is left behind in one."""
    script = """
    import ctypes
    from symgraph.codegen.cpu import team
    from symgraph.codegen.cpu.runtime import Slot, runtime
    threads.set_num_threads(3)
    f = make(chain(4)).entry
    big = np.ones(3_000_000)
    f(big, big)
    kind = ctypes.c_uint64 * team.CREW_WORDS
    words = kind.from_address(runtime().words[Slot.CREW])
    def call(times):
        for _ in range(times):
            assert (f(big, big) == 5).all()
            assert words[team.HELD] in (0, 1)
    callers = [threading.Thread(target=call, args=(10,)) for _ in range(4)]
    for caller in callers: caller.start()
    for caller in callers: caller.join()
    call(10)
    assert words[team.HELD] == 0
    assert words[team.STATE] & (2 * team.OPEN - 1) == 0
    assert words[team.STATE] >> 32 > 10
    deadline = time.monotonic() + 20
    while words[team.SLEEPING] < 2:
        assert time.monotonic() < deadline, "helpers never sleep"
        time.sleep(0.01)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    call(3)
    threads.set_num_threads(1)
    before = words[team.STATE]
    call(3)
    assert words[team.STATE] == before
    threads.set_num_threads(5)
    call(3)
    assert threads.pool().running == 4
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr


def test_helpers_leave_signals_to_the_interpreter():
    script = """
    threads.set_num_threads(4)
    f = make(binary("add")).entry
    big = np.ones(1_000_000)
    f(big, big)
    own = threading.get_native_id()
    for task in os.listdir("/proc/self/task"):
        status = open(f"/proc/self/task/{task}/status").read()
        blocked = int(status.split("SigBlk:")[1].split()[0], 16)
        print(int(task) == own, bool(blocked & (1 << signal.SIGINT - 1)))
    """
    done = run_script(script)
    assert done.returncode == 0, done.stderr
    found = done.stdout.split("\n")
    assert found.count("False True") >= 3
    assert "True False" in found


def test_the_table_counts_the_threads(thread_count: None):
    make(binary("add"))
    threads.set_num_threads(3)
    assert runtime().words[Slot.THREADS] == 3
    assert signal.getsignal(signal.SIGINT) is not None

"""Threads, processes and signals: calls at once, forks, spawned workers, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen.cpu.threads import default_threads, get_num_threads
from symgraph.errors import SymgraphError

ROOT = Path(__file__).resolve().parents[2]
MODES = ("fast", "interpret")
HEAD = """
import os, pickle, signal, sys, threading, time, warnings
import numpy as np
import symgraph as sg
"""


def at_once(*jobs: Callable[[], object]) -> None:
    """Run `jobs` in threads that start together; raise what one of them raised."""
    start = threading.Barrier(len(jobs))
    failures: list[BaseException] = []

    def run(job: Callable[[], object]) -> None:
        start.wait()
        try:
            job()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert not any(t.is_alive() for t in threads), "a call is stuck"
    if failures:
        raise failures[0]


def python(code: str, *args: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(code), *args], cwd=ROOT,
        env=os.environ | environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], seconds: float = 60) -> str:
    """The rest of what a process prints; `communicate` misses what is buffered here."""
    assert process.stdout is not None and process.stderr is not None
    with process:
        out, err = process.stdout.read(), process.stderr.read()
        assert process.wait(timeout=seconds) == 0, err
    return out


# -- threads ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_threads_that_call_one_function_get_their_own_results(mode):
    m = sg.dmatrix("m")
    f = sg.function([m], [sg.exp(m) @ m, (m * 2).sum()], mode=mode)

    def job(seed: int) -> Callable[[], None]:
        given = np.random.default_rng(seed).normal(size=(20 + seed, 20 + seed))
        product, total = f(given)

        def run() -> None:
            for _ in range(50):
                one, other = f(given)
                assert np.array_equal(one, product) and other == total

        return run

    at_once(*(job(seed) for seed in range(6)))


@pytest.mark.parametrize("mode", MODES)
def test_no_update_is_lost(mode):
    """One function in two threads, and two functions of one variable."""
    count = sg.shared(0, "count")
    f = sg.function([], updates={count: count + 1}, mode=mode)
    g = sg.function([], count, updates={count: count + 1}, mode=mode)

    def many(call: Callable[[], object]) -> Callable[[], None]:
        return lambda: [call() for _ in range(1000)] and None

    at_once(many(f), many(f))
    assert count.get_value() == 2000
    at_once(many(f), many(g))
    assert count.get_value() == 4000


def test_values_are_never_seen_half_updated():
    a, b = sg.shared(np.zeros(50)), sg.shared(np.zeros(50))
    bump = sg.function([], updates={a: a + 1, b: b + 1})
    gap = sg.function([], sg.sum(sg.abs(a - b)))
    at_once(
        lambda: [bump() for _ in range(500)],
        lambda: [None for _ in range(500) if gap() != 0.0 and pytest.fail("torn")],
    )
    assert a.get_value()[0] == 500


def test_functions_over_the_same_variables_in_other_orders_do_not_deadlock():
    a, b = sg.shared(0), sg.shared(0)
    f = sg.function([], [a, b], updates=[(a, b + 1), (b, a + 1)])
    g = sg.function([], [b, a], updates=[(b, b + 1), (a, a + 1)])
    at_once(*(lambda h=h: [h() for _ in range(500)] for h in (f, g, f, g)))
    assert a.get_value() + b.get_value() == 4000


def test_values_may_be_set_and_read_during_calls():
    w = sg.shared(np.zeros(3))
    f = sg.function([], w.sum(), updates={w: w + 1})

    def resize() -> None:
        for size in range(200):
            w.set_value(np.full(size % 7, 2.0))
            assert len(set(w.get_value().tolist())) <= 1

    at_once(lambda: [f() for _ in range(500)], resize)


def test_functions_may_be_made_in_threads():
    results: dict[int, float] = {}

    def make(number: int) -> Callable[[], None]:
        def run() -> None:
            for step in range(4):
                x = sg.dvector("x")
                f = sg.function([x], sg.sum(sg.exp(x * (number % 2)) + step))
                results[number, step] = f(np.zeros(3))  # type: ignore[index]

        return run

    at_once(*(make(number) for number in range(4)))
    assert len(results) == 16
    for (_, step), value in results.items():  # type: ignore[misc]
        assert value == 3.0 * (1 + step)


def test_a_call_that_fails_gives_its_locks_back():
    w = sg.shared(np.zeros(3))
    x = sg.dvector("x")
    f = sg.function([x], updates={w: w + x})
    with pytest.raises(SymgraphError):
        f(np.zeros(4))
    at_once(lambda: f(np.ones(3)))
    np.testing.assert_array_equal(w.get_value(), 1.0)


# -- the number of threads -------------------------------------------------------------


@pytest.fixture
def threads_restored() -> Iterator[None]:
    yield
    sg.config.num_threads = None


@pytest.mark.usefixtures("threads_restored")
def test_the_number_of_threads_is_a_setting():
    x = sg.dvector("x")
    f = sg.function([x], [sg.exp(x), sg.sum(x)])
    given = np.linspace(-1, 1, 300_000)
    results = []
    for count in (1, 2, 3):
        sg.config.num_threads = count
        assert get_num_threads() == count
        results.append(f(given))
    for one, total in results[1:]:
        np.testing.assert_array_equal(one, results[0][0])
        assert total == results[0][1]
    with sg.config.flags(num_threads=2):
        assert get_num_threads() == 2
    assert (sg.config.num_threads, get_num_threads()) == (3, 3)
    sg.config.num_threads = None
    assert get_num_threads() == default_threads()
    for bad in (0, -1, 1.5, True, "2", 10**6):
        with pytest.raises(SymgraphError, match="num_threads"):
            sg.config.num_threads = bad
        assert sg.config.num_threads is None


# -- signals ---------------------------------------------------------------------------

LONG = """
    m = sg.dmatrix("m")
    y = m
    for step in range(150):
        y = sg.tanh(y @ m) * 0.5
    w = sg.shared(0)
    f = sg.function([m], y, updates={w: w + 1}, mode=sys.argv[1])
    f(np.ones((4, 4)))
    given = np.full((900, 900), 1e-3)
    print("ready", flush=True)
    start = time.perf_counter()
    try:
        f(given)
    except KeyboardInterrupt:
        print("interrupted", time.perf_counter() - start, w.get_value(), flush=True)
    f(np.ones((4, 4)))
    print("again", w.get_value())
"""


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_a_long_call_soon_and_changes_nothing(mode):
    process = python(LONG, mode)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    sent = time.perf_counter()
    process.send_signal(signal.SIGINT)
    line = process.stdout.readline().split()
    waited = time.perf_counter() - sent
    assert line[0] == "interrupted" and line[2] == "1"
    # One step takes tens of milliseconds, and the whole call many seconds.
    assert waited < 1.5
    assert finish(process) == "again 2\n"


# -- other processes -------------------------------------------------------------------

FORK = """
    x = sg.dvector("x")
    w = sg.shared(1.0)
    f = sg.function([x], [sg.exp(x), sg.sum(x) * w], updates={w: w + 1})
    given = np.linspace(-1, 1, 500_000)
    before = f(given)
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for step in range(3):
                values, total = f(given)
        assert np.array_equal(values, before[0])
        assert total == before[1] * 4 and w.get_value() == 5.0
        parallel = int(os.environ["OMP_NUM_THREADS"]) > 1
        assert len(caught) == parallel, caught
        g = sg.function([x], x.sum() * 2)  # compiles, too
        assert g(np.ones(2)) == 4.0
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert np.array_equal(f(given)[0], before[0]) and w.get_value() == 3.0
    print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("count", ["1", "2"])
def test_a_forked_child_goes_on_serially(count):
    assert finish(python(FORK, OMP_NUM_THREADS=count)) == "fine\n"


FORK_MEANWHILE = """
    from symgraph.codegen.cpu.link import llvm_lock

    x = sg.dvector("x")
    sg.function([x], x + 1)
    begun = threading.Event()

    def compile_for_long():
        with llvm_lock():
            begun.set()
            time.sleep(0.3)

    thread = threading.Thread(target=compile_for_long)
    thread.start()
    begun.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        with sg.config.flags(cache=False):
            g = sg.function([x], x.sum() * 2)
        os._exit(0 if g(np.ones(2)) == 4.0 else 1)
    thread.join()
    _, status = os.waitpid(child, 0)
    assert status == 0, status
    assert sg.function([x], x * 7)(np.ones(1)) == 7.0
    print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_compiles_though_a_thread_did_when_it_was_forked():
    assert finish(python(FORK_MEANWHILE)) == "fine\n"


SPAWN = """
import multiprocessing
import numpy as np
import symgraph as sg

def call(f, value):
    return f(np.full(3, value)), f.from_cache

if __name__ == "__main__":
    x = sg.dvector("x")
    w = sg.shared(np.ones(3))
    f = sg.function([x], (x * w).sum(), updates={w: w + 1})
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.starmap(call, [(f, v) for v in (1.0, 2.0, 3.0)], chunksize=1)
    assert results == [(3.0, True), (6.0, True), (9.0, True)], results
    assert (w.get_value() == 1).all()
    print("fine")
"""


def test_spawned_workers_take_functions(tmp_path: Path):
    script = tmp_path / "spawn.py"
    script.write_text(SPAWN)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False,
        timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr

"""The compile cache under damage: right results, no crash, at most one warning.

And its keys: what may share compiled code, and what must not.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph import compiler
from symgraph.codegen import cache
from symgraph.codegen.cpu.host import Host
from symgraph.function import Function
from symgraph.op import Elemwise, op
from symgraph.variable import apply

ROOT = Path(__file__).resolve().parents[2]
A = np.array([1.0, 2.0, 4.0])
EXPECTED = A * 3 + np.arange(3.0)

Make = Callable[[], Function]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    made = tmp_path / "cache"
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(made))
    return made


def make() -> Function:
    """A small function with a constant that travels beside the code."""
    x = sg.dvector("x")
    return sg.function([x], x * 3 + sg.constant(np.arange(3.0)))


def works(from_cache: bool) -> None:
    f = make()
    assert f.from_cache is from_cache
    np.testing.assert_array_equal(f(A), EXPECTED)


def entry(directory: Path) -> Path:
    (path,) = directory.glob("*.sgc")
    return path


# -- damaged files ---------------------------------------------------------------------


def test_a_second_function_comes_from_the_cache(directory: Path):
    works(from_cache=False)
    works(from_cache=True)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_truncated_files_are_compiled_again_and_replaced(directory: Path):
    works(from_cache=False)
    path = entry(directory)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        works(from_cache=False)
        works(from_cache=True)


def test_files_with_a_flipped_bit_are_compiled_again(directory: Path):
    works(from_cache=False)
    path = entry(directory)
    whole = path.read_bytes()
    draw = random.Random(11)
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        works(from_cache=False)


def another_key(whole: bytes) -> bytes:
    """The same entry, sound in itself, for another function (or another CPU)."""
    found = cache.decode(whole, key_of(make()))
    assert found is not None
    return cache.encode("another key", found)


def key_of(f: Function) -> str:
    return f._compilation.key


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b"\0" * len(b),
        lambda b: b + b"\0",
        lambda b: b"SYMGRAPH" + b[8:],
        lambda b: b[:8] + (cache.VERSION + 1).to_bytes(4, "little") + b[12:],
        lambda b: b[: len(b) // 2] * 2,
        lambda b: b"\x7fELF" + b,
        another_key,
    ],
)
def test_files_that_hold_something_else_are_compiled_again(
    directory: Path, damage: Callable[[bytes], bytes]
):
    works(from_cache=False)
    path = entry(directory)
    path.write_bytes(damage(path.read_bytes()))
    works(from_cache=False)
    works(from_cache=True)


@pytest.mark.parametrize("code", [b"", b"no object", b"\x7fELF" + b"\1" * 200])
def test_sound_entries_whose_code_does_not_link_are_compiled_again(code: bytes):
    works(from_cache=False)
    store, key = compiler.disk_cache(), key_of(make())
    found = store.get(key)
    assert found is not None
    store.put(key, cache.Entry(code, found.header, found.blobs))
    works(from_cache=False)
    works(from_cache=True)


def test_code_for_another_cpu_is_another_entry(
    directory: Path, monkeypatch: pytest.MonkeyPatch
):
    works(from_cache=False)
    mine = compiler.host()
    features, _, _ = mine.features.rpartition(",")
    lesser = Host(mine.triple, mine.cpu, features, mine.vector_bytes)
    for other in (lesser, Host(mine.triple, mine.cpu, mine.features, 16)):
        with monkeypatch.context() as patch:
            patch.setattr(compiler, "host", lambda host=other: host)
            works(from_cache=False)
            works(from_cache=True)
    works(from_cache=True)
    assert len(list(directory.iterdir())) == 3


def test_another_version_is_another_entry(monkeypatch: pytest.MonkeyPatch):
    works(from_cache=False)
    monkeypatch.setattr(compiler, "sources_digest", lambda package: "other sources")
    works(from_cache=False)


# -- directories and disks -------------------------------------------------------------


def works_with_one_warning(text: str) -> None:
    with pytest.warns(RuntimeWarning, match=text) as caught:
        for _ in range(3):
            works(from_cache=False)
    assert len(caught) == 1, [str(w.message) for w in caught]


@pytest.mark.parametrize("mode", [0o777, 0o720])
def test_a_directory_that_others_can_write_is_not_used(directory: Path, mode: int):
    works(from_cache=False)
    directory.chmod(mode)
    works_with_one_warning("other users")


def test_a_directory_of_another_user_is_not_used(monkeypatch: pytest.MonkeyPatch):
    works(from_cache=False)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    works_with_one_warning("another user")


def test_a_file_in_place_of_the_directory_is_no_error(directory: Path):
    directory.write_text("")
    works_with_one_warning("cache")


def test_a_directory_in_place_of_a_file_is_no_error(directory: Path):
    works(from_cache=False)
    path = entry(directory)
    path.unlink()
    (path / "held").mkdir(parents=True)
    works_with_one_warning("not kept")


def test_a_link_to_nowhere_is_no_error(directory: Path):
    directory.symlink_to(directory.parent / "nowhere")
    works_with_one_warning("cache|not kept")


def refuse(*args: Any, **options: Any) -> Any:
    raise PermissionError(13, "Permission denied")


def full(*args: Any, **options: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [(tempfile, "mkstemp", refuse), (os, "replace", full), (Path, "mkdir", refuse)],
)
def test_an_unwritable_or_full_disk_is_no_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, fault: Any
):
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fault)
        works_with_one_warning("not kept: .*(denied|space)")
    assert not directory.exists() or not list(directory.iterdir())
    works(from_cache=False)
    works(from_cache=True)


def test_unreadable_files_are_no_error(
    directory: Path, monkeypatch: pytest.MonkeyPatch
):
    works(from_cache=False)
    monkeypatch.setattr(Path, "read_bytes", refuse_entries(Path.read_bytes))
    works(from_cache=False)


def refuse_entries(read: Callable[[Path], bytes]) -> Callable[[Path], bytes]:
    return lambda path: refuse() if path.suffix == ".sgc" else read(path)


def test_the_cache_may_be_turned_off(directory: Path):
    with sg.config.flags(cache=False):
        works(from_cache=False)
        works(from_cache=False)
    assert not directory.exists()


# -- other processes -------------------------------------------------------------------

CHILD = """
import os, signal, sys, tempfile
import numpy as np
sys.path.insert(0, {root!r})
import symgraph as sg
{before}
x = sg.dvector("x")
f = sg.function([x], x * 3 + sg.constant(np.arange(3.0)))
assert f(np.array([1.0, 2.0, 4.0])).tolist() == [3.0, 7.0, 14.0]
print(f.from_cache)
"""


def child(before: str = "") -> subprocess.Popen[str]:
    code = CHILD.format(root=str(ROOT), before=before)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_processes_that_write_at_once(directory: Path):
    processes = [child() for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0 and not err, err
        assert out in ("True\n", "False\n")
    assert [p.suffix for p in directory.iterdir()] == [".sgc"]
    works(from_cache=True)


def test_a_file_that_is_too_large_to_write_is_no_error(directory: Path):
    """A real failure in the middle of a write."""
    pytest.importorskip("resource")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    out, err = child(limit).communicate(timeout=60)
    assert out == "False\n", err
    assert err.count("Warning") == 1 and "not kept" in err
    assert not list(directory.iterdir())
    works(from_cache=False)


KILLED = "os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)"


def test_a_process_killed_while_it_writes_leaves_a_sound_cache(directory: Path):
    process = child(KILLED)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (left,) = directory.iterdir()
    assert left.suffix == ".tmp"
    left.write_bytes(left.read_bytes()[:500])
    works(from_cache=False)
    works(from_cache=True)
    # It may be of a process at work, until it is old.
    assert left.exists()
    old = time.time() - 100_000
    os.utime(left, (old, old))
    y = sg.dvector("y")
    sg.function([y], y - 17)
    assert not left.exists()


def test_files_that_vanish_are_no_error(directory: Path):
    f = make()
    shutil.rmtree(directory)
    np.testing.assert_array_equal(f(A), EXPECTED)
    works(from_cache=False)
    works(from_cache=True)


# -- keys ------------------------------------------------------------------------------


#: Formulas over a large constant c and x, for symgraph and for NumPy alike.
FORMULAS: list[Callable[[Any, Any, Any], Any]] = [
    lambda xp, c, x: x + c,
    lambda xp, c, x: xp.sum(c) * x,
    lambda xp, c, x: x / c,
    lambda xp, c, x: c.max() + x,
    lambda xp, c, x: xp.where(c > 0, x, -x),
    lambda xp, c, x: x * xp.exp(c) + c[0],
    lambda xp, c, x: c * 1,
]


@pytest.mark.parametrize("size", [2, 3, 2000])
def test_large_constants_share_code_and_never_values(size: int):
    x = sg.dvector("x")
    rng = np.random.default_rng(1)
    given = rng.normal(size=size)
    values = [rng.normal(size=size), np.ones(size), np.full(size, 2.0), -np.ones(size)]
    for number, value in enumerate(values):
        for formula in FORMULAS:
            result = formula(sg, sg.constant(value), x)
            f = sg.function([x], result, on_unused_input="ignore")
            assert f.from_cache is (number > 0)
            np.testing.assert_allclose(
                f(given), formula(np, value, given), rtol=1e-12, atol=1e-12
            )


def test_two_constants_of_a_function_keep_their_places():
    x = sg.dvector("x")
    p, q = np.arange(3.0), np.full(3, 10.0)
    for one, other in ((p, q), (q, p)):
        f = sg.function([x], (x + sg.constant(one)) * sg.constant(other))
        np.testing.assert_array_equal(f(A), (A + one) * other)
    # Equal constants are one node: another structure.
    f = sg.function([x], (x + sg.constant(p)) * sg.constant(p.copy()))
    assert not f.from_cache
    np.testing.assert_array_equal(f(A), (A + p) * p)


SMALL = [0.0, -0.0, 1.0, -1.0, 2.0, np.nan, np.inf, -np.inf, 5e-324, 0.1, 0.1 + 1e-17]


def test_small_constants_have_keys_of_their_own():
    s = sg.dscalar("s")
    keys: dict[str, float] = {}
    for value in [*SMALL, 0.1 + 1e-16]:
        f = sg.function([s], [s + value, s * value, sg.where(s > 0, value, s)])
        expected = np.float64(1.0) + value, np.float64(1.0) * value, np.float64(value)
        for got, wanted in zip(f(1.0), expected, strict=True):
            assert got.tobytes() == wanted.tobytes() or (got != got and value != value)
        bits = np.float64(value).tobytes()
        known = keys.setdefault(key_of(f), value)
        assert np.float64(known).tobytes() == bits
    assert len(keys) == len({np.float64(v).tobytes() for v in [*SMALL, 0.1 + 1e-16]})


def test_constants_of_one_element_and_any_rank_are_told_apart():
    m = sg.dmatrix("m")
    given = np.ones((1, 1))
    for value in (2.0, 3.0):
        for shape in ((), (1,), (1, 1)):
            f = sg.function([m], m * sg.constant(np.full(shape, value)))
            assert not f.from_cache
            np.testing.assert_array_equal(f(given), given * value)


def test_what_differs_has_another_key():
    x, y = sg.dvector("x"), sg.dvector("y")
    f32, whole = sg.fvector("x"), sg.lvector("x")
    named = sg.tensor("x", shape=("n",))
    also = sg.tensor("y", shape=("n",))
    three, four = sg.tensor("x", shape=(3,)), sg.tensor("x", shape=(4,))
    w, v = sg.shared(A), sg.shared(A)
    makers: list[Make] = [
        lambda: sg.function([x], x + x),
        lambda: sg.function([f32], f32 + f32),
        lambda: sg.function([whole], whole + whole),
        lambda: sg.function([three], three + three),
        lambda: sg.function([four], four + four),
        lambda: sg.function([x, y], x - y),
        lambda: sg.function([y, x], x - y),
        lambda: sg.function([named, also], named - also),
        lambda: sg.function([x], [x + x, x]),
        lambda: sg.function([x], [x, x + x]),
        lambda: sg.function([x, y], x + x, on_unused_input="ignore"),
        lambda: sg.function([y, x], x + x, on_unused_input="ignore"),
        lambda: sg.function([], w + v),
        lambda: sg.function([], [w + v, w]),
        lambda: sg.function([], w + v, updates={w: w + v}),
        lambda: sg.function([], w + v, updates={v: w + v}),
        lambda: sg.function([], updates=[(w, w + v), (v, w)]),
        lambda: sg.function([], [w + v, w], updates=[]),
        lambda: sg.function([], w + v, updates=[(w, v), (v, w)]),
        lambda: sg.function([], w + v, updates=[(w, w), (v, v)]),
        lambda: sg.function([x], sg.sum(x + x)),
        lambda: sg.function([x], x + x, mode=sg.Mode().excluding("stabilize")),
        lambda: sg.function([x], x + x, mode=sg.Mode().excluding("simplify")),
        lambda: sg.function([x], x + x, mode=sg.Mode().excluding("rounding")),
        lambda: sg.function([x], x.astype("float32")),
        lambda: sg.function([x], x.astype("int32")),
        lambda: sg.function([x], x[1:]),
        lambda: sg.function([x], x[2:]),
        lambda: sg.function([x], x[:-1]),
    ]
    keys = [key_of(make()) for make in makers]
    same = [(i, j) for i, k in enumerate(keys) for j in range(i) if keys[j] == k]
    # The 14th and 18th are the same function, written twice.
    assert same == [(17, 13)]


def test_names_and_lines_are_no_part_of_a_key():
    a, b = sg.dvector("a"), sg.dvector("b")
    assert key_of(sg.function([a], a * 2, name="one")) == key_of(
        sg.function([b], b * 2, name="two")
    )


def test_a_pipeline_without_a_rule_is_really_applied():
    x = sg.dscalar("x")
    stable = sg.function([x], sg.log(1 + x))
    plain = sg.function([x], sg.log(1 + x), mode=sg.Mode().excluding("stabilize"))
    assert not plain.from_cache
    assert stable(1e-20) == 1e-20
    assert plain(1e-20) == 0.0


def test_a_cached_function_fails_with_the_messages_of_a_compiled_one():
    """They are made from the graph again, for the codes that stand in the object."""
    x, i, j = sg.dvector("x"), sg.lvector("i"), sg.lvector("j")
    k = sg.lscalar("k")
    w = sg.shared(A)

    def made() -> Function:
        outputs = [x[i] * 2, sg.exp(x)[j], x[k], (x + w).max(), x.reshape((k, 2))]
        return sg.function([x, i, j, k], outputs, updates={w: w + x})

    given = np.arange(4.0)
    w.set_value(given)
    calls = [
        *((given, [4], [0], 2), (given, [0], [-5], 2), (given, [0], [0], 9)),
        *((np.zeros(0), [0], [0], 0), (given[:3], [0], [0], 2), (given, [], [], -1)),
    ]
    texts = []
    for from_cache in (False, True):
        f = made()
        assert f.from_cache is from_cache
        for call in calls:
            with pytest.raises(sg.errors.SymgraphError) as caught:
                f(*call)
            texts.append((type(caught.value), str(caught.value)))
    count = len(calls)
    assert texts[:count] == texts[count:]
    assert len(set(texts)) == count
    np.testing.assert_array_equal(w.get_value(), given)


def test_a_user_without_a_home_has_a_directory_of_his_own(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("SYMGRAPH_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    made = cache.default_directory()
    assert made.parent == Path(tempfile.gettempdir()) and made.name != "symgraph"


def test_functions_of_a_users_own_ops_are_not_kept(directory: Path):
    """Their formulas may change without any change in this package's sources."""

    def made(factor: float) -> Function:
        @op
        class Scale(Elemwise):
            """x times a number that is no parameter."""

            def result_dtype(self, *dtypes: str) -> str:
                return dtypes[0]

            def ref(self, value: Any) -> Any:
                return value * factor

            def scalar(self, value: Any) -> Any:
                return value * factor

        x = sg.dvector("x")
        return sg.function([x], apply(Scale(), x))

    for factor in (2.0, 3.0):
        f = made(factor)
        assert not f.from_cache
        np.testing.assert_array_equal(f(A), A * factor)
    assert not directory.exists()


def test_functions_of_a_users_own_passes_are_not_kept(directory: Path):
    @dataclass(frozen=True)
    class Nothing:
        """A pass whose repr does not tell what it does."""

        name: str = "nothing"

        def __call__(self, outputs: Any, trace: Any) -> Any:
            return outputs

    x = sg.dvector("x")
    for _ in range(2):
        f = sg.function([x], x * 2, mode=sg.Mode().including(Nothing()))
        assert not f.from_cache
        np.testing.assert_array_equal(f(A), A * 2)
    assert not directory.exists()

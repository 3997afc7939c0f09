"""The cache on disk: whole entries come back, damaged ones are misses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import textwrap
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from symgraph.codegen import cache
from symgraph.codegen.cache import Cache, Entry
from symgraph.codegen.cpu.host import Host

ROOT = Path(__file__).resolve().parents[2]
ENTRY = Entry(b"code" * 1000, {"shapes": [1, None]}, {"c0": b"\0\1\2", "empty": b""})


@pytest.fixture
def store(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def only_file(store: Cache) -> Path:
    (path,) = store.directory.iterdir()
    return path


def test_what_was_put_comes_back(store: Cache):
    assert store.get("key") is None
    store.put("key", ENTRY)
    assert store.get("key") == ENTRY
    assert store.get("other") is None


def test_entries_are_replaced(store: Cache):
    store.put("key", ENTRY)
    store.put("key", Entry(b"new"))
    assert store.get("key") == Entry(b"new")
    assert store.info().entries == 1


def test_keys_may_be_any_text(store: Cache):
    for key in ("", "a/b", "../x", "é" * 1000, "\0"):
        store.put(key, Entry(key.encode()))
    for key in ("", "a/b", "../x", "é" * 1000, "\0"):
        assert store.get(key) == Entry(key.encode())
    assert store.info().entries == 5


def test_every_truncation_is_a_miss(store: Cache):
    store.put("key", Entry(b"code", {"a": 1}))
    path = only_file(store)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert store.get("key") is None
    path.write_bytes(data + b"\0")
    assert store.get("key") is None
    path.write_bytes(data)
    assert store.get("key") is not None


def test_every_flipped_bit_is_a_miss(store: Cache):
    store.put("key", Entry(b"code", {"a": 1}))
    path = only_file(store)
    data = bytearray(path.read_bytes())
    for position in range(len(data)):
        data[position] ^= 1 << position % 8
        path.write_bytes(data)
        assert store.get("key") is None
        data[position] ^= 1 << position % 8


def test_an_entry_under_another_keys_name_is_a_miss(store: Cache):
    store.put("one", ENTRY)
    one = only_file(store)
    store.put("two", ENTRY)
    (two,) = set(store.directory.iterdir()) - {one}
    os.replace(one, two)
    assert store.get("two") is None
    assert store.get("one") is None


def test_another_version_is_a_miss(store: Cache, monkeypatch: pytest.MonkeyPatch):
    store.put("key", ENTRY)
    monkeypatch.setattr(cache, "VERSION", cache.VERSION + 1)
    assert store.get("key") is None
    store.put("key", ENTRY)
    assert store.get("key") == ENTRY


def test_a_damaged_entry_is_replaced(store: Cache):
    store.put("key", ENTRY)
    only_file(store).write_bytes(b"garbage")
    assert store.get("key") is None
    store.put("key", ENTRY)
    assert store.get("key") == ENTRY


def test_the_directory_is_the_users_own(store: Cache):
    store.put("key", ENTRY)
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_can_write_is_off_with_one_warning(
    store: Cache, mode: int
):
    store.put("key", ENTRY)
    store.directory.chmod(mode)
    with pytest.warns(RuntimeWarning, match="other users") as caught:
        assert store.get("key") is None
        assert store.get("key") is None
        store.put("key", ENTRY)
    assert len(caught) == 1
    assert "other users" in store.info().reason
    store.directory.chmod(0o700)
    assert store.get("key") == ENTRY


def test_a_directory_of_another_user_is_off(
    store: Cache, monkeypatch: pytest.MonkeyPatch
):
    store.put("key", ENTRY)
    monkeypatch.setattr(os, "getuid", lambda: store.directory.stat().st_uid + 1)
    with pytest.warns(RuntimeWarning, match="another user"):
        assert store.get("key") is None


def test_a_file_in_place_of_the_directory_is_off(tmp_path: Path):
    (tmp_path / "cache").write_text("not a directory")
    store = Cache(tmp_path / "cache")
    with pytest.warns(RuntimeWarning) as caught:
        store.put("key", ENTRY)
        assert store.get("key") is None
    assert len(caught) == 1


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_an_unwritable_directory_is_no_error(store: Cache):
    store.directory.mkdir(mode=0o500)
    with pytest.warns(RuntimeWarning, match="not kept") as caught:
        store.put("key", ENTRY)
        store.put("key", ENTRY)
    assert len(caught) == 1


@pytest.mark.parametrize("call", ["mkstemp", "replace"])
def test_a_full_disk_is_no_error(
    store: Cache, call: str, monkeypatch: pytest.MonkeyPatch
):
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.tempfile if call == "mkstemp" else os, call, full)
    with pytest.warns(RuntimeWarning, match="No space left") as caught:
        store.put("key", ENTRY)
        store.put("key", ENTRY)
    assert len(caught) == 1
    assert list(store.directory.iterdir()) == []


def test_leftovers_of_killed_writers_are_swept(store: Cache):
    store.put("key", ENTRY)
    old, new = store.directory / "a.tmp", store.directory / "b.tmp"
    old.write_bytes(b"half")
    new.write_bytes(b"being written")
    os.utime(old, (time.time() - 7200,) * 2)
    store.put("other", ENTRY)
    assert not old.exists() and new.exists()
    assert store.info().entries == 2


def test_clear_and_info(store: Cache):
    assert store.info() == cache.Info(store.directory, 0, 0, "")
    store.put("one", ENTRY)
    store.put("two", Entry(b"x"))
    (store.directory / "a.tmp").write_bytes(b"half")
    (store.directory / "README").write_text("not ours")
    info = store.info()
    assert info.entries == 2 and info.bytes > 4000 and info.reason == ""
    assert store.clear() == 2
    assert [p.name for p in store.directory.iterdir()] == ["README"]


def test_the_default_directory(monkeypatch: pytest.MonkeyPatch):
    for name in ("SYMGRAPH_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache.default_directory() == Path("/home/someone/.cache/symgraph")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.default_directory() == Path("/home/someone/.cache/symgraph")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert cache.default_directory() == Path("/var/xdg/symgraph")
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", "/elsewhere")
    assert cache.default_directory() == Path("/elsewhere")
    assert Cache().directory == Path("/elsewhere")


def test_processes_that_write_and_read_at_once(store: Cache):
    script = f"""
    import random
    from symgraph.codegen.cache import Cache, Entry

    store = Cache({str(store.directory)!r})
    for turn in range(300):
        key = str(random.randrange(4))
        found = store.get(key)
        assert found is None or found.object == key.encode() * 5000, found
        store.put(key, Entry(key.encode() * 5000))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    running = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and not errors, errors
    assert store.info().entries == 4
    assert {p.suffix for p in store.directory.iterdir()} == {".sgc"}


def test_a_writer_that_is_killed_leaves_no_damage(store: Cache):
    script = f"""
    from symgraph.codegen.cache import Cache, Entry

    store = Cache({str(store.directory)!r})
    print("ready", flush=True)
    while True:
        store.put("key", Entry(b"x" * 3_000_000))
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    for delay in (0.01, 0.03):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(delay)
        process.kill()
        process.communicate()
        whole = Entry(b"x" * 3_000_000)
        assert store.get("key") in (None, ENTRY, whole)  # ENTRY from the first round
        store.put("key", ENTRY)
        assert store.get("key") == ENTRY


HOST = Host("x86_64-unknown-linux-gnu", "skylake", "+avx2", 32)


def test_the_fingerprint_knows_the_host(monkeypatch: pytest.MonkeyPatch):
    print_ = cache.fingerprint(HOST)
    assert print_ == cache.fingerprint(HOST)
    for other in (
        replace(HOST, cpu="znver4"),
        replace(HOST, features="+avx2,+avx512f"),
        replace(HOST, vector_bytes=64),
    ):
        assert cache.fingerprint(other) != print_
    monkeypatch.setattr("numpy.__version__", "0.0")
    assert cache.fingerprint(HOST) != print_


def test_the_fingerprint_knows_the_sources(tmp_path: Path):
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.py").write_text("")
    digest = cache.sources_digest.__wrapped__
    first = digest(tmp_path)
    assert digest(tmp_path) == first
    (tmp_path / "notes.txt").write_text("not a source")
    assert digest(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2\n")
    second = digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    third = digest(tmp_path)
    # The same size, another time.
    (tmp_path / "c.py").write_text("x = 3\n")
    os.utime(tmp_path / "c.py", ns=(1, 1))
    assert len({first, second, third, digest(tmp_path)}) == 4


def test_nothing_is_warned_about_in_ordinary_use(store: Cache):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.get("key") is None
        store.put("key", ENTRY)
        assert store.get("key") == ENTRY
        store.clear()

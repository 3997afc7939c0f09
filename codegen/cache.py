"""Compiled code on disk: data files that are checked in full before any byte is used.

A file is ``MAGIC, version, sha256`` and then what the digest covers: the length of a
JSON head, the head, and the bodies, whose names and lengths the head lists.  Files hold
machine code, so the directory must be the user's own; nothing is ever unpickled.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import stat
import struct
import sys
import sysconfig
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .cpu.host import Host

MAGIC = b"symgraph"
VERSION = 1
#: Before the checked part: magic, version, digest.
_PREFIX = struct.Struct(f"<{len(MAGIC)}sI32s")
_LENGTH = struct.Struct("<Q")
_SUFFIX, _TEMPORARY = ".sgc", ".tmp"
#: A temporary file older than this is what a killed process left, in seconds.
_STALE = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One compiled function: an object file, JSON-able facts, named byte strings."""

    object: bytes
    header: dict[str, Any] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Info:
    """What a cache holds.  `reason` says why it is off; empty when it is on."""

    directory: Path
    entries: int
    bytes: int
    reason: str


def default_directory() -> Path:
    """$SYMGRAPH_CACHE_DIR, else symgraph in $XDG_CACHE_HOME, else ~/.cache/symgraph.

    A user without a home directory, as in some containers, has one among the temporary
    files; like any other it is used only while it is the user's own.
    """
    chosen = os.environ.get("SYMGRAPH_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification says that relative paths are to be ignored.
    if base and os.path.isabs(base):
        return Path(base) / "symgraph"
    home = Path(os.path.expanduser("~"))
    if home.is_absolute():
        return home / ".cache" / "symgraph"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"symgraph-{user}"


class Cache:
    """A directory of `Entry` files, safe to share between processes.

    No method raises for the state of the disk: what cannot be read is a miss, and what
    cannot be written is not kept, with one warning for each cache object.
    """

    def __init__(self, directory: Path | str | None = None) -> None:
        self.directory = Path(directory) if directory else default_directory()
        self._warned = False

    def get(self, key: str) -> Entry | None:
        """The entry for `key`, or None if there is none that is whole."""
        path = self._path(key)
        try:
            if not self._trusted(make=False):
                return None
            data = path.read_bytes()
        except OSError:
            return None
        return decode(data, key)

    def put(self, key: str, entry: Entry) -> None:
        """Keep `entry` under `key`, in place of what was there."""
        data = encode(key, entry)
        try:
            if self._trusted(make=True):
                self._write(self._path(key), data)
        except OSError as error:
            self._warn(f"compiled code is not kept: {error}")

    def clear(self) -> int:
        """Delete all entries; returns how many there were."""
        count = 0
        for path in self._files():
            try:
                path.unlink()
            except OSError as error:
                self._warn(f"{path} is not deleted: {error}")
                continue
            count += path.suffix == _SUFFIX
        return count

    def info(self) -> Info:
        """How many entries there are, their size, and whether the cache is on."""
        sizes = []
        for path in self._files():
            if path.suffix == _SUFFIX:
                try:
                    sizes.append(path.stat().st_size)
                except OSError:  # another process deleted it meanwhile
                    continue
        try:
            reason = _why_unsafe(os.stat(self.directory))
        except FileNotFoundError:
            reason = ""
        except OSError as error:
            reason = str(error)
        return Info(self.directory, len(sizes), sum(sizes), reason)

    def _path(self, key: str) -> Path:
        # A key may be any text; its digest is a file name everywhere.
        return self.directory / (hashlib.sha256(key.encode()).hexdigest() + _SUFFIX)

    def _files(self) -> list[Path]:
        try:
            found = list(self.directory.iterdir())
        except OSError:
            return []
        return sorted(p for p in found if p.suffix in (_SUFFIX, _TEMPORARY))

    def _trusted(self, make: bool) -> bool:
        """Whether nobody else can write into the directory, which is made on demand."""
        if make:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        reason = _why_unsafe(os.stat(self.directory))
        if reason:
            self._warn(f"the compile cache is off: {self.directory} {reason}")
        return not reason

    def _write(self, path: Path, data: bytes) -> None:
        """Write to the side and rename, so that readers see all of it or nothing."""
        self._sweep()
        handle, name = tempfile.mkstemp(_TEMPORARY, "", self.directory)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete what killed processes left in the middle of writing."""
        old = time.time() - _STALE
        for path in self.directory.glob(f"*{_TEMPORARY}"):
            try:
                if path.stat().st_mtime < old:
                    path.unlink()
            except FileNotFoundError:  # another process was quicker
                continue

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(message, RuntimeWarning, stacklevel=4)


def _why_unsafe(status: os.stat_result) -> str:
    """Why a directory with `status` cannot be trusted to hold code; "" if it can."""
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    if not hasattr(os, "getuid"):
        return ""
    if status.st_uid != os.getuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by other users (chmod go-w it, or delete it)"
    return ""


def encode(key: str, entry: Entry) -> bytes:
    """`entry` as a file for `key`."""
    bodies = {"": entry.object, **entry.blobs}
    head = {
        "key": key,
        "header": entry.header,
        "bodies": [[name, len(body)] for name, body in bodies.items()],
    }
    text = json.dumps(head, sort_keys=True).encode()
    checked = b"".join([_LENGTH.pack(len(text)), text, *bodies.values()])
    return _PREFIX.pack(MAGIC, VERSION, hashlib.sha256(checked).digest()) + checked


def decode(data: bytes, key: str) -> Entry | None:
    """The entry in a file's bytes; None unless it is whole, current, and for `key`."""
    if len(data) < _PREFIX.size + _LENGTH.size:
        return None
    magic, version, digest = _PREFIX.unpack_from(data)
    checked = memoryview(data)[_PREFIX.size :]
    if (magic, version) != (MAGIC, VERSION):
        return None
    if hashlib.sha256(checked).digest() != digest:
        return None
    # From here on the bytes are as they were written.
    (length,) = _LENGTH.unpack_from(checked)
    at = _LENGTH.size + length
    head = json.loads(bytes(checked[_LENGTH.size : at]))
    if head["key"] != key:
        return None
    bodies: dict[str, bytes] = {}
    for name, length in head["bodies"]:
        bodies[name] = bytes(checked[at : at + length])
        at += length
    return Entry(bodies.pop(""), head["header"], bodies)


def fingerprint(host: Host) -> str:
    """A digest of everything besides the program that decides what code is made.

    The state of this package's sources, the versions of llvmlite, LLVM and NumPy, the
    CPU and its features, and Python's ABI.  Callers add what is theirs to the key.
    """
    import llvmlite
    import llvmlite.binding as llvm

    facts = {
        "sources": sources_digest(Path(__file__).parent),
        "llvmlite": llvmlite.__version__,
        "llvm": llvm.llvm_version_info,
        "numpy": np.__version__,
        "host": [host.triple, host.cpu, host.features, host.vector_bytes],
        "python": [
            sys.version_info[:2],
            sysconfig.get_config_var("SOABI"),
            sys.implementation.cache_tag,
            platform.system(),
        ],
    }
    text = json.dumps(facts, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()


@functools.cache
def sources_digest(package: Path) -> str:
    """A digest of the state of the ``.py`` files under `package`.

    The state is a file's place, size and time of change: Python itself goes by no more
    when it decides whether what it compiled of a module is still right.  To read the
    files would take a tenth of a large function's time from the cache.
    """
    states: list[str] = []
    folders = [os.fspath(package)]
    for folder in folders:  # which grows meanwhile
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.endswith(".py"):
                    state = entry.stat()
                    facts = entry.path, state.st_size, state.st_mtime_ns
                    states.append(repr(facts))
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    text = "\n".join(sorted(states))
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()

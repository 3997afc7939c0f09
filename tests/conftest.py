"""What all tests share: a compile cache of their own, and golden files."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
CACHE = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files of tests/golden with what the tests produce",
    )
    parser.addoption(
        "--device",
        choices=("simulator", "cuda"),
        default="simulator",
        help="where the tests marked gpu run their kernels",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Give the session one empty compile cache, so that kernels are compiled once.

    A hook and not a fixture: doctests outside this folder, and whatever is compiled
    while tests are collected, must stay out of the user's own cache too.  The workers
    of pytest-xdist share the cache of the session that starts them.
    """
    if config.getoption("--device") == "cuda":
        os.environ["SYMGRAPH_TEST_DEVICE"] = "cuda"  # see tests/device.py
    if hasattr(config, "workerinput"):
        return
    config.stash[CACHE] = tempfile.mkdtemp(prefix="symgraph-tests-")
    os.environ["SYMGRAPH_CACHE_DIR"] = config.stash[CACHE]


def pytest_unconfigure(config: pytest.Config) -> None:
    if directory := config.stash.get(CACHE, None):
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """``golden("name.txt", text)``: `text` is what tests/golden/name.txt holds.

    Under ``--update-golden`` the file is written instead: read the diff, then commit.
    """
    update: bool = request.config.getoption("--update-golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        text = text.rstrip("\n") + "\n"
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        held = path.read_text(encoding="utf-8") if path.exists() else ""
        if held != text:
            was, now = held.splitlines(), text.splitlines()
            diff = difflib.unified_diff(was, now, f"golden/{name}", "now", lineterm="")
            remedy = "if this is meant: pytest --update-golden"
            pytest.fail("\n".join([*diff, remedy]), pytrace=False)

    return compare

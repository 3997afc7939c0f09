"""The pages in docs/ say what the code does: examples run, tables are up to date."""

from __future__ import annotations

import doctest
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def test_the_table_of_ops_is_up_to_date(request: pytest.FixtureRequest) -> None:
    page = runpy.run_path(str(DOCS / "op_table.py"))["page"]()
    path = DOCS / "ops.md"
    if request.config.getoption("--update-golden"):
        path.write_text(page, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == page, "python docs/op_table.py"


@pytest.mark.parametrize("name", ["tutorial.md"])
def test_examples_of_pages_run(name: str) -> None:
    failed, tried = doctest.testfile(
        str(DOCS / name), module_relative=False, optionflags=OPTIONS, encoding="utf-8"
    )
    assert tried and not failed

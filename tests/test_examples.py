"""The README's example, the examples and the notebooks do what they show."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: The README's first example, and what it prints.
SHOWN = re.compile(r"```python\n(.*?)```\s*```text\n(.*?)```", re.DOTALL)


def printed_by(program: str) -> str:
    """What `program` prints in a process of its own, where warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_readme() -> None:
    found = SHOWN.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found, "README.md shows no python block with its output"
    assert printed_by(found[1]) == found[2]


def test_readme_names_files_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:examples|notebooks|bench|symgraph)/[\w/.]*)`", text)
    assert len(names) >= 4
    # Written by `make bench` and `make gpu`.
    made = {"bench/RESULTS.md", "bench/GPU.md"}
    assert not [n for n in names if n not in made and not (ROOT / n).exists()]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path: Path) -> None:
    program = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    assert printed_by(program).strip()


def test_logistic_regression_learns() -> None:
    path = ROOT / "examples" / "logistic_regression.py"
    text = printed_by(
        f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    )
    found = re.search(r"test accuracy: (\d+\.\d) %", text)
    assert found and float(found[1]) > 94


def cells(path: Path) -> list[dict[str, Any]]:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path: Path) -> None:
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for number, cell in enumerate(cells(path)):
            source = "".join(cell["source"])
            exec(compile(source, f"{path.name}[{number}]", "exec"), names)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_keeps_its_output(path: Path) -> None:
    """Executed from top to bottom, without errors or warnings."""
    held = cells(path)
    assert [cell["execution_count"] for cell in held] == list(range(1, len(held) + 1))
    outputs = [output for cell in held for output in cell["outputs"]]
    assert outputs
    assert all(output.get("name") == "stdout" for output in outputs)

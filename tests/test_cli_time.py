"""``symgraph time``: its text, with times masked, and its data, on real programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from symgraph.cli import app
from symgraph.inspect import roofline as rooflines
from symgraph.inspect.roofline import roofline

from .schemas import SCHEMAS

PROGRAMS = Path(__file__).parent / "programs"
TARGETS = {
    "training": (
        f"{PROGRAMS}/training.py:step",
        "--size",
        "x.0=32",
        "--size",
        "y.0=32",
    ),
    "heat": (f"{PROGRAMS}/heat.py:both",),
    "large": (f"{PROGRAMS}/large.py:outputs", "--size", "n=4", "--calls", "1"),
}

FILE = """\
import numpy as np
import symgraph as sg

x = sg.tensor("x", "float64", ("n", 3))
y = sg.dvector("y")
by_order = x.sum()
by_order_args = (np.ones((5, 3)),)
by_name = sg.function([x, y], x.sum() + y.sum(), name="by_name")
by_name_args = {"y": np.ones(4), "x": np.ones((6, 3))}
wrong = x * 2
wrong_args = 3
fails = sg.function([x, y], x + y, name="fails")
fails_args = (np.ones((5, 3)), np.ones(2))
"""

Golden = Callable[[str, str], None]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """``file("name")``: the target of that name, in a file in the current folder."""
    (tmp_path / "file.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda name: f"file.py:{name}"


def call(*words: str) -> Result:
    """What ``symgraph time WORDS`` does, in this process, without a roofline."""
    return CliRunner().invoke(app, ["time", "--no-roofline", *words])


def shown(*words: str) -> str:
    """What ``symgraph time WORDS`` prints, which must go well."""
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def data(*words: str) -> dict[str, Any]:
    """The same as JSON, which must be of the schema."""
    found: dict[str, Any] = json.loads(shown(*words, "--format", "json"))
    jsonschema.validate(found, SCHEMAS["profile"])
    return found


def masked(text: str) -> str:
    """`text` without times and rates; blanks and what the cache had are evened out."""
    text = re.sub(r"[\d.e+-]+ (ns|us|ms|s)\b", "TIME", text)
    text = re.sub(r"[\d.e+-]+ [GM]\b", "RATE", text)
    text = re.sub(r"[\d.]+%", "SHARE", text)
    text = re.sub(r" +\(when it was made\)", "", text)
    text = re.sub(r"^load .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("from the cache", "compiled")
    return re.sub(r" +", " ", text)


@pytest.mark.parametrize("name", ["training", "heat"])
def test_text(name: str, golden: Golden) -> None:
    text = shown(*TARGETS[name])
    assert "\x1b" not in text
    golden(f"cli/time_{name}.txt", masked(text))


@pytest.mark.parametrize(
    "name", ["training", "heat", pytest.param("large", marks=pytest.mark.slow)]
)
def test_data_fits_together(name: str) -> None:
    run = data(*TARGETS[name])["run"]
    work = [step for step in run["steps"] if step["number"] is not None]
    assert sum(step["seconds"] for step in work) <= run["seconds"] + 1e-9
    assert run["native"] <= run["seconds"] + 1e-9
    assert max(step["live"] for step in work) == run["memory"]["peak"]


def test_arguments_beside_the_target(file: Callable[[str], str]) -> None:
    assert data(file("by_order"))["run"]["sizes"] == {"n": 5}
    assert data(file("by_name"))["run"]["sizes"]["n"] == 6
    assert data(file("by_name"), "--size", "n=9")["run"]["sizes"]["n"] == 9
    assert data(file("by_order"), "--calls", "3")["run"]["calls"] == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("wrong",), 2, "wrong_args in file.py is of type int"),
        (("fails",), 1, "fails"),
        (("by_order", "--size", "q=1"), 2, "has no size 'q'"),
        (("by_order", "--size", "n=x"), 2, "wants NAME=N"),
        (("by_order", "--calls", "0"), 2, "--calls"),
        (("by_order", "--remeasure"), 2, "--remeasure"),
    ],
)
def test_wrong_command_lines(
    words: tuple[str, ...], code: int, said: str, file: Callable[[str], str]
) -> None:
    name, *options = words
    result = call(file(name), *options)
    assert result.exit_code == code
    assert said in result.stderr.splitlines()[0]
    assert result.stderr.splitlines()[1].startswith("help: ")


def test_the_roofline_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept in the cache until it is asked for again."""
    times = []

    def measured(threads: str, *levels: str) -> dict[str, float]:
        times.append(threads)
        kinds = [f"{level} {kind}" for level in levels for kind in ("read", "both")]
        return dict.fromkeys([*kinds, "float32", "float64"], 1e9)

    monkeypatch.setattr(rooflines.roofs, "measured", measured)
    monkeypatch.setattr(rooflines.roofs, "model", lambda: "a processor of the tests")
    first = roofline()
    assert roofline() == first and len(times) == 1
    assert roofline(remeasure=True) == first and len(times) == 2
    assert first.levels[-1].name == "memory" and str(first)


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [("fails", "n=3", "fails: KeyError: 'mine'"), ("twice", f"n={10**24}", "twice: ")],
)
def test_what_a_call_raises_is_one_line(
    tmp_path: Path, name: str, size: str, said: str
) -> None:
    path = tmp_path / "own.py"
    path.write_text(
        "import symgraph as sg\n"
        "def bad(a):\n"
        "    raise KeyError('mine')\n"
        "x = sg.tensor('x', 'float64', ('n',))\n"
        "fails = sg.function([x], sg.from_numpy_function(bad)(x), name='fails')\n"
        "twice = sg.function([x], x * 2, name='twice')\n"
    )
    target = f"{path}:{name}"
    done = CliRunner().invoke(app, ["time", target, "--no-roofline", "--size", size])
    assert done.exit_code == 1 and f"error: {said}" in done.stderr
    assert "Traceback" not in done.stderr and "help: " in done.stderr

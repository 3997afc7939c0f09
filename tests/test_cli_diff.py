"""``symgraph diff``: two targets, or one under two pipelines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner, Result

import symgraph as sg
from symgraph.cli import app
from symgraph.errors import NotFoundError
from symgraph.inspect.diff import change

from .schemas import SCHEMAS
from .symgraph.random_graphs import RandomGraph, random_graphs

PROGRAMS = Path(__file__).parent / "programs"
TARGETS = {
    "training": f"{PROGRAMS}/training.py:step",
    "heat": f"{PROGRAMS}/heat.py:both",
    "large": f"{PROGRAMS}/large.py:outputs",
}

TWO = """\
import symgraph as sg

x = sg.tensor("x", "float32", ("n", 4))
f = sg.function([x], sg.log(1 + x), name="f")
total = sg.log(1 + x).sum()
bare = sg.Mode().excluding("stabilize")
pipeline = bare.pipeline
"""

Golden = Callable[[str, str], None]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """``two("name")``: the target of that name, in a file in the current folder."""
    (tmp_path / "two.py").write_text(TWO, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return lambda name: f"two.py:{name}"


def call(*words: str) -> Result:
    """What ``symgraph diff WORDS`` does, in this process."""
    return CliRunner().invoke(app, ["diff", *words])


def shown(*words: str) -> str:
    """What ``symgraph diff WORDS`` prints, which must go well."""
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def data(*words: str) -> dict[str, Any]:
    """The same as JSON, which must be of the schema."""
    found: dict[str, Any] = json.loads(shown(*words, "--format", "json"))
    jsonschema.validate(found, SCHEMAS["diff"])
    return found


# -- three real programs ---------------------------------------------------------------


#: What each of them does without, so that something differs.
WITHOUT = {"training": "constant_last", "heat": "stabilize", "large": "stabilize"}


@pytest.mark.parametrize("name", ["training", "heat"])
def test_text_under_two_pipelines(name: str, golden: Golden) -> None:
    text = shown(TARGETS[name], "--without", WITHOUT[name])
    golden(f"cli/diff_{name}.txt", text)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "name", ["training", "heat", pytest.param("large", marks=pytest.mark.slow)]
)
def test_data_adds_up(name: str) -> None:
    found = data(TARGETS[name], "--without", WITHOUT[name])
    assert not found["same"]
    for side, only in enumerate(("removed", "added")):
        assert found["steps"]["total"][side] == found["steps"]["kept"] + len(
            found["steps"][only]
        )
    grown = sum(b - a for a, b in found["nodes"]["ops"].values())
    assert grown == found["nodes"]["total"][1] - found["nodes"]["total"][0]
    assert all(a != b for a, b in found["rules"].values())


@pytest.mark.parametrize("name", ["training", "heat"])
def test_a_target_does_not_differ_from_itself(name: str) -> None:
    found = data(TARGETS[name], TARGETS[name])
    assert found["same"] and not found["graph"] and not found["rules"]
    text = shown(TARGETS[name], TARGETS[name])
    assert text.splitlines()[-1] == "the same nodes, steps, cost and memory"


# -- two targets -----------------------------------------------------------------------


def test_two_targets_of_one_file_share_its_inputs(
    two: Callable[[str], str], golden: Golden
) -> None:
    golden("cli/diff_two.txt", shown(two("f"), two("total"), "--size", "n=100"))


def test_what_is_declared_in_two_files_corresponds(
    two: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "again.py").write_text(TWO, encoding="utf-8")
    assert data(two("f"), "again.py:f")["same"]


def test_shared_variables_correspond_by_name_and_type() -> None:
    def made(name: str, dtype: str = "float64") -> sg.Function:
        x = sg.dmatrix("x")
        return sg.function([x], x @ sg.shared(np.ones((3, 2), dtype), name))

    assert sg.compare(made("w"), made("w")).same
    assert not sg.compare(made("w"), made("v")).same
    other = sg.compare(made("w"), made("w", "float32"))
    assert not other.same and other.graph


def test_updates_count() -> None:
    w = sg.shared(np.zeros(3), "w")
    x = sg.dvector("x")
    a = sg.function([x], x.sum(), updates={w: w + x})
    b = sg.function([x], x.sum(), updates={w: w + 2 * x})
    found = sg.compare(a, b)
    assert found.ops["multiply"] == (0, 1)
    assert (len(found.removed), len(found.added), found.kept) == (1, 1, 1)


# -- pipelines -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [("--without", "stabilize"), ("--with-mode", "bare"), ("--with-mode", "pipeline"),
     ("--with-mode", "two.py:bare"), ("--without", "log_of_one_plus")],
    ids="_".join,
)  # fmt: skip
def test_ways_to_name_a_pipeline(
    words: tuple[str, ...], two: Callable[[str], str]
) -> None:
    found = data(two("f"), *words)
    assert found["nodes"]["ops"] == {
        "add": [0, 1],
        "constant": [0, 1],
        "log": [0, 1],
        "log1p": [1, 0],
    }
    assert found["rules"]["log_of_one_plus"] == [1, 0]
    assert found["names"][1].startswith("f ")


def test_from_python() -> None:
    x = sg.dvector("x")
    y = sg.log(1 + x)
    found = sg.compare(y, without="stabilize")
    assert not found.same and str(found).startswith("before -> before without")
    mode = sg.Mode().excluding("stabilize")
    assert sg.compare(y, mode=mode).ops == found.ops
    assert sg.compare(y, without=["rounding"]).ops == found.ops
    assert sg.compare(sg.Graph([x], [y]), y).same
    jsonschema.validate(found.json(), SCHEMAS["diff"])


def test_a_rule_that_changes_nothing_is_seen_all_the_same() -> None:
    x = sg.dvector("x")
    found = sg.compare(sg.exp(x) + 0, without="constant_last")
    assert found.same == (not found.graph)


# -- amounts ---------------------------------------------------------------------------


def test_sizes_make_formulas_numbers(two: Callable[[str], str]) -> None:
    found = data(two("f"), two("total"), "--size", "n=10")
    assert found["cost"]["bytes_written"] == [160, 4]
    assert data(two("f"), two("total"))["cost"]["bytes_written"] == ["16*n", 4]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(4, 4, ""), (4, 5, "+25.0%"), (4, 3, "-25.0%"), (4, 40, "x 10"),
     (0, 3, "+3"), (3, 0, "-3"), ("n", 3, ""), (0, 0, "")],
)  # fmt: skip
def test_changes_in_words(before: int | str, after: int | str, said: str) -> None:
    assert change(before, after) == said


@given(random_graphs())
@settings(max_examples=10, deadline=None)
def test_random_programs_add_up(case: RandomGraph) -> None:
    graph = sg.Graph(case.inputs, case.outputs)
    found = sg.compare(graph, without=["simplify", "stabilize"])
    jsonschema.validate(found.json(), SCHEMAS["diff"])
    assert found.kept + len(found.removed) == found.steps[0]
    assert found.kept + len(found.added) == found.steps[1]
    assert Counter(len(pair) for pair in found.cost.values()) == {2: 6}
    assert sg.compare(graph, graph).same
    assert str(found).endswith("\n")


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give another target, --without or --with-mode"),
        (("--without", "nothing"), "there is no pass or rule 'nothing'"),
        (("--with-mode", "x"), "is of type"),
        (("--with-mode", "none"), "has no 'none'"),
        (("--without", "stabilize", "--size", "q=1"), "there is no size 'q'"),
        (("--without", "stabilize", "--size", "n"), "wants NAME=N"),
        (("--without", "stabilize", "--size", "n=-1"), "wants NAME=N"),
        (("--without", "stabilize", "--size", "n=1", "--size", "n=2"), "n twice"),
        (("two.py:nothing",), "has no 'nothing'"),
    ],
)
def test_wrong_command_lines(
    words: tuple[str, ...], said: str, two: Callable[[str], str]
) -> None:
    result = call(two("f"), *words)
    assert result.exit_code == 2
    first, remedy = result.stderr.splitlines()
    assert first.startswith("error: ") and said in first
    assert remedy.startswith("help: ")


def test_a_pipeline_that_leaves_names_is_an_error() -> None:
    """The loops are made from what named formulas are made of."""
    result = call(f"{PROGRAMS}/training.py:step", "--without", "expand")
    assert result.exit_code == 1
    assert "cannot be lowered before it is written out" in result.stderr
    assert "'expand'" in result.stderr.splitlines()[1]


def test_wrong_names_in_python() -> None:
    x = sg.dvector("x")
    with pytest.raises(NotFoundError, match="no pass or rule 'nothing'"):
        sg.compare(x + 1, without="nothing")
    with pytest.raises(NotFoundError, match="no size 'm'"):
        sg.compare(x + 1, x + 2, sizes={"m": 3})

"""``symgraph explain`` and the stages around it, on three real programs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner, Result

from symgraph.cli import app
from symgraph.cli.options import targets
from symgraph.inspect.provenance import provenance_json
from symgraph.target import resolve

from .schemas import SCHEMAS

PROGRAMS = Path(__file__).parent / "programs"
TARGETS = {
    "training": f"{PROGRAMS}/training.py:step",
    "heat": f"{PROGRAMS}/heat.py:both",
    "large": f"{PROGRAMS}/large.py:outputs",
}

Golden = Callable[[str, str], None]


def call(*words: str) -> Result:
    """What ``symgraph WORDS`` does, in this process."""
    return CliRunner().invoke(app, list(words))


def shown(*words: str) -> str:
    """What ``symgraph WORDS`` prints, which must go well."""
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def checked(name: str, text: str) -> dict[str, Any]:
    """JSON text, which must be of the schema `name`."""
    data: dict[str, Any] = json.loads(text)
    jsonschema.validate(data, SCHEMAS[name])
    return data


# -- golden text -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["training", "heat"])
@pytest.mark.parametrize(
    "words",
    [
        ("explain",),
        ("explain", "--rule", "constant_last"),
        ("explain", "--why-not", "log_of_one_plus"),
        ("dump", "--stage", "canonical"),
        ("dump", "--stage", "fused"),
    ],
    ids=["explain", "rule", "why_not", "canonical", "fused"],
)
def test_text(name: str, words: tuple[str, ...], golden: Golden) -> None:
    command, *options = words
    text = shown(command, TARGETS[name], *options)
    kind = options[-1] if options else "all"
    golden(f"cli/{command}_{kind}_{name}.txt", text)
    assert "\x1b" not in text


@pytest.mark.slow
def test_text_of_a_large_graph(golden: Golden) -> None:
    """The first and the last of three thousand steps."""
    lines = shown("explain", TARGETS["large"]).splitlines()
    assert len(lines) > 6_000
    golden("cli/explain_all_large.txt", "\n".join([*lines[:40], "...", *lines[-20:]]))


@pytest.mark.parametrize("node", ["heat.py:13", "%37"])
def test_text_of_a_node_and_a_line(node: str, golden: Golden) -> None:
    kind = "line" if ":" in node else "node"
    golden(
        f"cli/explain_{kind}_heat.txt",
        shown("explain", TARGETS["heat"], "--node", node),
    )


# -- data ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["training", "heat"])
def test_explain_json(name: str) -> None:
    data = checked("explain", shown("explain", TARGETS[name], "--format", "json"))
    assert [s["number"] for s in data["steps"]] == list(range(data["total"]))
    assert all(step["lines"] for step in data["steps"])


@pytest.mark.parametrize("name", ["training", "heat"])
def test_why_not_json(name: str) -> None:
    words = ("--why-not", "known_value", "--format", "json")
    data = checked("why_not", shown("explain", TARGETS[name], *words))
    assert data["misses"] and data["passes"] == ["simplify", "expand"]


@pytest.mark.parametrize(
    "name", ["training", "heat", pytest.param("large", marks=pytest.mark.slow)]
)
def test_provenance_json(name: str) -> None:
    data = provenance_json(resolve(TARGETS[name]).provenance())
    checked("provenance", json.dumps(data))
    if name == "large":
        assert len(data["written"]) > 5_000 and len(data["steps"]) > 2_000
        assert [line["line"] for line in data["lines"]] == list(range(8, 14))
    for kind in ("written", "nodes"):
        assert [item["id"] for item in data[kind]] == list(range(len(data[kind])))
    for number, line in enumerate(data["lines"]):
        for node in line["nodes"]:
            assert number in data["nodes"][node]["lines"]
        for kernel in line["kernels"]:
            assert number in data["kernels"][kernel]["lines"]
    for number, node in enumerate(data["nodes"]):
        for step in node["steps"]:
            assert number in data["steps"][step]["nodes"]


@pytest.mark.parametrize("stage", ["canonical", "fused"])
@pytest.mark.parametrize("name", ["training", "heat"])
def test_stages_as_data_and_pictures(name: str, stage: str) -> None:
    words = ("dump", TARGETS[name], "--stage", stage, "--format")
    data = checked("fused" if stage == "fused" else "graph", shown(*words, "json"))
    dot = shown(*words, "dot")
    assert dot.startswith("digraph") and dot.endswith("}\n")
    if stage == "fused":
        assert dot.count("subgraph") == len(data["groups"])
        known = {node["id"] for node in data["arguments"]}
        known |= {node["id"] for group in data["groups"] for node in group["nodes"]}
        assert all(set(group["reads"]) <= known for group in data["groups"])


def test_passes_and_cache_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(tmp_path / "cache"))
    data = checked("passes", shown("passes", "--format", "json"))
    names = [step["name"] for step in data["passes"]]
    assert names[:2] == ["split complex", "canonicalize"]
    assert all(rule["doc"] for step in data["passes"] for rule in step["rules"])
    data = checked("cache", shown("cache", "info", "--format", "json"))
    assert data["functions"] == 0 and data["on"]


def test_output_file(tmp_path: Path) -> None:
    out = tmp_path / "steps.json"
    words = ("explain", TARGETS["heat"], "--format", "json")
    assert shown(*words, "-o", str(out)) == ""
    assert json.loads(out.read_text()) == json.loads(shown(*words))


# -- errors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "error", "remedy"),
    [
        (["--rule", "log_of_one"], "no rule 'log_of_one'", "log_of_one_plus"),
        (["--why-not", "nothing_like"], "no rule 'nothing_like'", "symgraph passes"),
        (["--node", "12345"], "no node %12345", "symgraph dump"),
        (["--node", "heat.py:1"], "on line heat.py:1", "heat.py:"),
        (["--node", "-5"], "neither a node nor a line", "%12"),
        (["--why-not", "x", "--rule", "y"], "neither --rule nor --node", "--help"),
        (["--format", "xml"], "xml", "--help"),
    ],
)
def test_usage_errors(words: list[str], error: str, remedy: str) -> None:
    result = call("explain", TARGETS["heat"], *words)
    assert result.exit_code == 2 and result.stdout == ""
    said, help_, *more = result.stderr.splitlines()
    assert not more and said.startswith("error: ") and help_.startswith("help: ")
    assert error in said and remedy in help_


# -- terminals and shells --------------------------------------------------------------


def test_colours_where_a_terminal_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = shown("explain", TARGETS["heat"])
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = shown("explain", TARGETS["heat"])
    assert "\x1b[" in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in bare.splitlines()] == plain.splitlines()


def test_names_of_targets_are_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROGRAMS)
    assert targets("tr") == ["training.py:"]
    assert targets("heat.py:") == ["heat.py:u", "heat.py:last", "heat.py:warmth",
                                   "heat.py:both"]  # fmt: skip
    assert targets("heat.py:b") == ["heat.py:both"]
    assert targets("none.py:b") == [] and targets("no") == []
    monkeypatch.chdir(PROGRAMS.parent)
    assert targets("progr") == ["programs/"]


def test_the_shell_asks_for_completions() -> None:
    program = (
        "import sys; sys.argv[0] = 'symgraph'; from symgraph.cli import app; app()"
    )
    words = {"COMP_WORDS": "symgraph dump --st", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | words | {"_SYMGRAPH_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["--stage"]

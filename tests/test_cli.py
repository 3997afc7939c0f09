"""The command line: what it shows, its exit codes, its messages."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import symgraph
import symgraph as sg
from symgraph.cli import app
from symgraph.cli.dump import Format, Stage
from symgraph.passes import RulePass
from symgraph.target import MODULE

PROGRAM = "import sys; sys.argv[0] = 'symgraph'; from symgraph.cli import app; app()"

NET = """\
import symgraph as sg

print("not part of the dump")
x = sg.matrix("x", "float32", ("n", 4))
w1, w2 = (sg.matrix(name, "float32", (4, 4)) for name in ("w1", "w2"))
hidden = sg.tanh(x @ w1)
scores = hidden @ w2
probabilities = sg.special.softmax(scores - 1, axis=1)
both = [hidden, probabilities]
graph = sg.Graph([x, w1, w2], both)
step = sg.function([x, w1], hidden, name="step")
number = 3
"""


@pytest.fixture
def net(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], str]]:
    """``net("name")``: the target of that name, in a file in the current folder."""
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield lambda name: f"net.py:{name}"
    sys.modules.pop(MODULE, None)


def call(*words: str) -> Result:
    """What ``symgraph WORDS`` does, in this process."""
    return CliRunner().invoke(app, list(words))


def shown(*words: str) -> str:
    """What ``symgraph WORDS`` prints, which must go well."""
    result = call(*words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def process(*words: str) -> subprocess.Popen[str]:
    """``symgraph WORDS`` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- dump ------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["input", "optimized", "loops", "memory"])
def test_text_of_each_stage(
    stage: str, net: Callable[[str], str], golden: Callable[[str, str], None]
) -> None:
    golden(f"dump_{stage}.txt", shown("dump", net("both"), "--stage", stage))


def test_what_the_file_prints_goes_to_stderr(net: Callable[[str], str]) -> None:
    result = call("dump", net("both"))
    assert "not part of the dump" not in result.stdout
    assert "not part of the dump" in result.stderr


@pytest.mark.parametrize("name", ["hidden", "both", "graph", "step"])
def test_every_kind_of_target(name: str, net: Callable[[str], str]) -> None:
    assert "tanh" in shown("dump", net(name), "--stage", "loops")


@pytest.mark.parametrize("stage", ["llvm", "asm", "cuda"])
def test_machine_stages(stage: str, net: Callable[[str], str]) -> None:
    text = shown("dump", net("step"), "--stage", stage)
    assert {"llvm": "define ", "asm": "\tret", "cuda": "cuda.blockIdx"}[stage] in text


@pytest.mark.parametrize("stage", ["input", "optimized", "loops", "memory"])
def test_json_of_each_stage(stage: str, net: Callable[[str], str]) -> None:
    text = shown("dump", net("both"), "--stage", stage, "--format", "json")
    schema = {"loops": "program", "memory": "memory"}.get(stage, "graph")
    assert json.loads(text)["schema"] == f"symgraph.{schema}"


@pytest.mark.parametrize("stage", ["input", "optimized", "loops"])
def test_dot_of_each_stage(stage: str, net: Callable[[str], str]) -> None:
    text = shown("dump", net("both"), "--stage", stage, "--format", "dot")
    assert text.startswith("digraph") and text.endswith("}\n")
    assert "->" in text and "tanh" in text


#: What stands in for Graphviz: it says what it is given, or refuses it.
FAKE_DOT = """\
#!{python}
import sys
text = sys.stdin.read()
if "{bad}" in text:
    sys.exit("Error: too large\\nby far")
print("<svg>", sys.argv[1:], text.splitlines()[0], "</svg>")
"""


@pytest.fixture
def graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """``graphviz(bad)``: a program called dot, which refuses what has `bad` in it."""

    def install(bad: str) -> None:
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir()
        text = FAKE_DOT.format(python=sys.executable, bad=bad)
        program.write_text(text, encoding="utf-8")
        program.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return install


@pytest.mark.parametrize("stage", ["input", "canonical", "optimized", "fused", "loops"])
def test_pictures_are_drawn_by_graphviz(
    stage: str, net: Callable[[str], str], graphviz: Callable[[str], None]
) -> None:
    graphviz("nothing like this")
    text = shown("dump", net("both"), "--stage", stage, "--format", "svg")
    assert text.startswith("<svg> ['-Tsvg'] digraph")


def test_pictures_that_cannot_be_drawn(
    net: Callable[[str], str], graphviz: Callable[[str], None]
) -> None:
    words = ("dump", net("both"), "--format", "svg")
    error, remedy = complaint(1, *words)[:2]
    assert "Graphviz, whose program `dot` is not on the path" in error
    assert "install Graphviz" in remedy
    graphviz("digraph")
    assert "Error: too large" in complaint(1, *words)[0]


def test_a_measured_page(net: Callable[[str], str]) -> None:
    for extra in ((), ("--size", "n=7")):
        text = shown("dump", net("both"), "--format", "html", "--measure", *extra)
        start = text.index('id="symgraph-data">') + len('id="symgraph-data">')
        data = json.loads(text[start : text.index("</script>", start)])
        assert all("time" in k for k in data["kernels"])
        assert data["values"]
    for words, wrong in (
        (("--measure",), "--measure goes with --format html"),
        (("--format", "html", "--size", "n=7"), "--size goes with --measure"),
    ):
        assert wrong in complaint(2, "dump", net("both"), *words)[0]
    wrong_size = ("--format", "html", "--measure", "--size", "m=7")
    assert "no size 'm'" in complaint(2, "dump", net("both"), *wrong_size)[0]


def test_memory_json_shares_slots_only_in_time(net: Callable[[str], str]) -> None:
    """Arrays of one slot are never alive at once, but for one that replaces another."""
    text = shown("dump", net("both"), "--stage", "memory", "--format", "json")
    slots = json.loads(text)["slots"]
    assert slots
    for slot in slots:
        lives = sorted((a["first"], a["last"]) for a in slot["arrays"])
        overlaps = [b for a, b in pairwise(lives) if b[0] < a[1]]
        assert not overlaps, slot


def test_program_json_names_every_array_it_uses(net: Callable[[str], str]) -> None:
    text = shown("dump", net("both"), "--stage", "loops", "--format", "json")
    program = json.loads(text)
    names = {array["name"] for array in program["arrays"]}
    for step in program["steps"]:
        used = step.get("arrays") or [step["out"], step["lhs"], step["rhs"]]
        assert set(used) <= names
    assert {step["kind"] for step in program["steps"]} == {"gemm", "launch"}


def test_output_file(net: Callable[[str], str], tmp_path: Path) -> None:
    wanted = shown("dump", net("both"))
    assert shown("dump", net("both"), "-o", "out.txt") == ""
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == wanted


def test_a_target_imports_its_neighbours(
    net: Callable[[str], str], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "beside_target.py").write_text("FACTOR = 2.0\n")
    text = "import beside_target, symgraph as sg\n"
    text += "y = sg.vector('x') * beside_target.FACTOR\n"
    (tmp_path / "sub" / "uses.py").write_text(text)
    assert "multiply" in shown("dump", "sub/uses.py:y")


# -- errors ----------------------------------------------------------------------------


def complaint(code: int, *words: str) -> tuple[str, str]:
    """The error and the remedy of a call that must end with `code`, both one line."""
    result = call(*words)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    lines = [
        line for line in result.stderr.splitlines() if line != "not part of the dump"
    ]
    assert len(lines) == 2, lines
    assert lines[0].startswith("error: ") and lines[1].startswith("help: ")
    return lines[0], lines[1]


@pytest.mark.parametrize(
    ("words", "error", "remedy"),
    [
        ([], "Missing command", "symgraph --help"),
        (["frob"], "No such command", "symgraph --help"),
        (["dump"], "Missing argument", "symgraph dump --help"),
        (["dump", "net.py:hidden", "--stage", "x"], "'memory'", "symgraph dump --help"),
        (["dump", "none.py:x"], "there is no file none.py", "FILE.py:NAME"),
        (["dump", ".:x"], ". is not a file", "FILE.py:NAME"),
        (["dump", "net.py"], "no name in 'net.py'", "hidden, scores"),
        (["dump", "net.py:nope"], "has no 'nope'", "hidden, scores"),
        (["dump", "net.py:number"], "is of type int", "hidden, scores"),
        (["dump", "net.py:hidden", "-o", "no/x"], "cannot write to no/x", "-o"),
        (["demo", "--epochs", "0"], "--epochs", "symgraph demo --help"),
    ],
)
def test_usage_errors(
    words: list[str], error: str, remedy: str, net: Callable[[str], str]
) -> None:
    found = complaint(2, *words)
    assert error in found[0] and remedy in found[1]


def test_forms_that_do_not_exist(net: Callable[[str], str]) -> None:
    machine = "llvm", "asm", "cuda", "ptx"
    missing = [(s, f) for s in machine for f in ("json", "dot", "svg")]
    for stage, form in [*missing, ("memory", "dot"), ("memory", "svg")]:
        words = ("dump", net("step"), "--stage", stage, "--format", form)
        assert f"stage {stage} has no {form} form" in complaint(2, *words)[0]


@pytest.mark.parametrize(
    ("text", "error", "remedy"),
    [
        ("x = 1\ny = 1 / 0\n", "bad.py:2: ZeroDivisionError", "--traceback"),
        ("x = 1\ndef f(:\n", "bad.py:2: SyntaxError", "py_compile"),
        ("import sys\nsys.exit(0)\n", "bad.py:2: SystemExit", "--traceback"),
        (
            "import symgraph as sg\n"
            "x = sg.vector('x', shape=(3,)) + sg.vector('y', shape=(4,))\n",
            "bad.py:2: ShapeError: add",
            "sizes must be equal",
        ),
    ],
)
def test_errors_of_the_target(
    text: str, error: str, remedy: str, net: Callable[[str], str]
) -> None:
    Path("bad.py").write_text(text, encoding="utf-8")
    found = complaint(1, "dump", "bad.py:x")
    assert error in found[0] and remedy in found[1]


def test_traceback_on_request(net: Callable[[str], str]) -> None:
    Path("bad.py").write_text("def f():\n    return 1 / 0\nx = f()\n", encoding="utf-8")
    result = call("dump", "bad.py:x", "--traceback")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr and "in f" in result.stderr
    assert result.stderr.splitlines()[-2].startswith("error: bad.py:2: ")


# -- the other commands ----------------------------------------------------------------


def test_version() -> None:
    assert shown("--version") == f"symgraph {symgraph.__version__}\n"


def test_passes_lists_every_rule_with_what_it_preserves() -> None:
    lines = shown("passes").splitlines()
    for step in symgraph.passes.DEFAULT:
        assert any(line.startswith(f"{step.name}: ") for line in lines)
        for rule in step.rules() if isinstance(step, RulePass) else ():
            start = f"  {rule.name} ({rule.preserves}): "
            assert sum(line.startswith(start) for line in lines) == 1


def test_cache_info_and_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "cache"
    monkeypatch.setenv("SYMGRAPH_CACHE_DIR", str(directory))
    assert "functions: 0\n" in shown("cache", "info")
    x = symgraph.dvector("x")
    symgraph.function([x], x * 3)
    found = shown("cache", "info")
    assert f"directory: {directory}\n" in found
    assert "functions: 1\n" in found and "state: on\n" in found
    assert shown("cache", "clear") == f"deleted: 1 functions from {directory}\n"
    assert not list(directory.iterdir())


# -- in processes of their own ---------------------------------------------------------


def test_help_waits_for_no_compiler() -> None:
    program = (
        "import sys\n"
        "from symgraph.cli import app\n"
        "try:\n"
        "    app(['--help'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *text, modules = done.stdout.splitlines()
    assert any("dump" in line for line in text)
    heavy = {"numba", "networkx", "llvmlite.ir", "scipy.linalg", "scipy.special"}
    assert not heavy & set(modules.split())


def test_a_reader_that_leaves_is_no_error(net: Callable[[str], str]) -> None:
    with process("dump", net("both"), "--stage", "asm") as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
    assert running.returncode == 0, said
    assert said.strip() == "not part of the dump"


def test_exit_code_of_a_process(net: Callable[[str], str]) -> None:
    with process("dump", net("nope")) as running:
        out, said = running.communicate()
    assert running.returncode == 2 and out == ""
    assert "error: net.py has no 'nope'" in said


def test_every_stage_has_a_text_form(net: Callable[[str], str]) -> None:
    assert set(Format) > {Format.text}
    for stage in set(Stage) - {Stage.ptx}:
        assert shown("dump", net("step"), "--stage", stage).strip(), stage
    assert os.listdir() == ["net.py"]


def test_a_saved_graph_is_a_target(tmp_path: Path) -> None:
    x = sg.dvector("x")
    path = tmp_path / "graph.npz"
    sg.save(sg.Graph([x], [sg.exp(x) * 2]), path)
    done = CliRunner().invoke(app, ["dump", str(path), "--stage", "loops"])
    assert done.exit_code == 0 and "exp(" in done.output


def test_ptx_without_the_compilers_names_the_extra(net: Callable[[str], str]) -> None:
    if importlib.util.find_spec("numba_cuda") is not None:
        pytest.skip("the compilers are there")
    what, remedy = complaint(1, "dump", net("step"), "--stage", "ptx")
    assert "has no PTX" in what and "'symgraph-compiler[cuda]'" in remedy


@pytest.mark.cuda
def test_ptx(net: Callable[[str], str]) -> None:
    assert ".entry" in shown("dump", net("step"), "--stage", "ptx")

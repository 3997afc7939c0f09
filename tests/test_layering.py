"""Who may import whom, in two tables, and what importing symgraph may cost.

A *room* is a module, or a folder with all that is in it.  Imports inside functions
count like any other; those under ``if TYPE_CHECKING:`` do not.  The tables that the
tree as it stands would need: ``python tests/test_layering.py``.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SYMGRAPH = "symgraph"
CODEGEN = "symgraph.codegen"

#: Bottom up: each room imports from the rooms named beside it and from no others.  The
#: room "symgraph" is the package's own ``__init__``, the list of public names.
MAY_IMPORT = {
    SYMGRAPH: {
        "graph": "",
        "dims": "",
        "data": "",
        "errors": "graph",
        "device": "errors",
        "config": "codegen errors",
        "symbolic": "errors",
        "tree": "errors",
        "types": "codegen dims errors",
        "op": "codegen dims errors types",
        "leaf": "dims errors op types",
        "dlpack": "op",
        "device_array": "codegen dlpack errors leaf op types",
        "pattern": "graph leaf op types variable",
        "evaluate": "dims errors graph leaf op types",
        "variable": "errors evaluate graph leaf op symbolic types",
        "arguments": "dims errors evaluate graph leaf op variable",
        "composite": "errors graph leaf op types variable",
        "history": "composite graph op",
        "dtypes": "types variable",
        "declare": "config errors graph leaf types variable",
        "ops": "codegen config dims errors graph leaf op types variable",
        "rewrite": "errors graph history op pattern types variable",
        "cuts": "dims graph ops",
        "lengths": "composite graph leaf op ops variable",
        "updates": "errors graph leaf shared variable",
        "loops": "autodiff composite dims errors graph leaf lower op ops random tree "
        "types variable vectorize",
        "shared": "device device_array errors evaluate graph leaf op types variable",
        "linalg": "ops variable",
        "lower": "codegen composite dims errors graph history leaf op ops types "
        "variable",
        "special": "ops variable",
        "vectorize": "composite dims errors graph leaf op ops types variable",
        "rules": "composite dims errors graph leaf op ops rewrite types variable",
        "random": "config errors ops shared types variable",
        "check": "dims errors evaluate graph leaf lower op rewrite",
        "autodiff": "composite dims errors evaluate graph leaf op ops rewrite "
        "rules types variable vectorize",
        "passes": "check config errors graph loops op rewrite rules",
        "userops": "autodiff codegen composite errors ops shared types variable",
        "graphs": "dims errors graph history leaf op passes rewrite types variable",
        "saved": "composite errors graphs leaf op",
        "mode": "errors passes",
        "compiler": "codegen composite config errors graph graphs history leaf lower "
        "op passes rewrite variable",
        "inspect": "codegen composite dims errors graph graphs history leaf lower op "
        "ops passes rewrite variable",
        "debug": "check codegen compiler config dims errors evaluate graph leaf "
        "lower op passes rewrite types variable",
        "versions": "arguments codegen compiler errors graph op",
        "estimate": "arguments codegen compiler device_array errors inspect lower op "
        "variable versions",
        "profile": "codegen errors inspect op versions",
        "samples": "arguments codegen dims errors inspect op",
        "measured": "evaluate graph leaf op samples",
        "explored": "inspect measured",
        "on_device": "arguments codegen compiler device device_array errors graph "
        "op shared versions",
        "sources": "codegen compiler device errors on_device",
        "callable": "arguments codegen compiler cuts debug device errors estimate "
        "evaluate explored graph graphs inspect lower mode on_device op profile shared "
        "sources tree versions",
        "function": "arguments callable cuts device errors graph leaf lengths mode "
        "shared tree updates variable",
        "timing": "function inspect samples",
        "jit": "config declare device device_array errors function tree variable",
        "target": "errors function graph graphs leaf mode passes saved variable",
        "looking": "inspect target",
        "symgraph": "autodiff config declare device device_array dtypes errors "
        "function graphs inspect jit linalg looking loops op ops passes random rewrite "
        "saved shared special types userops variable vectorize",
        "demo": "data errors function inspect leaf lower shared symgraph",
        "cli": "compiler demo errors inspect measured passes symgraph target timing",
    },
    CODEGEN: {
        "codegen": "",
        "ir": "",
        "cache": "",
        "errors": "",
        "access": "ir",
        "names": "ir",
        "program": "ir",
        "cursor": "errors ir",
        "expand": "errors ir",
        "text": "ir program",
        "parse": "cursor ir program text",
        "ranges": "ir names",
        "tiles": "ir names ranges",
        "schedule": "expand ir names ranges tiles",
        "check": "access cursor errors ir program text",
        "program_check": "check cursor ir program text",
        "columns": "ir names program ranges",
        "interpret": "ir program",
        "liveness": "program",
        "unroll": "expand interpret ir names",
        "rolling": "ir liveness names program unroll",
        "rolled": "ir liveness names program rolling unroll",
        "cpu": "columns errors ir program rolled schedule",
        "run": "interpret ir program",
        "cuda": "access errors expand interpret ir liveness names polynomial program "
        "ranges run schedule text unroll",
        "arrays": "expand interpret ir",
        "polynomial": "",
        "cost": "cpu errors interpret ir polynomial program schedule",
    },
}

#: The knots, which are tied when a method is called, never by an import at the top of a
#: module: a variable's operators build ops, and ops are applied to variables; and what
#: is looked at shows itself in notebooks.
KNOTS = {
    ("variable", "ops"),
    ("variable", "inspect"),
    ("rewrite", "inspect"),
    ("graphs", "inspect"),
    ("graphs", "looking"),
}

#: Modules that take long to import, and the rooms that may do so at their top level.
HEAVY = (
    *("llvmlite", "networkx", "numba", "scipy.linalg", "scipy.special"),
    *("rich", "typer"),
)
HEAVY_AT_TOP = {
    "cli": {"rich", "typer"},
    "demo": {"rich"},
}

#: What a bare ``import symgraph`` must leave alone.
NOT_LOADED = (*(name for name in HEAVY if name != "llvmlite"), "llvmlite.ir")

LONGEST = 600


@dataclass(frozen=True)
class Import:
    """One imported module, absolute, as the module at `path` names it on `line`."""

    path: Path
    line: int
    target: str
    relative: bool
    at_top: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.target}"


@cache
def modules() -> dict[str, Path]:
    """Every module of both packages by dotted name."""
    top = ROOT / SYMGRAPH
    # Before Python 3.13 rglob does not walk through the link.
    paths = [*top.rglob("*.py"), *(top / "codegen").rglob("*.py")]
    found: dict[str, Path] = {}
    for path in sorted(set(paths)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(tree: ast.Module) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement that is not for the type checker only; is it run on import?"""
    pending: list[tuple[ast.AST, bool]] = [(tree, True)]
    while pending:
        node, at_top = pending.pop()
        if isinstance(node, ast.stmt):
            yield node, at_top
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            children = list(node.orelse)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_top = False
        pending.extend((child, at_top) for child in children)


def base_of(node: ast.ImportFrom, module: str) -> str:
    """The absolute name of what stands between ``from`` and ``import``."""
    if not node.level:
        return node.module or ""
    parents = module.split(".")
    if modules()[module].name != "__init__.py":
        parents = parents[:-1]
    parents = parents[: len(parents) - (node.level - 1)]
    return ".".join([*parents, *([node.module] if node.module else [])])


@cache
def imports() -> dict[str, tuple[Import, ...]]:
    """What each module imports.  ``from package import module`` names the module."""
    found: dict[str, tuple[Import, ...]] = {}
    for name, path in modules().items():
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        seen: list[Import] = []
        for node, at_top in statements(tree):
            targets: list[str] = []
            relative = False
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base, relative = base_of(node, name), node.level > 0
                longer = [f"{base}.{alias.name}" for alias in node.names]
                known = (*modules(), *HEAVY)
                targets = [full if full in known else base for full in longer]
            for target in targets:
                seen.append(Import(path, node.lineno, target, relative, at_top))
        found[name] = tuple(seen)
    return found


def package_of(module: str) -> str | None:
    """The package whose table has `module` (None: not one of ours)."""
    inside = [p for p in (CODEGEN, SYMGRAPH) if f"{module}.".startswith(f"{p}.")]
    return inside[0] if inside else None


def room_of(module: str, package: str) -> str:
    """The room of `package` in which `module` is; the package itself is one."""
    rest = module.removeprefix(package).strip(".")
    return rest.split(".")[0] or package.rpartition(".")[2]


def arrows(package: str) -> dict[tuple[str, str], Import]:
    """(room, imported room) with one import that draws the arrow."""
    found: dict[tuple[str, str], Import] = {}
    for module in (m for m in modules() if package_of(m) == package):
        for each in imports()[module]:
            if package_of(each.target) is None:
                continue
            ends = room_of(module, package), room_of(each.target, package)
            knot = ends in KNOTS and not each.at_top
            if each.target.startswith(package) and ends[0] != ends[1] and not knot:
                found.setdefault(ends, each)
    return found


def rooms(package: str) -> dict[str, set[str]]:
    """Each room of `package` with the rooms that it imports from."""
    found: dict[str, set[str]] = {}
    for module in (m for m in modules() if package_of(m) == package):
        found[room_of(module, package)] = set()
    for room, target in arrows(package):
        found[room].add(target)
    return found


def _tied(module: str, target: str) -> bool:
    """Whether a module may import another where a method is called."""
    return (room_of(module, SYMGRAPH), room_of(target, SYMGRAPH)) in KNOTS


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """A path of `graph` that ends where it began, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_room_is_in_the_table(package: str) -> None:
    assert set(rooms(package)) == set(MAY_IMPORT[package])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_new_arrow(package: str) -> None:
    table = MAY_IMPORT[package]
    new = [
        f"{room} -> {target}: {each}"
        for (room, target), each in arrows(package).items()
        if target not in table[room].split()
    ]
    assert not new, "\n".join(["not in the table:", *new])


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_arrow_is_stated_in_vain(package: str) -> None:
    stated = {
        (room, target)
        for room, targets in MAY_IMPORT[package].items()
        for target in targets.split()
    }
    assert not sorted(stated - set(arrows(package)))


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_no_cycle_of_rooms(package: str) -> None:
    assert not cycle_in(rooms(package))


def test_no_cycle_of_modules() -> None:
    """Two files of one folder do not import each other either."""
    graph = {
        module: {
            each.target
            for each in seen
            if each.target in modules()
            and (each.at_top or not _tied(module, each.target))
        }
        - {module}
        for module, seen in imports().items()
    }
    assert not cycle_in(graph)


def test_codegen_stands_alone() -> None:
    """Its imports of itself are relative, and none leaves it."""
    bad = [
        str(each)
        for module in modules()
        if package_of(module) == CODEGEN
        for each in imports()[module]
        if each.target.split(".")[0] in (SYMGRAPH, "codegen")
        and not (each.relative and package_of(each.target) == CODEGEN)
    ]
    assert not bad, "\n".join(bad)


def test_codegen_is_a_relative_link() -> None:
    """In a checkout; a source distribution holds the files themselves."""
    link = ROOT / SYMGRAPH / "codegen"
    assert link.is_dir()
    if (ROOT / "codegen").exists():
        assert link.readlink() == Path("../codegen")


def test_heavy_imports_are_lazy() -> None:
    bad = [
        str(each)
        for module, seen in imports().items()
        for each in seen
        for heavy in HEAVY
        if each.at_top
        and f"{each.target}.".startswith(f"{heavy}.")
        and heavy not in HEAVY_AT_TOP.get(room_of(module, SYMGRAPH), set())
    ]
    assert not bad, "\n".join(bad)


def test_import_symgraph_stays_light() -> None:
    program = "import sys, symgraph; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(NOT_LOADED) & set(done.stdout.split())


def test_files_are_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*modules().values(), *(ROOT / "tests").rglob("*.py"))
    }
    assert not {name: n for name, n in lengths.items() if n > LONGEST}


def main() -> None:
    """Print both tables as the tree would have them, bottom up."""
    for package in MAY_IMPORT:
        print(f"{package}:")
        found = rooms(package)
        cycle = cycle_in(found)
        order = sorted(found) if cycle else TopologicalSorter(found).static_order()
        for room in (r for r in order if r in found):
            print(f'    "{room}": "{" ".join(sorted(found[room]))}",')
        if cycle:
            print(f"    # a cycle: {' <- '.join(cycle)}")


if __name__ == "__main__":
    main()

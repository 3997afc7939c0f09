"""The table of ops, ``docs/ops.md``, made from the registry.

python docs/op_table.py
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from symgraph import ops
from symgraph.op import Elemwise, Expanded, Indexed, Op, Opaque, Reduce, all_ops

PAGE = Path(__file__).resolve().parent / "ops.md"

HEAD = """\
# Ops

Made by `python docs/op_table.py` from the ops themselves.  *Computed* says what an op
becomes: a `formula` over elements and an `index map` are part of whatever kernel reads
them, a `reduction` shares its loop with what it reads, a `composition` is written out
in other ops, and `whole arrays` stands alone.  *Gradient*, *tangent* and *batch* are
`own` where the op states them, `derived` where they follow from its kind or from its
gradient, and `none` where asking for them is an error.
"""

KINDS: tuple[tuple[type[Op], str], ...] = (
    (Elemwise, "formula"),
    (Indexed, "index map"),
    (Reduce, "reduction"),
    (Expanded, "composition"),
    (Opaque, "whole arrays"),
)


def page() -> str:
    """The text of the page."""
    return "\n".join([HEAD, *sections()]).rstrip() + "\n"


def sections() -> Iterator[str]:
    """A table for each family, in alphabetical order."""
    families: dict[str, list[type[Op]]] = {}
    for made in all_ops():
        package, _, family = made.__module__.rpartition(".")
        if package == "symgraph.ops":
            families.setdefault(family, []).append(made)
    for family, found in sorted(families.items()):
        module = sys.modules[f"{ops.__name__}.{family}"]
        yield f"## {family}\n\n{inspect.getdoc(module) or ''}".partition("\n\n\n")[0]
        yield ""
        yield "| op | meaning | computed | gradient | tangent | batch |"
        yield "|---|---|---|---|---|---|"
        for made in sorted(found, key=lambda cls: cls.__name__):
            yield row(made)
        yield ""


def row(made: type[Op]) -> str:
    """The line of one op."""
    meaning = (inspect.getdoc(made) or "").partition("\n\n")[0].replace("\n", " ")
    kind = next((name for cls, name in KINDS if issubclass(made, cls)), "composition")
    follows = issubclass(made, Elemwise | Expanded | Reduce)
    written_out = issubclass(made, Expanded)
    gradient = "own" if made.vjp is not None else derived(written_out)
    tangent = "own" if made.jvp is not None else derived(gradient != "none")
    batch = "own" if made.batch is not None else derived(follows)
    cells = (f"`{made.__name__}`", meaning, kind, gradient, tangent, batch)
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def derived(possible: bool) -> str:
    """What stands for a capability that an op does not state itself."""
    return "derived" if possible else "none"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""Fusion as text, as data and as a picture: which nodes are computed together.

The schema, version 1.  Nodes are numbered on their own: lowering has replaced some of
the optimized graph's, whose numbers ``optimized`` has::

    {
      "schema": "symgraph.fused", "version": 1, "name": "train",
      "arguments": [{"id": 0, "op": "input", "label": "x", ...}],   # and sizes
      "groups": [                       # in the order in which they run
        {"number": 0, "kind": "kernel",         # or "whole": a product, a loop, a call
         "scope": null,                         # or the group of the loop it is in
         "rows": ["n", 512], "inner": [10],     # axes of its loops; inner: reduced
         "steps": [3],                          # of the program
         "reads": [0, 4], "stores": [6],
         "nodes": [                             # inputs before users
           {"id": 5, "op": "exp", "parameters": {}, "inputs": [4], "dtype": "float32",
            "shape": ["n", 10], "site": "net.py:12: y = sg.exp(x)",
            "stored": false,                    # computed where it is read
            "optimized": [7]}]}]
    }

A node that costs little may be computed in several groups: it is listed in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import dims
from ..codegen.program import Launch
from ..dims import Size
from ..errors import number_of
from ..graph import Node, toposort
from ..lower import Lowered, Watch
from ..lower.watch import Unit
from ..op import Opaque
from .dot import node_dot, quoted
from .json_form import node_json
from .text import node_line

if TYPE_CHECKING:
    from .provenance import Provenance

VERSION = 1


@dataclass(frozen=True, slots=True)
class FusedGroup:
    """What one kernel, library call or loop computes.

    Attributes:
        number: its place.
        unit: what lowering says of it.
        scope: the number of the group of the loop that it is in; None for none.
        nodes: what it computes, inputs before users.
        reads: what it reads that others computed.
        stores: what it writes into arrays.
    """

    number: int
    unit: Unit
    scope: int | None
    nodes: tuple[Node, ...]
    reads: tuple[Node, ...]
    stores: tuple[Node, ...]

    @property
    def whole(self) -> bool:
        """Whether it is an op on whole arrays: a product, a library call, a loop."""
        return isinstance(self.unit.group.members[0].op, Opaque)

    @property
    def rows(self) -> list[int | str]:
        """The extents of the axes that run in parallel."""
        group = self.unit.group
        return [_extent(group.extents[axis]) for axis in group.rows]

    @property
    def inner(self) -> list[int | str]:
        """The extents of the axes that are gone through for each row."""
        group = self.unit.group
        return [_extent(group.extents[axis]) for axis in group.inner]


class Fusion:
    """The groups of a function in the order in which they run.

    Attributes:
        name: the function's name.
        groups: the groups.
        names: the number of each node.
        arguments: the leaves, and the sizes, which are known before anything runs.
    """

    def __init__(self, provenance: Provenance, lowered: Lowered, watch: Watch) -> None:
        self.name = provenance.name
        self.provenance = provenance
        self.mark = watch.mark
        units = sorted(watch.units, key=lambda u: (u.steps.start, -len(u.steps)))
        number = {u.group.members[-1]: k for k, u in enumerate(units)}
        self.groups = [
            _group(
                k, unit, number.get(unit.owner) if unit.owner else None, lowered, watch
            )
            for k, unit in enumerate(units)
        ]
        inside = {n for group in self.groups for n in group.nodes}
        read = dict.fromkeys(n for group in self.groups for n in group.reads)
        below = toposort(read, lambda n: () if n in inside else n.inputs)
        self.arguments = [n for n in below if n not in inside]
        every = [*self.arguments, *(n for g in self.groups for n in g.nodes)]
        self.names = {node: k for k, node in enumerate(dict.fromkeys(every))}

    def optimized(self, node: Node) -> list[int]:
        """The nodes of the optimized graph that `node` was made of."""
        return self.provenance.optimized_of([node], self.mark)


def _group(
    number: int, unit: Unit, scope: int | None, lowered: Lowered, watch: Watch
) -> FusedGroup:
    members, program = unit.group.members, lowered.program
    computed = dict.fromkeys(members)
    stored: dict[Node, None] = dict.fromkeys(unit.group.outputs)
    nested = isinstance(members[0].op, Opaque) and len(unit.steps) > 1
    for step in unit.steps if not nested else ():
        launch = program.steps[step]
        if isinstance(launch, Launch):
            title = launch.kernel.name
            computed |= dict.fromkeys(watch.computed.get(title, ()))
            stored |= dict.fromkeys(watch.stored.get(title, ()))
    if isinstance(members[0].op, Opaque):
        stored = dict.fromkeys(members)
    nodes = tuple(toposort(computed, lambda n: _within(n, computed)))
    read = dict.fromkeys(i for n in nodes for i in n.inputs if i not in computed)
    return FusedGroup(number, unit, scope, nodes, tuple(read), tuple(stored))


def _within(node: Node, computed: Iterable[Node]) -> tuple[Node, ...]:
    return tuple(i for i in node.inputs if i in computed)


def _extent(size: Size) -> int | str:
    return size if isinstance(size, int) else dims.text(size)


# -- text ------------------------------------------------------------------------------


def fused_text(fusion: Fusion) -> str:
    """A paragraph for each group: its loops, what it computes, what it stores.

    What is inlined is computed where it is read.
    """
    kernels = sum(not g.whole for g in fusion.groups)
    whole = len(fusion.groups) - kernels
    head = f"{fusion.name}: {number_of(kernels, 'group')} for kernels, "
    head += number_of(whole, "whole-array op")
    lines = [head, ""]
    lines += [node_line(node, fusion.names) for node in fusion.arguments]
    for group in fusion.groups:
        lines += ["", _title(group)]
        for node in group.nodes:
            what = "store " if node in group.stores else "inline"
            lines.append(f"  {what} {node_line(node, fusion.names)}")
    return "\n".join(lines) + "\n"


def _title(group: FusedGroup) -> str:
    """``group 3: kernel over n, along 10, in group 2 (step 7)``."""
    over = f" over {', '.join(map(str, group.rows))}" if group.rows else ""
    along = f" along {', '.join(map(str, group.inner))}" if group.inner else ""
    loops = ",".join(part for part in (over, along) if part) or " of scalars"
    kind = "whole arrays" if group.whole else f"kernel{loops}"
    inside = "" if group.scope is None else f", in group {group.scope}"
    steps = group.unit.steps
    place = f"step {steps.start}" if steps else "no step"
    place += f" to {steps.stop - 1}" if len(steps) > 1 else ""
    return f"group {group.number}: {kind}{inside} ({place})"


# -- data ------------------------------------------------------------------------------


def fused_json(fusion: Fusion) -> dict[str, Any]:
    """`fusion` as dicts, lists, numbers and strings; see the module for the schema."""
    names = fusion.names
    return {
        "schema": "symgraph.fused",
        "version": VERSION,
        "name": fusion.name,
        "arguments": [node_json(node, names) for node in fusion.arguments],
        "groups": [_group_json(group, fusion) for group in fusion.groups],
    }


def _group_json(group: FusedGroup, fusion: Fusion) -> dict[str, Any]:
    names = fusion.names
    return {
        "number": group.number,
        "kind": "whole" if group.whole else "kernel",
        "scope": group.scope,
        "rows": group.rows,
        "inner": group.inner,
        "steps": list(group.unit.steps),
        "reads": [names[n] for n in group.reads],
        "stores": [names[n] for n in group.stores if n in names],
        "nodes": [
            {
                **node_json(node, names),
                "stored": node in group.stores,
                "optimized": fusion.optimized(node),
            }
            for node in group.nodes
        ],
    }


# -- the picture -----------------------------------------------------------------------


def fused_dot(fusion: Fusion) -> str:
    """`fusion` as DOT text: a box around what each group computes."""
    lines = [
        f"digraph {quoted(fusion.name)} {{",
        "  rankdir=TB;",
        '  node [shape=box, fontname="Helvetica", fontsize=10];',
        '  graph [fontname="Helvetica", fontsize=10];',
        "  edge [arrowsize=0.7];",
    ]
    lines += [node_dot(node, f"n{fusion.names[node]}") for node in fusion.arguments]
    place = {n: f"n{fusion.names[n]}" for n in fusion.arguments}
    for group in fusion.groups:
        for node in group.stores:
            place[node] = f"g{group.number}_n{fusion.names[node]}"
    edges: list[str] = []
    for group in fusion.groups:
        own = {n: f"g{group.number}_n{fusion.names[n]}" for n in group.nodes}
        label = _title(group)
        lines.append(f"  subgraph cluster_{group.number} {{ label={quoted(label)};")
        lines += [f"  {node_dot(node, name)}" for node, name in own.items()]
        lines.append("  }")
        edges += [
            f"  {own.get(source) or place[source]} -> {own[node]};"
            for node in group.nodes
            for source in node.inputs
            if source in own or source in place
        ]
    return "\n".join([*lines, *edges, "}"]) + "\n"


__all__ = ["FusedGroup", "Fusion", "fused_dot", "fused_json", "fused_text"]

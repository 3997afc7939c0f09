"""Programs as data and as a picture, and the memory plan as a table.

The schemas, version 1.  Sizes are numbers or the names of sizes, which the shapes of
the arguments bind; ``print_program`` is the text form::

    {
      "schema": "symgraph.program", "version": 1, "name": "train",
      "arrays": [{"name": "t5", "dtype": "float32", "shape": ["n0", 10],
                  "role": "temp", "slot": 0, "target": null,
                  "paired": false}],       # complex for the caller: see `Array`
      "host": ["n3 = add(n0, n1): int64"], "guards": ["guard n0 eq n1 else 1"],
      "steps": [
        {"kind": "launch", "kernel": "k0_exp", "arrays": ["x0", "t5"], "sizes": ["n0"],
         "text": "kernel k0_exp(...) ..."},
        {"kind": "gemm", "out": "y0", "lhs": "t5", "rhs": "w0", "m": "n0", ...}
      ],
      "results": ["y0"]
    }

    {
      "schema": "symgraph.memory", "version": 1, "name": "train", "steps": 21,
      "slots": [{"slot": 0, "bytes": "4*n0*10",
                 "arrays": [{"name": "t5", "dtype": "float32", "shape": ["n0", 10],
                             "bytes": "40*n0", "first": 0, "last": 3}]}]
    }
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from ..codegen.program import (
    Array,
    Call,
    Gemm,
    Launch,
    Program,
    Step,
    arrays_of,
    written_by,
)
from ..codegen.text import print_item, print_kernel
from ..lower.memory import Lifetime, lifetimes, size_key
from .dot import quoted

VERSION = 1

_STYLE = {
    "input": 'style=filled, fillcolor="#cfe8fc"',
    "shared": 'style=filled, fillcolor="#fde6b8"',
    "constant": 'style=filled, fillcolor="#eeeeee"',
    "output": 'style=filled, fillcolor="#d5f0d0"',
    "update": 'style=filled, fillcolor="#fde6b8"',
}


# -- data ------------------------------------------------------------------------------


def program_json(program: Program) -> dict[str, Any]:
    """`program` as dicts, lists, numbers and strings; see the module for the schema."""
    return {
        "schema": "symgraph.program",
        "version": VERSION,
        "name": program.name,
        "arrays": [asdict(array) for array in program.arrays],
        "host": [print_item(statement) for statement in program.host],
        "guards": [print_item(guard) for guard in program.guards],
        "steps": [_step_json(step) for step in program.steps],
        "results": list(program.results),
    }


def _step_json(step: Step) -> dict[str, Any]:
    if not isinstance(step, Launch):
        return {"kind": type(step).__name__.lower(), **asdict(step)}
    return {
        "kind": "launch",
        "kernel": step.kernel.name,
        "arrays": list(step.arrays),
        "sizes": list(step.sizes),
        "text": print_kernel(step.kernel),
    }


def memory_json(program: Program) -> dict[str, Any]:
    """The memory plan of `program` as plain data; see the module for the schema."""
    lives = lifetimes(program)
    return {
        "schema": "symgraph.memory",
        "version": VERSION,
        "name": program.name,
        "steps": len(program.steps),
        "slots": [
            {
                "slot": number,
                "bytes": slot_size(held),
                "arrays": [_temporary_json(array, lives[array.name]) for array in held],
            }
            for number, held in slots(program).items()
        ],
    }


def _temporary_json(array: Array, life: Lifetime) -> dict[str, Any]:
    return {
        "name": array.name,
        "dtype": array.dtype,
        "shape": list(array.shape),
        "bytes": size_text(array),
        "first": life.first,
        "last": life.last,
    }


# -- the memory plan -------------------------------------------------------------------


def slots(program: Program) -> dict[int, list[Array]]:
    """The temporaries of `program` by the slot of the arena that they live in."""
    held: dict[int, list[Array]] = {}
    for array in program.by_role("temp"):
        if array.slot is not None:
            held.setdefault(array.slot, []).append(array)
    return dict(sorted(held.items()))


def size_text(array: Array) -> str:
    """The bytes of an array, ``4*n0*n1``."""
    known, names = size_key(array)
    factors = [str(known)] if known != 1 or not names else []
    return "*".join([*factors, *names])


def slot_size(held: Sequence[Array]) -> str:
    """The bytes of a slot: those of its largest array, which run-time sizes decide."""
    distinct = list(dict.fromkeys(size_text(array) for array in held))
    return distinct[0] if len(distinct) == 1 else f"max({', '.join(distinct)})"


def memory_text(program: Program) -> str:
    """The memory plan of `program`: slots, what lives in them, how large, and when.

    The last column has one character a step, ``#`` while the array is alive.
    """
    lives, plan = lifetimes(program), slots(program)
    count = sum(len(held) for held in plan.values())
    steps = len(program.steps)
    lines = [f"{program.name}: temporaries {count}, slots {len(plan)}, steps {steps}"]
    rows = [("slot", "array", "type", "bytes", "steps", "alive")]
    for number, held in plan.items():
        for array in held:
            life = lives[array.name]
            shape = ", ".join(map(str, array.shape))
            rows.append(
                (
                    str(number),
                    array.name,
                    f"{array.dtype}[{shape}]",
                    size_text(array),
                    f"{life.first}-{life.last}",
                    _bar(life, steps),
                )
            )
    if plan:
        lines += ["", *table(rows)]
        lines += [
            "",
            f"arena: {' + '.join(slot_size(held) for held in plan.values())} bytes",
        ]
    where = bindings(program)
    if where:
        lines.append(f"where: {', '.join(where)}")
    return "\n".join(lines) + "\n"


def _bar(life: Lifetime, steps: int) -> str:
    alive = range(life.first, life.last + 1)
    return "".join("#" if step in alive else "." for step in range(steps))


def table(
    rows: Sequence[Sequence[str]], right: Collection[int] = frozenset()
) -> list[str]:
    """`rows` in columns, without blanks at the end of a line.

    The columns in `right` are aligned there, as numbers are.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def bindings(program: Program) -> list[str]:
    """Where each size comes from: an argument's axis, or arithmetic on others."""
    found: dict[str, str] = {}
    for array in program.by_role("input", "shared", "constant"):
        for axis, extent in enumerate(array.shape):
            if isinstance(extent, str):
                found.setdefault(extent, f"{extent} = {array.name}.shape[{axis}]")
    for statement in program.host:
        found.setdefault(statement.name, print_item(statement))
    return list(found.values())


# -- the picture -----------------------------------------------------------------------


def program_dot(program: Program) -> str:
    """`program` as DOT text: boxes for steps, ellipses for arrays, arrows for use."""
    owner = {a.name: a.target or a.name for a in program.by_role("view")}
    lines = [
        f"digraph {quoted(program.name)} {{",
        "  rankdir=TB;",
        '  node [shape=ellipse, fontname="Helvetica", fontsize=10];',
        "  edge [arrowsize=0.7];",
    ]
    lines += [_array_dot(a) for a in program.arrays if a.role != "view"]
    for number, step in enumerate(program.steps):
        lines.append(f"  step{number} [shape=box, label={quoted(_step_label(step))}];")
        written = written_by(step)
        for name in dict.fromkeys(arrays_of(step)):
            array = quoted(owner.get(name, name))
            if name in written:
                lines.append(f"  step{number} -> {array};")
            else:
                lines.append(f"  {array} -> step{number};")
    return "\n".join([*lines, "}"]) + "\n"


def _array_dot(array: Array) -> str:
    shape = ", ".join(map(str, array.shape))
    label = f"{array.name}: {array.dtype}[{shape}]"
    if array.slot is not None:
        label += f"\nslot {array.slot}"
    elif array.target is not None:
        label += f"\nnew {array.target}"
    style = f", {_STYLE[array.role]}" if array.role in _STYLE else ""
    return f"  {quoted(array.name)} [label={quoted(label)}{style}];"


def _step_label(step: Step) -> str:
    if isinstance(step, Launch):
        return f"{step.kernel.name}\nover {', '.join(map(str, step.sizes))}"
    if isinstance(step, Call):
        return f"call {step.function}"
    if isinstance(step, Gemm):
        return f"gemm\n{step.m} x {step.n} x {step.k}"
    return print_item(step)

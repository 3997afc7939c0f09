"""What a function costs, as a table and as data.

The schema, version 1; amounts are numbers, or text over the names of sizes::

    {
      "schema": "symgraph.cost", "version": 1, "name": "train",
      "sizes": {"batch": 64},                       # empty: not known
      "steps": [{"name": "k0_exp", "kind": "kernel", "work": 35840, "flops": 0,
                 "bytes_read": 2560, "bytes_written": 2560, "chunks": 1, "scratch": 0}],
      "work": 35840, "flops": 0, "bytes_read": 2560, "bytes_written": 2560,
      "arena": 0, "output": 2560,
      "kernels": [{"name": "k0_exp", "capability": "8.0", "threads": 256,    # for GPUs
                   "registers": 24, "spilled": 0, "local": 0, "shared": 0,
                   "occupancy": 1.0, "limit": "warps"}],
      "passed": 2560, "returned": 2560                    # where functions are called
    }
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from .. import dims
from ..codegen.cost import StepCost, cost, read_scalars
from ..codegen.polynomial import Amount, known, name
from ..dims import Dim
from ..lower import Lowered
from .occupied import Occupied
from .program_form import table

VERSION = 1

#: A number, or where sizes are not known a formula that Python can read.
Shown: TypeAlias = int | str


@dataclass(frozen=True, slots=True)
class Row:
    """What one step of a program costs; :class:`Cost` says in which units.

    Attributes:
        name: the kernel's name, ``gemm OUT = LHS @ RHS``, or ``call FUNCTION``.
        kind: "kernel", "product" or "call".
        work: additions of float32; of a call, which nothing is known of, 0.
        flops: floating-point operations of a matrix product; of a kernel 0.
        bytes_read, bytes_written: the arrays that the step reads and writes.
        chunks: the pieces that threads share; 1 runs serially, 0 not at all; None where
            sizes are not known.
        scratch: bytes of scratch memory, for one chunk where `chunks` is None.
    """

    name: str
    kind: Literal["kernel", "product", "call"]
    work: Shown
    flops: Shown
    bytes_read: Shown
    bytes_written: Shown
    chunks: int | None
    scratch: Shown


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs, by the model that decides how work is shared out.

    A unit of *work* is an addition of float32: a load or a store counts 2, a division
    or a square root 4, any other primitive 1, and transcendentals as many as they
    expand to; in kernels of float64 (of 64-bit integers, without floats) all count
    twice. Vector loops do several units at a time. 2 multiplications of a matrix
    product are a unit. Only what stands in the loop that may be cut into chunks is
    counted.

    A kernel is cut into chunks of up to 400,000 units (5 to 50 microseconds), an even
    number of them, but 256 at the most; a matrix product into panels of 1,000,000
    multiplications or more, of 128 rows or columns where there are as many, 32 of them
    at the most. Shape alone decides, never the number of threads. What is one chunk
    runs serially.

    *Bytes* are those of whole arrays, each once a step: a gather or a slice counts all
    of the array that it takes elements from, and a cache may hold what the last step
    wrote.

    Where `sizes` is empty, amounts that depend on sizes are formulas of them.

    Attributes:
        name: the function's name.
        sizes: the size of each named dimension and each dimension of an argument.
        rows: the steps in order.
        work, flops, bytes_read, bytes_written: the sums over all steps.
        arena: bytes of temporaries and scratch memory, whose places are shared; not
            rounded to cache lines, and with one chunk's scratch, in formulas.
        output: bytes of the results and of new values of shared variables.
        kernels: what kernels use of a GPU, of a function with ``device="cuda"``, where
            CUDA's compilers are installed.
        passed, returned: bytes that are copied for functions of yours, and from them;
            with ``device="cuda"`` that is from the GPU to the host, and back.
    """

    name: str
    sizes: Mapping[str, int]
    rows: tuple[Row, ...]
    work: Shown
    flops: Shown
    bytes_read: Shown
    bytes_written: Shown
    arena: Shown
    output: Shown
    kernels: tuple[Occupied, ...] = ()
    passed: Shown = 0
    returned: Shown = 0

    def __str__(self) -> str:
        return cost_text(self)


def cost_of(
    lowered: Lowered,
    sizes: Mapping[str, int] | None,
    some: Mapping[str, int] | None = None,
) -> Cost:
    """The cost of a call at `sizes`, by the program's names; formulas without any.

    In formulas, `some` sizes may be numbers all the same, by the names in formulas.
    """
    program, names = lowered.program, size_names(lowered)
    if sizes is None:
        held = some or {}
        found = cost(program, {size: held.get(t, name(t)) for size, t in names.items()})
    else:
        found = cost(program, sizes)
    calls = [step for step in found.steps if step.kind == "call"]
    return Cost(
        program.name,
        {} if sizes is None else {text: sizes[size] for size, text in names.items()},
        tuple(_row(step) for step in found.steps),
        _sum(step.work for step in found.steps),
        _sum(step.flops for step in found.steps),
        _sum(step.bytes_read for step in found.steps),
        _sum(step.bytes_written for step in found.steps),
        _shown(found.arena),
        _shown(found.output),
        passed=_sum(step.bytes_read for step in calls),
        returned=_sum(step.bytes_written for step in calls),
    )


def size_names(lowered: Lowered) -> dict[str, str]:
    """What a user calls the sizes that a call brings along, by the program's names."""
    program, names = lowered.program, {}
    for array in program.by_role("input", "shared", "constant"):
        # A complex array's last axis is not one of its node.
        shape = lowered.nodes[array.name].type.dims
        for extent, size in zip(array.outer_shape, shape, strict=True):
            if isinstance(extent, str) and extent not in names:
                known_as = lowered.classes.resolve(size)
                named = isinstance(known_as, Dim)
                names[extent] = dims.text(known_as) if named else extent
    for scalar, held in read_scalars(program).items():
        names[scalar] = getattr(lowered.nodes[held].op, "label", None) or held
    return names


def _row(step: StepCost) -> Row:
    return Row(
        step.name,
        step.kind,
        _shown(step.work),
        _shown(step.flops),
        _shown(step.bytes_read),
        _shown(step.bytes_written),
        step.chunks,
        _shown(step.scratch),
    )


def _shown(amount: Amount) -> Shown:
    amount = known(amount)
    return amount if isinstance(amount, int) else str(amount)


def _sum(amounts: Iterable[Amount]) -> Shown:
    total: Amount = 0
    for amount in amounts:
        total = total + amount
    return _shown(total)


def cost_text(cost: Cost) -> str:
    """A table with a line a step, the sums, and memory.

    Formulas, which may be long, have a line each; those that are 0 are left out.
    """
    at = ", ".join(f"{size} = {extent}" for size, extent in cost.sizes.items())
    sums = [*_columns(cost), cost.arena, cost.output]
    formulas = any(isinstance(amount, str) for amount in sums)
    rows = _formulas(cost) if formulas else _numbers(cost)
    right = () if formulas else (2, 3, 4, 5, 6)
    lines = [f"{cost.name}: {at}" if at else cost.name, "", *table(rows, right), ""]
    lines += [f"arena: {cost.arena} bytes", f"output: {cost.output} bytes"]
    if cost.returned != 0 or cost.passed != 0:
        lines.append(f"functions: {cost.passed} bytes in, {cost.returned} bytes out")
    if cost.kernels:
        lines += ["", *table(_on_gpu(cost.kernels), (2, 3, 4, 5, 6))]
    return "\n".join(lines) + "\n"


def _on_gpu(kernels: Iterable[Occupied]) -> list[list[str]]:
    """A line a kernel: what it uses of a multiprocessor."""
    heads = ["kernel", "for", "threads", "registers", "spilled", "shared", "occupancy"]
    rows = [[*heads, "limit"]]
    for made in kernels:
        used = (made.threads, made.registers, made.spilled, made.shared)
        share = f"{made.occupancy:.0%}"
        rows.append([made.name, made.capability, *map(str, used), share, made.limit])
    return rows


_HEADS = ("work", "flops", "read", "written")


def _columns(cost: Cost | Row) -> list[Shown]:
    return [cost.work, cost.flops, cost.bytes_read, cost.bytes_written]


def _numbers(cost: Cost) -> list[list[str]]:
    """A line a step: chunks and amounts."""
    rows = [["step", "name", "chunks", *_HEADS]]
    for number, row in enumerate(cost.rows):
        rows.append([str(number), row.name, str(row.chunks), *map(str, _columns(row))])
    return [*rows, ["", "total", "", *map(str, _columns(cost))]]


def _formulas(cost: Cost) -> list[list[str]]:
    """A line for each amount of a step."""
    rows = [["step", "name", "what", "formula"]]
    named: list[tuple[str, str, Row | Cost]] = [
        (str(k), row.name, row) for k, row in enumerate(cost.rows)
    ]
    for number, title, row in [*named, ("", "total", cost)]:
        for head, amount in zip(_HEADS, _columns(row), strict=True):
            if amount != 0:
                rows.append([number, title, head, str(amount)])
                number = title = ""
    return rows


def cost_json(cost: Cost) -> dict[str, Any]:
    """`cost` as dicts, lists, numbers and strings; see the module for the schema."""
    data = asdict(cost)
    steps = list(data.pop("rows"))
    head = {"schema": "symgraph.cost", "version": VERSION, "name": data.pop("name")}
    kernels = list(data.pop("kernels"))
    if kernels:  # of a GPU
        data["kernels"] = kernels
    passed = {name: data.pop(name) for name in ("passed", "returned")}
    if any(amount != 0 for amount in passed.values()):
        data |= passed
    return {**head, "sizes": dict(data.pop("sizes")), "steps": steps, **data}

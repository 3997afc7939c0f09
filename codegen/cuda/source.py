"""A plan as numba-cuda Python, meant to be read.

Each :class:`Stage` is one kernel over flat arrays: it computes the place of each
element itself, in C order.  The names are the loop IR's.  The last function that a
stage's text defines is undecorated; ``cuda.jit`` of it is the kernel.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Literal, TypeAlias

from .. import ir
from ..ir import (
    COMBINERS,
    Affine,
    Atom,
    Buffer,
    Carry,
    Check,
    Const,
    Extent,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    walk,
)
from ..names import defines, fresh, names_of
from . import device_vectors, indices, scalars
from .plan import Plan
from .runs import Runs
from .vectors import Wide, wide

#: What an argument of a kernel is: an array of the program, a size (int64), memory for
#: scratch, a carry's partial results, the length of a chunk or the number of chunks,
#: the record of failed checks, or the number of the launch that is entered there.
Role: TypeAlias = Literal[
    "buffer", "size", "area", "partial", "chunk", "chunks", "failed", "launch"
]

#: What generated text uses itself.
RESERVED = (
    *keyword.kwlist,
    *("np", "cuda", "range", "everyone", "min", "max", "abs", "thread", "half", "me"),
    *(f"other_{dtype}" for dtype in ir.DTYPES),
    *(f"shared_{dtype}_{k}" for dtype in ir.DTYPES for k in range(8)),
    *scalars.BITS.values(),
    *("fmod", "fmodf"),
    *device_vectors.names(),
    *(scalars.function_name(o, d) for o in scalars.CALLED for d in ir.FLOATS),
)
_MODULE = "symgraph.codegen.cuda.device_functions"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a kernel: a flat array of `dtype`, or a scalar of it.

    `source` is the name in the loop IR of the buffer, size, scratch or carry.
    """

    name: str
    dtype: str
    role: Role
    source: str = ""

    @property
    def is_array(self) -> bool:
        """Whether it is an array."""
        return self.role in ("buffer", "area", "partial", "failed")


@dataclass(frozen=True, slots=True)
class Stage:
    """One kernel: `text` defines the function `name`, which takes `arguments`."""

    name: str
    text: str
    arguments: tuple[Argument, ...]
    threads: int


def stages(plan: Plan) -> tuple[Stage, ...]:
    """The kernels that carry out `plan`, in order.

    Raises CompileError for what has no form on a device.
    """
    if plan.kind != "reduce":
        return (_Writer(plan).whole(),)
    return _Writer(plan).chunks_stage(), _Writer(plan).finish_stage()


@dataclass(slots=True)
class _Writer:
    """The text of one stage."""

    plan: Plan
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    used: set[str] = field(default_factory=set)
    dtypes: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    positions: dict[int, int] = field(default_factory=dict)
    axes: set[str] = field(default_factory=set)
    shared: dict[str, int] = field(default_factory=dict)
    #: The functions that the kernel calls, as lines.
    functions: list[str] = field(default_factory=list)
    #: What a wide map moves at once.
    moved: Wide | None = None
    #: Whether all threads of a block run the statements at hand alike.
    alike: bool = False

    def __post_init__(self) -> None:
        kernel = self.plan.kernel
        self.taken.update(RESERVED)
        for name in sorted(names_of(kernel)):
            self.renamed[name] = fresh(_identifier(name), self.taken)
        statements = [s for s, _ in walk(kernel.body)]
        self.positions = {id(s): k for k, s in enumerate(statements)}
        self.dtypes.update((size, "int64") for size in kernel.sizes)
        for statement in statements:
            match statement:
                case Let() | Load():
                    self.dtypes[statement.name] = statement.dtype
                case Loop():
                    self.axes.add(statement.axis)
                    self.dtypes[statement.axis] = "int64"
                    self.dtypes.update((c.name, c.dtype) for c in statement.carries)
                    for state in statement.state:
                        self.dtypes[state.name] = state.dtype
                        self.dtypes[state.final] = state.dtype

    # ------------------------------------------------------------------ stages

    def whole(self) -> Stage:
        """A kernel of one stage."""
        plan = self.plan
        self.alike = plan.kind in ("rows", "single")
        self.body(plan.kernel.body)
        return self.stage(plan.kernel.name, ())

    def chunks_stage(self) -> Stage:
        """The first stage of a reduction: each block reduces a chunk."""
        kernel, loop = self.plan.kernel, self.plan.loops[0]
        place = _place_of(loop, kernel.body)
        chunk = fresh("chunk", self.taken)
        more = [Argument(chunk, "int64", "chunk")]
        self.body(kernel.body[:place])
        self.nest(chunk)
        self.combined(loop.carries)
        stores = []
        for carry in loop.carries:
            name = fresh(f"{self.name(carry.name)}_parts", self.taken)
            more.append(Argument(name, carry.dtype, "partial", carry.name))
            stores.append(f"{name}[cuda.blockIdx.x] = {self.name(carry.name)}")
        self.alike = True
        self.by_first(stores)
        return self.stage(f"{kernel.name}_chunks", more)

    def finish_stage(self) -> Stage:
        """The second: the partial results in order, and what stands after the loop."""
        kernel, loop = self.plan.kernel, self.plan.loops[0]
        place = _place_of(loop, kernel.body)
        self.alike = True
        self.body(kernel.body[:place])
        chunks, part = (fresh(n, self.taken) for n in ("chunks", "part"))
        more = [Argument(chunks, "int64", "chunks")]
        self.start(loop.carries)
        self.line(f"for {part} in range(thread, {chunks}, {self.plan.threads}):")
        self.depth += 1
        for carry in loop.carries:
            name = fresh(f"{self.name(carry.name)}_parts", self.taken)
            more.append(Argument(name, carry.dtype, "partial", carry.name))
            self.combine(carry, f"{name}[{part}]")
        self.depth -= 1
        self.combined(loop.carries)
        self.body(kernel.body[place + 1 :])
        return self.stage(f"{kernel.name}_finish", more)

    def stage(self, name: str, more: Iterable[Argument]) -> Stage:
        """The lines as the text of a function."""
        plan, kernel = self.plan, self.plan.kernel
        name = fresh(_identifier(name), set(RESERVED))
        arguments = [
            Argument(self.name(b.name), b.dtype, "buffer", b.name)
            for b in kernel.buffers
        ]
        for scratch, where in zip(kernel.scratch, plan.places, strict=True):
            if where.endswith("area"):
                known = self.name(scratch.name)
                arguments.append(Argument(known, scratch.dtype, "area", scratch.name))
        arguments += [Argument(self.name(s), "int64", "size", s) for s in kernel.sizes]
        arguments += more
        if any(isinstance(s, Check) for s, _ in walk(kernel.body)):
            arguments.append(Argument("failed", "int64", "failed"))
            arguments.append(Argument("launch", "int64", "launch"))
        head = ["import numpy as np", "from numba import cuda", ""]
        if self.used:
            head[2:2] = ["", *_import(sorted(self.used))]
        args = ", ".join(a.name for a in arguments)
        head += [*self.functions, "", f"def {name}({args}):", *self.opening()]
        text = "\n".join([*head, *(self.lines or ["    pass"])]) + "\n"
        return Stage(name, text, tuple(arguments), plan.threads)

    def opening(self) -> Iterator[str]:
        """What stands at the start of the function: its memory."""
        plan = self.plan
        axes = ", ".join(loop.axis for loop in plan.loops)
        over = f" over {axes}" if axes else ""
        each = f", {plan.width} of {plan.loops[-1].axis} each" if plan.width > 1 else ""
        yield f'    """{plan.kind}{over}; {_count(plan.threads)} a block{each}."""'
        if plan.kind != "map" or "thread shared" in plan.places:
            yield "    thread = cuda.threadIdx.x"
        if "thread area" in plan.places:
            yield "    me = cuda.grid(1)"
            yield "    everyone = cuda.gridsize(1)"
        for name, dtype in self.parts():
            yield f"    {name} = cuda.shared.array({plan.threads}, np.{_kind(dtype)})"
        for scratch, where in zip(plan.kernel.scratch, plan.places, strict=True):
            name = self.name(scratch.name)
            if where == "block area":
                yield f"    {name}_begin = cuda.blockIdx.x * {self.length(scratch)}"
            if not where.endswith("shared"):
                continue
            length = prod(e for e in scratch.shape if isinstance(e, int))
            length *= plan.threads if where == "thread shared" else 1
            yield f"    {name} = cuda.shared.array({length}, np.{_kind(scratch.dtype)})"

    def parts(self) -> Iterator[tuple[str, str]]:
        """The shared arrays in which carries are combined."""
        for dtype, count in sorted(self.shared.items()):
            for k in range(count):
                yield f"shared_{dtype}_{k}", dtype

    def length(self, buffer: Buffer) -> str:
        """The elements of a buffer."""
        return " * ".join(self.extent(e) for e in buffer.shape) or "1"

    # ------------------------------------------------------------------ statements

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def body(self, body: Sequence[Statement]) -> None:
        """Statements in order; recursion is as deep as the loops."""
        for statement in body:
            if self.alike and self.positions[id(statement)] in self.plan.barriers:
                self.line("cuda.syncthreads()")
            match statement:
                case Let(name, op, args, dtype):
                    self.let(name, op, args, dtype)
                case Load() | Store() if self.moved and self.moved.has(statement):
                    pass  # where the function is called
                case Load():
                    self.load(statement)
                case Store():
                    self.by_first([self.store(statement)])
                case Check(ok, code, _):
                    self.line(f"if not {self.atom(ok)}:")
                    self.line(f"    cuda.atomic.min(failed, 0, launch + {code})")
                case Loop():
                    self.loop(statement)

    def let(self, name: str, op: str, args: tuple[Atom, ...], dtype: str) -> None:
        """One primitive."""
        texts = tuple(self.atom(a) for a in args)
        source = self.dtype(args[-1])
        if op in ("floordiv", "rem") and dtype in ir.FLOATS:
            mine = self.name(name)
            division = scalars.float_division(op, texts, mine, dtype, self.used)
            for text in division:
                self.line(text)
            return
        found = scalars.expression(op, texts, source, dtype, self.used)
        self.line(f"{self.name(name)} = {found}")

    def load(self, load: Load) -> None:
        """One element, or zero where a guard says so."""
        found = self.element(load.buffer, load.index)
        if load.guard is not None:
            kind = float if load.dtype in ir.FLOATS else int
            zero = scalars.literal(Const(kind(0), load.dtype))
            found = f"{found} if {self.atom(load.guard)} else {zero}"
        self.line(f"{self.name(load.name)} = {found}")

    def store(self, store: Store) -> str:
        """One element."""
        place = self.element(store.buffer, store.index)
        value = self.atom(store.value)
        if store.accumulate:
            dtype = self.dtype(store.value)
            args = (place, value)
            value = scalars.expression("add", args, dtype, dtype, self.used)
        return f"{place} = {value}"

    def by_first(self, texts: Sequence[str]) -> None:
        """What one thread must do, of all that come by together."""
        alone = self.plan.threads == 1
        if alone or not self.alike:
            for text in texts:
                self.line(text)
            return
        self.line("if thread == 0:")
        for text in texts:
            self.line(f"    {text}")

    # ------------------------------------------------------------------ loops

    def loop(self, loop: Loop) -> None:
        """A loop as the plan spreads it."""
        position = self.positions[id(loop)]
        match self.plan.spread[position]:
            case "grid" | "blocks" if position == self.plan.nest[0]:
                self.nest(None)
            case "threads":
                self.start(loop.carries)
                span = f"thread, {self.extent(loop.extent)}, {self.plan.threads}"
                self.line(f"for {self.name(loop.axis)} in range({span}):")
                self.alike = False
                self.inside(loop)
                self.alike = True
                self.combined(loop.carries)
            case _:
                self.serial(loop)

    def serial(self, loop: Loop) -> None:
        """A loop that whoever reaches it runs in order."""
        self.start(loop.carries)
        for state in loop.state:
            self.line(f"{self.name(state.name)} = {self.atom(state.init)}")
        self.line(f"for {self.name(loop.axis)} in range({self.extent(loop.extent)}):")
        if loop.going is not None:
            self.line(f"    if not {self.atom(loop.going)}:")
            self.line("        break")
        self.inside(loop)
        for state in loop.state:
            self.line(f"{self.name(state.final)} = {self.name(state.name)}")

    def inside(self, loop: Loop) -> None:
        """The body of a loop whose head is written."""
        self.depth += 1
        before = len(self.lines)
        self.body(loop.body)
        for carry in loop.carries:
            self.combine(carry, self.atom(carry.value))
        if loop.state:
            names = ", ".join(self.name(s.name) for s in loop.state)
            self.line(f"{names} = {', '.join(self.atom(s.next) for s in loop.state)}")
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def nest(self, chunk: str | None) -> None:
        """The loops that are spread over the grid or the blocks, as one."""
        loops, width = self.plan.loops, self.plan.width
        extents = [self.extent(loop.extent) for loop in loops]
        axes = [self.name(loop.axis) for loop in loops]
        carries = loops[0].carries
        self.start(carries)
        if width > 1:
            axes[-1] = fresh(f"{axes[-1]}_run", self.taken)
            extents[-1] = self.runs(axes[-1], loops[-1].extent)
        total = extents[0]
        if len(loops) > 1 or chunk:
            total = fresh("total", self.taken)
            self.line(f"{total} = {' * '.join(extents)}")
        begin, end, step = self.span(chunk, total)
        index, steps = axes[0], [step]
        if len(loops) > 1:
            index = fresh("index", self.taken)
            begin, steps = self.odometer(axes, extents, begin, step)
        self.line(f"for {index} in range({begin}, {end}, {step}):")
        self.depth += 1
        before = len(self.lines)
        if width > 1:
            self.run(axes[-1])
        else:
            self.body(loops[-1].body)
        for carry, inner in zip(carries, loops[-1].carries, strict=True):
            self.combine(carry, self.atom(inner.value))
        if len(loops) > 1:
            for line in indices.onward(axes, steps, extents):
                self.line(line)
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def span(self, chunk: str | None, total: str) -> tuple[str, str, str]:
        """The arguments of `range` for the nest."""
        if self.plan.kind == "rows":
            return "cuda.blockIdx.x", total, "cuda.gridDim.x"
        if chunk is None:
            return "cuda.grid(1)", total, "cuda.gridsize(1)"
        begin, end = (fresh(n, self.taken) for n in ("begin", "end"))
        self.line(f"{begin} = cuda.blockIdx.x * {chunk}")
        self.line(f"{end} = min({begin} + {chunk}, {total})")
        return f"{begin} + thread", end, str(self.plan.threads)

    def odometer(
        self, axes: Sequence[str], extents: Sequence[str], begin: str, step: str
    ) -> tuple[str, list[str]]:
        """Set the axes for the number `begin`; its name, and the steps of the axes."""
        first = fresh("first", self.taken)
        self.line(f"{first} = {begin}")
        steps = [fresh(f"{axis}_step", self.taken) for axis in axes]
        for line in indices.axes_of(first, axes, extents):
            self.line(line)
        for line in indices.axes_of(step, steps, extents):
            self.line(line)
        return first, steps

    # ------------------------------------------------------------------ wide maps

    def runs(self, run: str, extent: Extent) -> str:
        """How many runs of neighbouring iterations a row has."""
        width = self.plan.width
        if isinstance(extent, int):
            return str(-(-extent // width))
        count = fresh(f"{run}s", self.taken)
        self.line(f"{count} = ({self.extent(extent)} + {width - 1}) // {width}")
        return count

    def run(self, number: str) -> None:
        """The iterations of one run: at once where that is allowed, else one by one."""
        loop = self.plan.loops[-1]
        found = wide(self.plan.kernel, self.plan.loops)
        assert found is not None and found.width == self.plan.width
        axis, extent = self.name(loop.axis), self.extent(loop.extent)
        function, given = self.function(found)
        runs = Runs(
            found, axis, extent, function, given, self.name, self.place, self.used
        )
        for line in runs.lines(number, fresh("whole", self.taken)):
            self.line(line)

    def function(self, found: Wide) -> tuple[str, list[str]]:
        """Write one iteration as a function; its name, and what it takes at the end.

        It takes what is loaded at once and the axis first, and returns what is stored.
        """
        loop = self.plan.loops[-1]
        lines, self.lines, depth, self.depth = self.lines, [], self.depth, 1
        self.moved = found
        self.body(loop.body)
        self.moved = None
        if found.stores:
            values = ", ".join(self.atom(s.value) for s in found.stores)
            self.line(f"return {values}")
        lines, self.lines, self.depth = self.lines, lines, depth
        name = fresh(f"{_identifier(self.plan.kernel.name)}_one", self.taken)
        given = self.outside(loop, "\n".join(lines))
        first = [*(self.name(s.name) for s in found.loads), self.name(loop.axis)]
        self.used.add("inlined")
        self.functions += [
            *("", "@inlined", f"def {name}({', '.join([*first, *given])}):"),
            *(f'    """The iteration at {loop.axis}."""', *lines, ""),
        ]
        return name, given

    def outside(self, loop: Loop, text: str) -> list[str]:
        """The names in `text` that are set outside of the body of `loop`."""
        words = set(re.findall(r"\w+", text))
        inside = {n for s in loop.body for n in defines(s)} | {loop.axis}
        names = [self.name(n) for n in sorted(self.renamed) if n not in inside]
        return [n for n in [*names, "failed", "launch"] if n in words]

    def place(self, access: Load | Store) -> tuple[str, str]:
        """An array, and the place of an element in it."""
        return self.name(access.buffer), self.index(access.buffer, access.index)

    # ------------------------------------------------------------------ carries

    def start(self, carries: Iterable[Carry]) -> None:
        """What accumulators hold before anything is combined."""
        for carry in carries:
            start = scalars.literal(ir.identity(carry.combine, carry.dtype))
            self.line(f"{self.name(carry.name)} = {start}")

    def combine(self, carry: Carry, value: str) -> None:
        """Combine a value with an accumulator."""
        name = self.name(carry.name)
        self.line(f"{name} = {self.both(carry, name, value)}")

    def both(self, carry: Carry, a: str, b: str) -> str:
        """Two values combined."""
        op = COMBINERS[carry.combine]
        return scalars.expression(op, (a, b), carry.dtype, carry.dtype, self.used)

    def combined(self, carries: Sequence[Carry]) -> None:
        """Combine what the threads of a block hold, in an order that is fixed."""
        if not carries or self.plan.threads == 1:
            return
        held: list[tuple[Carry, str]] = []
        counts: dict[str, int] = {}
        for carry in carries:
            k = counts.setdefault(carry.dtype, 0)
            counts[carry.dtype] += 1
            held.append((carry, f"shared_{carry.dtype}_{k}"))
        for dtype, count in counts.items():
            self.shared[dtype] = max(self.shared.get(dtype, 0), count)
        for carry, part in held:
            self.line(f"{part}[thread] = {self.name(carry.name)}")
        self.line("cuda.syncthreads()")
        self.line(f"half = {self.plan.threads // 2}")
        self.line("while half > 0:")
        self.line("    if thread < half:")
        for carry, part in held:
            name = self.name(carry.name)
            other = f"other_{carry.dtype}"
            self.line(f"        {other} = {part}[thread + half]")
            self.line(f"        {name} = {self.both(carry, name, other)}")
            self.line(f"        {part}[thread] = {name}")
        self.line("    cuda.syncthreads()")
        self.line("    half //= 2")
        for carry, part in held:
            self.line(f"{self.name(carry.name)} = {part}[0]")
        # The next to write there must not overtake those who still read.
        self.line("cuda.syncthreads()")

    # ------------------------------------------------------------------ atoms

    def name(self, name: str) -> str:
        """A name of the loop IR as Python's."""
        return self.renamed[name]

    def atom(self, atom: Atom) -> str:
        """A value; an axis is given its dtype, which ``range`` does not."""
        if isinstance(atom, Const):
            return scalars.literal(atom)
        found = self.name(atom)
        return f"np.int64({found})" if atom in self.axes else found

    def dtype(self, atom: Atom) -> str:
        """The dtype of a value."""
        return atom.dtype if isinstance(atom, Const) else self.dtypes[atom]

    def extent(self, extent: Extent) -> str:
        """An extent."""
        return str(extent) if isinstance(extent, int) else self.name(extent)

    def element(self, buffer: str, index: tuple[Affine, ...]) -> str:
        """An element by its place in C order."""
        return indices.element(self.name(buffer), self.index(buffer, index), self.used)

    def index(self, buffer: str, index: tuple[Affine, ...]) -> str:
        """The place of an element in C order."""
        extents = [self.extent(e) for e in self.plan.kernel.buffer(buffer).shape]
        names = [scratch.name for scratch in self.plan.kernel.scratch]
        where = self.plan.places[names.index(buffer)] if buffer in names else ""
        begin = f"{self.name(buffer)}_begin" if where == "block area" else ""
        place = indices.place(index, extents, self.name, begin)
        held = f"({place})" if " " in place else place
        match where:
            # Neighbouring threads' elements are neighbours, as a device likes it.
            case "thread shared":
                return f"{held} * {self.plan.threads} + thread"
            case "thread area":
                return f"{held} * everyone + me"
        return place


def _identifier(name: str) -> str:
    """A name of the loop IR, or what `hoist` made of a number, as Python allows it."""
    plain = re.sub(r"\W", "_", name)
    return f"n{plain}" if plain[0].isdigit() else plain


def _place_of(loop: Loop, body: Sequence[Statement]) -> int:
    return next(k for k, s in enumerate(body) if s is loop)


def _count(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _kind(dtype: str) -> str:
    """The NumPy name of an array's dtype."""
    return "bool_" if dtype == "bool" else dtype


def _import(names: Sequence[str]) -> list[str]:
    """The statement that imports the names used."""
    line = f"from {_MODULE} import {', '.join(names)}"
    if len(line) <= 88:
        return [line]
    return [f"from {_MODULE} import (", *(f"    {name}," for name in names), ")"]


__all__ = ["Argument", "Stage", "stages"]

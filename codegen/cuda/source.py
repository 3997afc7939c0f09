"""A plan as numba-cuda Python, meant to be read.

Each :class:`Stage` is one kernel over flat arrays: it computes the place of each
element itself, in C order.  The names are the loop IR's.  The last function that a
stage's text defines is undecorated; ``cuda.jit`` of it is the kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod

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
from . import combine, handover, indices, scalars
from .plan import Plan
from .runs import Runs
from .scans import Scan, scan_of
from .stage import RESERVED, Argument, Stage, identifier, imported, np_type
from .vectors import Wide, wide

#: The number of the block or warp that a part of a scratch area belongs to.
_OWNERS = {"block area": "cuda.blockIdx.x", "warp area": "team"}


def stages(plan: Plan) -> tuple[Stage, ...]:
    """The kernels that carry out `plan`, in order.

    Raises CompileError for what has no form on a device.
    """
    if plan.kind == "reduce":
        return (Writer(plan).reduction(),)
    return (Writer(plan).whole(),)


@dataclass(slots=True)
class Writer:
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
            self.renamed[name] = fresh(identifier(name), self.taken)
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
        name = plan.kernel.name
        return self.stage(f"{name}_short" if plan.by_warps else name, ())

    def reduction(self) -> Stage:
        """A reduction in one launch: each block a chunk, the last one done the rest.

        Blocks that wait for no other may run in any order, so that whichever is last
        finds all chunks' parts in memory; it combines them in their order.
        """
        kernel, loop = self.plan.kernel, self.plan.loops[0]
        place = next(k for k, s in enumerate(kernel.body) if s is loop)
        chunk, done, last, part = (
            fresh(n, self.taken) for n in ("chunk", "done", "last", "part")
        )
        parts = [fresh(f"{self.name(c.name)}_parts", self.taken) for c in loop.carries]
        self.line(f"{last} = cuda.shared.array(1, np.int32)")
        self.body(kernel.body[:place])
        self.nest(chunk)
        self.combined(loop.carries)
        self.alike = True
        pairs = list(zip(parts, loop.carries, strict=True))
        lines = handover.lines([(p, self.name(c.name)) for p, c in pairs], done, last)
        for piece in handover.runs(handover.acts(self.plan)):
            if piece == ("take",):
                self.take(part, pairs)
            elif piece[0] in handover.FIRST:
                self.by_first([line for act in piece for line in lines[act]])
            else:
                self.lines += [f"    {line}" for line in lines[piece[0]]]
        self.body(kernel.body[place + 1 :])
        more = [Argument(chunk, "int64", "chunk"), Argument(done, "int32", "counter")]
        more += [Argument(p, c.dtype, "partial", c.name) for p, c in pairs]
        return self.stage(kernel.name, more)

    def take(self, part: str, pairs: Sequence[tuple[str, Carry]]) -> None:
        """Combine what all blocks have left."""
        carries = [carry for _, carry in pairs]
        self.start(carries)
        self.line(f"for {part} in range(thread, cuda.gridDim.x, {self.plan.threads}):")
        self.depth += 1
        for name, carry in pairs:
            self.combine(carry, f"{name}[{part}]")
        self.depth -= 1
        self.combined(carries)

    def stage(self, name: str, more: Iterable[Argument]) -> Stage:
        """The lines as the text of a function."""
        plan, kernel = self.plan, self.plan.kernel
        name = fresh(identifier(name), set(RESERVED))
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
            head[2:2] = ["", *imported(sorted(self.used))]
        args = ", ".join(a.name for a in arguments)
        head += [*self.functions, "", f"def {name}({args}):", *self.opening()]
        text = "\n".join([*head, *(self.lines or ["    pass"])]) + "\n"
        return Stage(name, text, tuple(arguments), plan.threads)

    def opening(self) -> Iterator[str]:
        """What stands at the start of the function: its memory."""
        plan = self.plan
        threads = "1 thread" if plan.threads == 1 else f"{plan.threads} threads"
        axes = ", ".join(loop.axis for loop in plan.loops)
        over = f" over {axes}" if axes else ""
        each = f", {plan.width} of {plan.loops[-1].axis} each" if plan.width > 1 else ""
        each = ", a warp for each row" if plan.by_warps else each
        yield f'    """{plan.kind}{over}; {threads} a block{each}."""'
        yield from self.who()
        for name, dtype in self.parts():
            length = 2 * (plan.team // plan.warp)
            yield f"    {name} = cuda.shared.array({length}, {np_type(dtype)})"
        for scratch, where in zip(plan.kernel.scratch, plan.places, strict=True):
            name = self.name(scratch.name)
            if where in _OWNERS:
                yield f"    {name}_begin = {_OWNERS[where]} * {self.length(scratch)}"
            if not where.endswith("shared"):
                continue
            length = prod(e for e in scratch.shape if isinstance(e, int))
            if where == "warp shared":
                yield f"    {name}_begin = cuda.threadIdx.x // {plan.team} * {length}"
                length *= plan.threads // plan.team
            length *= plan.threads if where == "thread shared" else 1
            yield f"    {name} = cuda.shared.array({length}, {np_type(scratch.dtype)})"

    def who(self) -> Iterator[str]:
        """Which of those that share a row the thread is, and which row is theirs."""
        plan = self.plan
        if plan.by_warps:
            count = plan.threads // plan.team
            yield f"    thread = cuda.threadIdx.x % {plan.team}"
            which = f"cuda.threadIdx.x // {plan.team}"
            yield f"    team = cuda.blockIdx.x * {count} + {which}"
            yield f"    teams = cuda.gridDim.x * {count}"
        elif plan.kind != "map" or "thread shared" in plan.places:
            yield "    thread = cuda.threadIdx.x"
        if "thread area" in plan.places:
            yield "    me = cuda.grid(1)"
            yield "    everyone = cuda.gridsize(1)"
        if self.shared:
            yield f"    {combine.SIDE} = 0"

    def wait(self) -> None:
        """The threads that share a row wait for one another."""
        if not self.plan.by_warps:
            self.line("cuda.syncthreads()")
            return
        self.used.add("meet")
        self.line(f"meet({self.plan.team})")

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
                self.wait()
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
        alone = self.plan.team == 1
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
            case "grid" | "blocks" | "warps" if position == self.plan.nest[0]:
                self.nest(None)
            case "threads" if (found := scan_of(loop)) is not None:
                self.scan(loop, found)
            case "threads":
                self.start(loop.carries)
                span = f"thread, {self.extent(loop.extent)}, {self.plan.team}"
                self.line(f"for {self.name(loop.axis)} in range({span}):")
                self.alike = False
                self.inside(loop)
                self.alike = True
                self.combined(loop.carries)
            case _:
                self.serial(loop)

    def scan(self, loop: Loop, found: Scan) -> None:
        """A loop that accumulates: as many iterations at once as there are threads.

        Where fewer are left, the other threads hold what changes nothing.
        """
        team, warp, state = self.plan.team, self.plan.warp, found.state
        total, value = self.name(state.name), self.name(found.combined)
        extent, axis = self.extent(loop.extent), self.name(loop.axis)
        start, before, which = (
            fresh(n, self.taken) for n in ("start", f"{total}_before", "which")
        )
        self.line(f"{total} = {self.atom(state.init)}")
        self.line(f"for {start} in range(0, {extent}, {team}):")
        self.depth += 1
        self.line(f"{axis} = {start} + thread")
        self.line(f"{value} = {scalars.literal(found.neutral)}")
        self.line(f"if {axis} < {extent}:")
        self.guarded([*found.before], [f"{value} = {self.atom(found.value)}"])
        slots = f"shared_{state.dtype}_0"
        if team > warp:
            self.shared[state.dtype] = max(self.shared.get(state.dtype, 0), 1)
        op = COMBINERS[found.combine]
        held = combine.Held(
            value, state.dtype, partial(self.applied, op, state.dtype), slots
        )
        for line in combine.scanned(
            held, total, team, warp, self.used, (before, which)
        ):
            self.line(line)
        self.line(f"if {axis} < {extent}:")
        self.guarded(found.after, [])
        self.depth -= 1
        self.line(f"{self.name(state.final)} = {total}")

    def guarded(self, body: Sequence[Statement], more: Sequence[str]) -> None:
        """What each thread does by itself, under a condition that is written."""
        self.depth += 1
        self.alike = False
        self.body(body)
        for line in [*more] or (["pass"] if not body else []):
            self.line(line)
        self.alike = True
        self.depth -= 1

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
        if self.plan.by_warps:
            return "team", total, "teams"
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
        name = fresh(f"{identifier(self.plan.kernel.name)}_one", self.taken)
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
        return self.applied(COMBINERS[carry.combine], carry.dtype, a, b)

    def applied(self, op: str, dtype: str, a: str, b: str) -> str:
        """A primitive of two values."""
        return scalars.expression(op, (a, b), dtype, dtype, self.used)

    def combined(self, carries: Sequence[Carry]) -> None:
        """Combine what the threads that share a loop hold, in a fixed order."""
        team, warp = self.plan.team, self.plan.warp
        if not carries or team == 1:
            return
        held: list[combine.Held] = []
        counts: dict[str, int] = {}
        for carry in carries:
            k = counts.setdefault(carry.dtype, 0)
            counts[carry.dtype] += 1
            both = partial(self.both, carry)
            slots = f"shared_{carry.dtype}_{k}"
            held.append(combine.Held(self.name(carry.name), carry.dtype, both, slots))
        if team > warp:
            for dtype, count in counts.items():
                self.shared[dtype] = max(self.shared.get(dtype, 0), count)
        for line in combine.combined(held, team, warp, self.used):
            self.line(line)

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
        own = where in (*_OWNERS, "warp shared")
        begin = f"{self.name(buffer)}_begin" if own else ""
        place = indices.place(index, extents, self.name, begin)
        held = f"({place})" if " " in place else place
        match where:
            # Neighbouring threads' elements are neighbours, as a device likes it.
            case "thread shared":
                return f"{held} * {self.plan.threads} + thread"
            case "thread area":
                return f"{held} * everyone + me"
        return place


__all__ = ["Writer", "stages"]

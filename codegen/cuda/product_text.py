"""Matrix products as numba-cuda text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from . import combine
from .ending import Ending
from .epilogue import Epilogue
from .stage import Argument, Stage, imported

#: Extents, and the steps in the operands' memory from one row, column and matrix to the
#: next.
NUMBERS = (
    *("m", "n", "k", "batch"),
    *("lhs_row", "lhs_column", "lhs_matrix"),
    *("rhs_row", "rhs_column", "rhs_matrix"),
)
#: Those of a product with a vector, whose matrix has a row for each element of `out`.
OF_VECTOR = (
    *("rows", "k", "batch", "table_row", "table_column", "table_matrix"),
    *("vector_step", "vector_matrix"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """What a block does at once: ``side * side`` threads, `each` by `each` for each.

    A thread's elements are `side` rows and columns apart, so that neighbouring threads
    read neighbouring elements of shared memory.  The operands are there `depth` columns
    and rows at a time.  Raises ValueError where the threads are too few for that.
    """

    side: int
    each: int
    depth: int

    def __post_init__(self) -> None:
        if self.each > self.side or self.threads % self.depth:
            raise ValueError(f"the threads of {self} cannot share out its elements")

    @property
    def height(self) -> int:
        """Rows of the result."""
        return self.side * self.each

    @property
    def width(self) -> int:
        """Columns of the result."""
        return self.side * self.each

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return self.side**2

    @property
    def pitch(self) -> int:
        """From one column of the left tile to the next, one row of the right one.

        Threads that lie along k store into different banks, of which there are 32.
        """
        return self.height + max(1, 32 // self.depth)

    @property
    def unrolled(self) -> int:
        """Steps along k that are written out, so that there is enough to compute."""
        return 1 if self.each > 4 else min(4, self.depth)

    @property
    def size(self) -> int:
        """Elements of an operand's tile in shared memory."""
        return self.depth * self.pitch

    @property
    def brought(self) -> int:
        """The elements of an operand's tile that a thread brings there."""
        return self.height * self.depth // self.threads


def tiled(
    dtype: str,
    tile: Tile,
    *,
    transposed: tuple[bool, bool] = (False, False),
    accumulate: bool = False,
    chunked: bool = False,
    epilogue: Epilogue | None = None,
) -> Stage:
    """Products of matrices; `chunked`, each block does a chunk of the sums over k.

    A block goes on with its elements by the `epilogue`; raises ValueError where the
    tile's memory is too little for that.
    """
    name = _name("product", dtype, accumulate, chunked)
    name += f"_{tile.height}" + "".join("nt"[flag] for flag in transposed)
    arguments = _arguments(dtype, ("lhs", "rhs"), NUMBERS, chunked)
    # Threads lie along what is contiguous in memory.
    left = _Operand("lhs", "a", tile, "row", "m", not transposed[0])
    right = _Operand("rhs", "b", tile, "column", "n", transposed[1])
    lines = [
        *_opening(dtype, tile, chunked),
        *(f"    {line}" for line in _whole_tile(dtype, tile, left, right)),
    ]
    if epilogue is None:
        stored = _stored(tile, accumulate, chunked)
        lines += [f"    {line}" for line in stored]
        return _stage(name, lines, arguments, tile.threads)
    ending = _ending(epilogue, lines, arguments, "out_at beside columns c")
    lines += [f"    {line}" for line in _handed_on(tile, accumulate, ending)]
    return _ended(name, lines, arguments, tile.threads, ending, accumulate)


def _opening(dtype: str, tile: Tile, chunked: bool) -> Iterator[str]:
    """The memory of a block, and which tile is its own."""
    sign = "a chunk of " if chunked else ""
    size, side = tile.size, tile.side
    yield f'    """{sign}lhs[b] @ rhs[b], m x k and k x n; a block does one tile."""'
    yield f"    left = cuda.shared.array({2 * size}, np.{dtype})"
    yield f"    right = cuda.shared.array({2 * size}, np.{dtype})"
    yield "    thread = cuda.threadIdx.x"
    yield f"    x = thread % {side}"
    yield f"    y = thread // {side}"
    yield f"    across = (n + {tile.width - 1}) // {tile.width}"
    yield f"    down = (m + {tile.height - 1}) // {tile.height}"
    yield f"    column = cuda.blockIdx.x % across * {tile.width}"
    yield "    rest = cuda.blockIdx.x // across"
    yield f"    row = rest % down * {tile.height}"
    yield "    matrix = rest // down"
    yield from (f"    {line}" for line in _range_of_k(chunked))


def _range_of_k(chunked: bool) -> Iterator[str]:
    """Where the sums begin and end."""
    if chunked:
        yield "begin = matrix // batch * chunk"
        yield "place = matrix"
        yield "matrix = matrix % batch"
        yield "end = min(begin + chunk, k)"
    else:
        yield "begin = 0"
        yield "end = k"


@dataclass(frozen=True, slots=True)
class _Operand:
    """How a thread brings its elements of an operand's tile to shared memory.

    `along_k` says that neighbouring threads' elements are neighbours along k.
    """

    name: str
    value: str
    tile: Tile
    other: str
    extent: str
    along_k: bool

    @property
    def steps(self) -> tuple[str, str]:
        """The steps in memory along k and along the other axis."""
        row, column = f"{self.name}_row", f"{self.name}_column"
        return (column, row) if self.name == "lhs" else (row, column)

    def begin(self) -> Iterator[str]:
        """Where the thread's first element lies."""
        v, tile = self.value, self.tile
        fast, slow = (f"{v}_k", f"{v}_{self.other}")
        if not self.along_k:
            fast, slow = slow, fast
        length = tile.depth if self.along_k else tile.height
        yield f"{fast} = thread % {length}"
        yield f"{slow} = thread // {length}"
        k_step, step = self.steps
        yield (
            f"{v}_at = matrix * {self.name}_matrix + "
            f"({self.other} + {v}_{self.other}) * {step} + {v}_k * {k_step}"
        )

    def places(self) -> Iterator[tuple[int, int]]:
        """For each element, how far along k and along the other axis it is."""
        apart = self.tile.threads // (
            self.tile.depth if self.along_k else self.tile.height
        )
        for e in range(self.tile.brought):
            yield (0, e * apart) if self.along_k else (e * apart, 0)

    def load(self, dtype: str, start: str) -> Iterator[str]:
        """Take the elements from global memory; beyond the edges they are 0."""
        k_step, step = self.steps
        v = self.value
        for e, (down, aside) in enumerate(self.places()):
            k_at = f"{start} + {v}_k" + (f" + {down}" if down else "")
            at = f"{self.other} + {v}_{self.other}" + (f" + {aside}" if aside else "")
            yield f"{v}_{e} = np.{dtype}(0.0)"
            yield f"if {k_at} < end and {at} < {self.extent}:"
            place = f"{v}_at + {start} * {k_step}"
            place += f" + {down} * {k_step}" if down else ""
            place += f" + {aside} * {step}" if aside else ""
            yield f"    {v}_{e} = {self.name}[{place}]"

    def keep(self, array: str, side: str) -> Iterator[str]:
        """Store them to the tile on a side."""
        v, tile = self.value, self.tile
        yield (
            f"{v}_to = {side} * {tile.size} + {v}_k * {tile.pitch} + {v}_{self.other}"
        )
        for e, (down, aside) in enumerate(self.places()):
            more = down * tile.pitch + aside
            yield f"{array}[{v}_to{f' + {more}' if more else ''}] = {v}_{e}"


def _whole_tile(
    dtype: str, tile: Tile, left: _Operand, right: _Operand
) -> Iterator[str]:
    """The sums of one tile, in registers.

    The tiles of the operands have two sides: while threads compute with one, they bring
    the next elements to the other.
    """
    yield from left.begin()
    yield from right.begin()
    each = range(tile.each)
    for r in each:
        for c in each:
            yield f"total_{r}_{c} = np.{dtype}(0.0)"
    for operand in (left, right):
        yield from operand.load(dtype, "begin")
    yield from left.keep("left", "0")
    yield from right.keep("right", "0")
    yield "cuda.syncthreads()"
    yield "now = 0"
    yield f"for start in range(begin, end, {tile.depth}):"
    yield f"    following = start + {tile.depth}"
    for operand in (left, right):
        yield from (f"    {line}" for line in operand.load(dtype, "following"))
    yield f"    left_at = now * {tile.size} + y"
    yield f"    right_at = now * {tile.size} + x"
    yield f"    for step in range(0, {tile.depth}, {tile.unrolled}):"
    for u in range(tile.unrolled):
        for c in each:
            at = f"step * {tile.pitch} + {u * tile.pitch + c * tile.side}"
            yield f"        l_{c} = left[left_at + {at}]"
            yield f"        r_{c} = right[right_at + {at}]"
        for r in each:
            for c in each:
                yield f"        total_{r}_{c} = total_{r}_{c} + l_{r} * r_{c}"
    yield "    now = 1 - now"
    yield from (f"    {line}" for line in left.keep("left", "now"))
    yield from (f"    {line}" for line in right.keep("right", "now"))
    yield "    cuda.syncthreads()"


def _stored(tile: Tile, accumulate: bool, chunked: bool) -> Iterator[str]:
    """Store a thread's elements."""
    array, matrix = ("parts", "place") if chunked else ("out", "matrix")
    sign = "+=" if accumulate and not chunked else "="
    for r in range(tile.each):
        down = f"row + y + {r * tile.side}"
        yield f"out_at = ({matrix} * m + {down}) * n + column + x"
        yield f"if {down} < m:"
        for c in range(tile.each):
            yield f"    if column + x + {c * tile.side} < n:"
            yield f"        {array}[out_at + {c * tile.side}] {sign} total_{r}_{c}"


def _handed_on(tile: Tile, accumulate: bool, ending: Ending) -> Iterator[str]:
    """Go on with a thread's elements.

    Several go through places of the thread's own in shared memory, where a loop can
    find them: what is done with them is written once for a row and not for each.
    """
    side, each = tile.side, tile.each
    if each * tile.threads > 2 * tile.size:
        raise ValueError(f"{tile} has no room for a row of each thread's elements")
    yield from (*ending.first, *ending.ones(), *ending.at("matrix", "matrix"))
    # Of unknown length, the loop is not written out, which would take registers.
    yield f"columns = min((n - column - x + {side - 1}) // {side}, {each})"
    total = f"left[c * {tile.threads} + thread]" if each > 1 else "total_0_0"
    total = f"out[out_at + beside] + {total}" if accumulate else total
    for r in range(each):
        down = f"row + y + {r * side}"
        yield f"if {down} < m:"
        yield from (f"    {line}" for line in ending.at("row", down))
        if accumulate:
            yield f"    out_at = (matrix * m + {down}) * n"
        for c in range(each if each > 1 else 0):
            yield f"    left[{c * tile.threads} + thread] = total_{r}_{c}"
        yield "    for c in range(columns):"
        yield f"        beside = column + x + c * {side}"
        for line in (*ending.at("column", "beside"), ending.call(total)):
            yield f"        {line}"


def of_vector(
    dtype: str,
    operands: tuple[str, str],
    *,
    threads: int,
    warp: int = 1,
    accumulate: bool = False,
    chunked: bool = False,
    epilogue: Epilogue | None = None,
) -> Stage:
    """Products of matrices with vectors, each row by `warp` threads.

    `operands` says which is the matrix and which the vector: "lhs" and "rhs", or the
    other way round.  One thread of a row's goes on with its element by the `epilogue`.
    """
    name = _name("rows" if warp > 1 else "columns", dtype, accumulate, chunked)
    arguments = _arguments(dtype, operands, OF_VECTOR, chunked)
    who, used = "cuda.grid(1)", set[str]()
    lines = ['    """table[b] @ vector[b]; a thread does one row."""']
    if warp > 1:
        lines = ['    """table[b] @ vector[b]; a warp does one row."""']
        lines.append(f"    thread = cuda.threadIdx.x % {warp}")
        who = f"cuda.grid(1) // {warp}"
    total = "batch * rows" + (" * chunks" if chunked else "")
    first = "begin + thread" if warp > 1 else "begin"
    lines += [
        f"    number = {who}",
        f"    if number >= {total}:",
        "        return",
        "    row = number % rows",
        "    matrix = number // rows",
        *(f"    {line}" for line in _range_of_k(chunked)),
        "    table_at = matrix * table_matrix + row * table_row",
        "    vector_at = matrix * vector_matrix",
        f"    total = np.{dtype}(0.0)",
        f"    for at in range({first}, end, {warp}):",
        "        a = table[table_at + at * table_column]",
        "        b = vector[vector_at + at * vector_step]",
        "        total = total + a * b",
    ]
    held = combine.Held("total", dtype, "{} + {}".format, "")
    lines += [f"    {x}" for x in combine.combined([held], warp, warp, used)]
    array, at = ("parts", "place") if chunked else ("out", "matrix")
    sign = "+=" if accumulate and not chunked else "="
    place = f"{array}[{at} * rows + row]"
    stores, ending = [f"{place} {sign} total"], None
    if epilogue is not None:
        ending = _ending(epilogue, lines, arguments, "out")
        along, other = ("row", "column") if operands[0] == "lhs" else ("column", "row")
        stores = [
            *(*ending.first, *ending.ones(), *ending.at("matrix", "matrix")),
            *(*ending.at(along, "row"), *ending.at(other, "0")),
            ending.call(f"{place} + total" if accumulate else "total"),
        ]
    if warp > 1:
        lines.append("    if thread == 0:")
        stores = [f"    {line}" for line in stores]
    lines += [f"    {line}" for line in stores]
    if ending is None:
        return _stage(name, lines, arguments, threads, used)
    return _ended(name, lines, arguments, threads, ending, accumulate, used)


def added_up(
    dtype: str, accumulate: bool, threads: int, epilogue: Epilogue | None = None
) -> Stage:
    """What adds up the chunks' results, in order, and goes on by the `epilogue`."""
    name = _name("product", dtype, accumulate, False) + "_finish"
    arguments = (
        *(Argument("out", dtype, "buffer", "out"),),
        *(Argument("parts", dtype, "area", "parts"),),
        *(Argument(a, "int64", "size", a) for a in ("count", "chunks")),
    )
    lines = [
        '    """out[i] = parts[0, i] + parts[1, i] + ...; each by a thread."""',
        "    for i in range(cuda.grid(1), count, cuda.gridsize(1)):",
        "        total = parts[i]",
        "        for chunk in range(1, chunks):",
        "            total = total + parts[chunk * count + i]",
    ]
    if epilogue is None:
        lines.append(f"        out[i] {'+=' if accumulate else '='} total")
        return _stage(name, lines, arguments, threads)
    ending = _ending(epilogue, lines, arguments, "out")
    start, on = ending.every("cuda.grid(1)", "cuda.gridsize(1)")
    total = "out[i] + total" if accumulate else "total"
    lines[1:1] = [f"    {line}" for line in (*ending.first, *start)]
    lines += [f"        {line}" for line in (ending.call(total), *on)]
    return _ended(name, lines, arguments, threads, ending, accumulate)


def _ending(
    epilogue: Epilogue,
    lines: Sequence[str],
    arguments: Sequence[Argument],
    more: str,
) -> Ending:
    """An epilogue behind `lines`, whose words, and `more`, mean something already."""
    names = (argument.name for argument in arguments)
    return Ending(epilogue, " ".join([*lines, *names, more]))


def _ended(
    name: str,
    lines: Sequence[str],
    arguments: tuple[Argument, ...],
    threads: int,
    ending: Ending,
    accumulate: bool,
    used: Iterable[str] = (),
) -> Stage:
    """A stage with an epilogue, which leaves no result but to add to."""
    title = lines[0].replace(";", f", then {ending.epilogue.name};", 1)
    arguments = tuple(a for a in arguments if a.name != "out" or accumulate)
    return _stage(
        name + ending.name,
        [title, *lines[1:]],
        (*arguments, *ending.arguments),
        threads,
        {*used, *ending.used},
        ending.functions,
    )


def _name(what: str, dtype: str, accumulate: bool, chunked: bool) -> str:
    added = "_added" if accumulate and not chunked else ""
    return f"{what}_{dtype}{added}{'_chunks' if chunked else ''}"


def _arguments(
    dtype: str, operands: tuple[str, str], numbers: Sequence[str], chunked: bool
) -> tuple[Argument, ...]:
    """The result (or the chunks' parts of it), the operands, and numbers."""
    names = operands if numbers is NUMBERS else ("table", "vector")
    out = Argument("out", dtype, "buffer", "out")
    if chunked:
        out = Argument("parts", dtype, "area", "parts")
        numbers = (*numbers, "chunk", "chunks")
    pairs = zip(names, operands, strict=True)
    return (
        out,
        *(Argument(name, dtype, "buffer", operand) for name, operand in pairs),
        *(Argument(a, "int64", "size", a) for a in numbers),
    )


def _stage(
    name: str,
    lines: Sequence[str],
    arguments: tuple[Argument, ...],
    threads: int,
    used: Iterable[str] = (),
    functions: Sequence[str] = (),
) -> Stage:
    """A kernel that calls what is `used`, and the `functions` that stand before it."""
    head = ["import numpy as np", "from numba import cuda"]
    if used:
        head += ["", *imported(sorted(used))]
    define = f"def {name}({', '.join(a.name for a in arguments)}):"
    text = "\n".join([*head, "", *functions, "", define, *lines]) + "\n"
    return Stage(name, text, arguments, threads)

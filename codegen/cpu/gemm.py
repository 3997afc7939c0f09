"""LLVM text of matrix products: the loops around what `gemm_parts` has.

The plan is that of K. Goto and R. van de Geijn, "Anatomy of high-performance matrix
multiplication" (2008), with the sides exchanged, since arrays are row-major: a strip of
the right operand, as wide as two vectors and `DEPTH` rows deep, lies in the first level
of cache, while a block of the left one, `height` rows of as many terms, comes from the
second.  Micro-kernels keep the sums of some rows of a strip in registers.

Each element is one chain of fused operations for each `DEPTH` terms, and these are
added up in order.  So it depends neither on where a product is cut, nor on other rows
and columns.  Products with a vector are summed in other orders: see `dots` and
`weighted`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .gemm_parts import (
    NARROW,
    Shape,
    at,
    dots,
    function,
    least,
    micro,
    pack,
    pack_call,
    put,
    put_call,
    weighted,
)
from .host import Host
from .lines import Writer

#: Terms of a sum at a time: of a strip, 24 KB where vectors have 64 bytes.
DEPTH = 192
#: Bytes of a block of the left operand.  Threads may have no more stack than 256 KB.
BLOCK = 112 * 1024
#: With so few rows the right operand is read where it is, and the left one with so few
#: strips: copying would take longer than it saves.
FEW_ROWS, FEW_STRIPS = 24, 3


def height(shape: Shape) -> int:
    """Rows of the left operand at a time: a multiple of what any micro-kernel has."""
    most = shape.rows[0]
    return BLOCK // (DEPTH * shape.size * most) * most


def inner(dtype: str, host: Host) -> tuple[str, list[str]]:
    """What ``gemm_DTYPE`` calls, and the declarations that this needs."""
    shape = Shape(dtype, host)
    texts = [micro(shape, rows) for rows in shape.rows]
    texts.append(micro(shape, shape.rows[0], narrow=True))
    texts += [f(shape) for f in (pack, put, dots, weighted)]
    declared = {line: None for _, lines in texts for line in lines}
    return "\n".join(text for text, _ in texts), list(declared)


def outer(dtype: str, host: Host) -> tuple[str, list[str]]:
    """``gemm_DTYPE(a, sai, sap, b, sbp, sbj, c, sci, m, n, k, add)``.

    It makes C = A B, or adds A B to C.  A is m x k, its elements `sai` and `sap` apart;
    B is k x n, `sbp` and `sbj` apart; C has rows of n elements, `sci` apart.
    """
    w, shape = Writer(), Shape(dtype, host)
    most = shape.rows[0]
    for name, count in (
        ("strip", DEPTH * shape.width),
        ("block", DEPTH * height(shape)),
        ("edge", DEPTH * shape.rows[1]),
        ("tile", most * shape.width),
    ):
        w.effect(f"%{name} = alloca [{count} x {shape.kind}], align 64")
    w.effect(f"%many = icmp sgt i64 %n, {FEW_STRIPS * shape.width}")
    w.effect("%read.sai = select i1 %many, i64 1, i64 %sai")
    for rows in shape.rows:
        w.effect(f"%read.sap.{rows} = select i1 %many, i64 {rows}, i64 %sap")
    _Blocks(w, shape).all()
    head = (
        f"define internal void @gemm_{dtype}(ptr noalias %a, i64 %sai, i64 %sap, "
        "ptr noalias %b, i64 %sbp, i64 %sbj, ptr noalias %c, i64 %sci, i64 %m, i64 %n, "
        "i64 %k, i1 %add)"
    )
    return function(head, w)


@dataclass(frozen=True, slots=True)
class _Left:
    """A block of the left operand, `k` terms deep.

    It has `m` rows, of which `blocks` are done by the larger micro-kernel, the others
    up to `whole` by the smaller one, and the last by that with zeros.  `base` is where
    it is read, its rows `step` apart.
    """

    k: str
    m: str
    blocks: str
    whole: str
    base: str
    step: str
    add: str


@dataclass(frozen=True, slots=True)
class _Right:
    """A strip of the right operand with `n` columns, and where its results belong.

    It is read at `base`, its rows `pitch` apart; `full`: it is as wide as any;
    `narrow`: one vector is enough.
    """

    n: str
    full: str
    narrow: str
    base: str
    pitch: str
    c: str


@dataclass(frozen=True, slots=True)
class _Blocks:
    """The loops of a product around its micro-kernels."""

    w: Writer
    shape: Shape

    def op(self, text: str, *operands: str) -> str:
        """An instruction, as far out as what it uses is known."""
        self.w.place(*operands)
        return self.w.op(text)

    def all(self) -> None:
        """The whole product: terms, rows, columns."""
        w, kind, most = self.w, self.shape.kind, height(self.shape)

        def depth(p: str, _: list[str]) -> list[str]:
            k = least(w, self.op(f"sub i64 %k, {p}", p), DEPTH)
            later = self.op(f"icmp sgt i64 {p}, 0", p)
            add = self.op(f"or i1 {later}, %add", later)
            a = at(w, kind, "%a", w.times(p, "%sap"))
            b = at(w, kind, "%b", w.times(p, "%sbp"))

            def rows(i: str, _: list[str]) -> list[str]:
                start = at(w, kind, a, w.times(i, "%sai"))
                m = least(w, self.op(f"sub i64 %m, {i}", i), most)
                self.rows(self.left(start, m, k, add), b, i)
                return []

            w.loop("rows", ("0", "%m", most), [], rows)
            return []

        w.loop("depth", ("0", "%k", DEPTH), [], depth)

    def left(self, start: str, m: str, k: str, add: str) -> _Left:
        """A block of the left operand, copied where it is read often."""
        w, kind, (most, few) = self.w, self.shape.kind, self.shape.rows
        over = self.op(f"urem i64 {m}, {most}", m)
        blocks = self.op(f"sub i64 {m}, {over}", m, over)
        beyond = self.op(f"urem i64 {over}, {few}", over)
        whole = self.op(f"sub i64 {m}, {beyond}", m, beyond)

        def copied(low: str, high: str, rows: int) -> None:
            def one(i: str, _: list[str]) -> list[str]:
                source = at(w, kind, start, w.times(i, "%sai"))
                out = at(w, kind, "%block", w.times(i, k))
                operand = (source, "%sap", "%sai")
                w.effect(pack_call(self.shape, operand, k, (rows, rows), out))
                return []

            w.loop("copied", (low, high, rows), [], one)

        for low, high, rows in (("0", blocks, most), (blocks, whole, few)):
            end = self.op(f"select i1 %many, i64 {high}, i64 {low}", low, high)
            copied(low, end, rows)
        some = self.op(f"icmp ne i64 {beyond}, 0", beyond)
        source = at(w, kind, start, w.times(whole, "%sai"))
        operand = (source, "%sap", "%sai")
        last = pack_call(self.shape, operand, k, (beyond, few), "%edge")
        w.branch_around(some, [last])
        base = self.op(f"select i1 %many, ptr %block, ptr {start}", start)
        step = self.op(f"select i1 %many, i64 {k}, i64 %sai", k)
        return _Left(k, m, blocks, whole, base, step, add)

    def rows(self, left: _Left, b: str, i: str) -> None:
        """All columns of a block's rows, which begin with `i`."""
        w, shape, kind = self.w, self.shape, self.shape.kind
        c = at(w, kind, "%c", w.times(i, "%sci"))
        few = self.op(f"icmp sle i64 {left.m}, {FEW_ROWS}", left.m)
        straight = self.op("icmp eq i64 %sbj, 1")
        near = self.op(f"and i1 {few}, {straight}", few, straight)

        def strip(j: str, _: list[str]) -> list[str]:
            n = least(w, self.op(f"sub i64 %n, {j}", j), shape.width)
            here = at(w, kind, b, w.times(j, "%sbj"))
            full = self.op(f"icmp eq i64 {n}, {shape.width}", n)
            stays = self.op(f"and i1 {near}, {full}", near, full)
            moved = self.op(f"xor i1 {stays}, true", stays)
            operand, size = (here, "%sbp", "%sbj"), (n, shape.width)
            packed = pack_call(shape, operand, left.k, size, "%strip")
            w.branch_around(moved, [packed])
            base = self.op(f"select i1 {stays}, ptr {here}, ptr %strip", stays, here)
            pitch = f"select i1 {stays}, i64 %sbp, i64 {shape.width}"
            pitch = self.op(pitch, stays)
            narrow = self.op(f"icmp sle i64 {n}, {shape.lanes}", n)
            right = _Right(n, full, narrow, base, pitch, at(w, kind, c, j))
            self.tiles(left, right)
            return []

        w.loop("strip", ("0", "%n", shape.width), [], strip)

    def tiles(self, left: _Left, right: _Right) -> None:
        """All rows of a strip."""
        w, kind, (most, few) = self.w, self.shape.kind, self.shape.rows

        def some(rows: int, low: str, high: str) -> None:
            def one(r: str, _: list[str]) -> list[str]:
                a = at(w, kind, left.base, w.times(r, left.step))
                steps = f"i64 %read.sai, i64 %read.sap.{rows}"
                self.tile(rows, f"ptr {a}, {steps}", left, right, r)
                return []

            w.loop("tile", (low, high, rows), [], one)

        some(most, "0", left.blocks)
        some(few, left.blocks, left.whole)
        beyond = self.op(f"sub i64 {left.m}, {left.whole}", left.m, left.whole)
        cut = self.op(f"icmp sgt i64 {beyond}, 0", beyond)
        c = at(w, kind, right.c, w.times(left.whole, "%sci"))
        a = f"ptr %edge, i64 1, i64 {few}"
        into = f"ptr %tile, i64 {self.shape.width}"
        w.branch_around(
            cut,
            [
                self.micro(few, a, left, right, into, "false"),
                put_call(self.shape, c, beyond, right.n, left.add),
            ],
        )

    def tile(self, rows: int, a: str, left: _Left, right: _Right, r: str) -> None:
        """Some rows of a strip; beside the right edge they are made, and then cut."""
        w, full = self.w, right.full
        c = at(w, self.shape.kind, right.c, w.times(r, "%sci"))
        into = self.op(f"select i1 {full}, ptr {c}, ptr %tile", full, c)
        step = self.op(f"select i1 {full}, i64 %sci, i64 {self.shape.width}", full)
        add = self.op(f"and i1 {full}, {left.add}", full, left.add)
        cut = self.op(f"xor i1 {full}, true", full)
        arguments = (a, left, right, f"ptr {into}, i64 {step}", add)
        if rows == self.shape.rows[0]:
            kinds = (self.micro(f"{rows}{k}", *arguments) for k in (NARROW, ""))
            w.either(right.narrow, "void", *kinds)
        else:
            w.effect(self.micro(rows, *arguments))
        w.branch_around(cut, [put_call(self.shape, c, rows, right.n, left.add)])

    def micro(
        self, rows: int | str, a: str, left: _Left, right: _Right, into: str, add: str
    ) -> str:
        """The call of a micro-kernel."""
        return (
            f"call void @micro_{self.shape.dtype}_{rows}({a}, ptr {right.base}, "
            f"i64 {right.pitch}, {into}, i64 {left.k}, i1 {add})"
        )

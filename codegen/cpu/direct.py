"""LLVM text of products with few rows, without a library.

BLAS copies both operands into the order in which its inner loop reads them.  Where the
left one has few rows, as in a recurrent network's step, that takes as long as the
multiplications.  A right operand whose rows are contiguous can be read as it is: a
strip of it as wide as two vectors stays in cache for all rows of the left one.

Blocks at the far ends are moved back until they fit, or repeat the last row: what is
computed twice is the same both times, as every element is one sum in order.
"""

from __future__ import annotations

from .host import Host
from .product import ELEMENT

#: More rows than this are worth the library's copies.
MOST_ROWS = 64
#: Bytes of a strip: it stays in the first level of cache, or of float32 near it: there
#: rows that lie a power of two apart push each other out half as soon.
STRIP = 32768
#: The most rows of a strip of float32.
MOST_DEPTH = 512
#: Vectors side by side in a block.
ACROSS = 2


def width(dtype: str, host: Host) -> int:
    """The least number of columns, that of one block."""
    return ACROSS * _lanes(dtype, host)


def depth(dtype: str, host: Host) -> int:
    """The most multiplications an element may be a sum of."""
    if dtype == "float32":
        return MOST_DEPTH
    return STRIP // (ACROSS * host.vector_bytes)


def _lanes(dtype: str, host: Host) -> int:
    _, shift, _ = ELEMENT[dtype]
    return host.vector_bytes >> shift


def _rows(host: Host) -> int:
    """Rows of a block: with two vectors each, they fill the registers."""
    return 12 if host.vector_bytes == 64 else 6


def direct(dtype: str, host: Host) -> str:
    """``direct_DTYPE(a, sai, sap, b, ldb, c, ldc, m, n, k)``: C = A B.

    A is m x k, its elements `sai` and `sap` apart; B and C have rows of n elements,
    `ldb` and `ldc` apart.  m and k are 1 or more, n is `width` or more.
    """
    kind, columns = ELEMENT[dtype][0], width(dtype, host)
    lines = [
        f"define internal void @direct_{dtype}(ptr %a, i64 %sai, i64 %sap, ptr %b,",
        "    i64 %ldb, ptr %c, i64 %ldc, i64 %m, i64 %n, i64 %k) {",
        "entry:",
        "  %last.row = sub i64 %m, 1",
        f"  %last.column = sub i64 %n, {columns}",
        "  br label %strip",
        "strip:",
        "  %j = phi i64 [ 0, %entry ], [ %j.next, %strip.end ]",
        "  %j.at = call i64 @llvm.smin.i64(i64 %j, i64 %last.column)",
        f"  %b.at = getelementptr {kind}, ptr %b, i64 %j.at",
        f"  %c.at = getelementptr {kind}, ptr %c, i64 %j.at",
        "  br label %block",
        *_block(dtype, host),
        *_depth(dtype, host),
        *_store(dtype, host),
        "strip.end:",
        f"  %j.next = add i64 %j, {columns}",
        "  %more.columns = icmp slt i64 %j.next, %n",
        "  br i1 %more.columns, label %strip, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _block(dtype: str, host: Host) -> list[str]:
    """Where the rows of a block begin; those past the last are the last again."""
    kind = ELEMENT[dtype][0]
    lines = ["block:", "  %i = phi i64 [ 0, %strip ], [ %i.next, %store ]"]
    for r in range(_rows(host)):
        lines += [
            f"  %row{r}.past = add i64 %i, {r}",
            f"  %row{r} = call i64 @llvm.smin.i64(i64 %row{r}.past, i64 %last.row)",
            f"  %skip{r} = mul i64 %row{r}, %sai",
            f"  %a{r} = getelementptr {kind}, ptr %a, i64 %skip{r}",
        ]
    return [*lines, "  br label %depth"]


def _depth(dtype: str, host: Host) -> list[str]:
    """The sums of a block, in registers."""
    kind, shift, _ = ELEMENT[dtype]
    lanes, rows = _lanes(dtype, host), _rows(host)
    vector = f"<{lanes} x {kind}>"
    lines = [
        "depth:",
        "  %p = phi i64 [ 0, %block ], [ %p.next, %depth ]",
        "  %along = phi i64 [ 0, %block ], [ %along.next, %depth ]",
        "  %down = phi ptr [ %b.at, %block ], [ %down.next, %depth ]",
    ]
    lines += [
        f"  %t{r}.{v} = phi {vector} [ zeroinitializer, %block ], [ %s{r}.{v}, %depth ]"
        for r in range(rows)
        for v in range(ACROSS)
    ]
    for v in range(ACROSS):
        lines += [
            f"  %b{v}.at = getelementptr {kind}, ptr %down, i64 {v * lanes}",
            f"  %b{v} = load {vector}, ptr %b{v}.at, align {1 << shift}",
        ]
    for r in range(rows):
        lines += [
            f"  %x{r}.at = getelementptr {kind}, ptr %a{r}, i64 %along",
            f"  %x{r} = load {kind}, ptr %x{r}.at",
            f"  %x{r}.one = insertelement {vector} poison, {kind} %x{r}, i32 0",
            f"  %x{r}.all = shufflevector {vector} %x{r}.one, {vector} poison, "
            f"<{lanes} x i32> zeroinitializer",
        ]
        lines += [
            f"  %s{r}.{v} = call {vector} @{_multiply_add(dtype, lanes)}({vector} "
            f"%x{r}.all, {vector} %b{v}, {vector} %t{r}.{v})"
            for v in range(ACROSS)
        ]
    return [
        *lines,
        "  %p.next = add i64 %p, 1",
        "  %along.next = add i64 %along, %sap",
        f"  %down.next = getelementptr {kind}, ptr %down, i64 %ldb",
        "  %deeper = icmp slt i64 %p.next, %k",
        "  br i1 %deeper, label %depth, label %store",
    ]


def _store(dtype: str, host: Host) -> list[str]:
    """The sums put into C, and on to the next block."""
    kind, shift, _ = ELEMENT[dtype]
    lanes, rows = _lanes(dtype, host), _rows(host)
    lines = ["store:"]
    for r in range(rows):
        lines += [
            f"  %over{r} = mul i64 %row{r}, %ldc",
            f"  %c{r} = getelementptr {kind}, ptr %c.at, i64 %over{r}",
        ]
        for v in range(ACROSS):
            lines += [
                f"  %c{r}.{v} = getelementptr {kind}, ptr %c{r}, i64 {v * lanes}",
                f"  store <{lanes} x {kind}> %s{r}.{v}, ptr %c{r}.{v}, "
                f"align {1 << shift}",
            ]
    return [
        *lines,
        f"  %i.next = add i64 %i, {rows}",
        "  %more.rows = icmp slt i64 %i.next, %m",
        "  br i1 %more.rows, label %block, label %strip.end",
    ]


def _multiply_add(dtype: str, lanes: int) -> str:
    suffix = {"float32": "f32", "float64": "f64"}[dtype]
    return f"llvm.fmuladd.v{lanes}{suffix}"


def declaration(dtype: str, host: Host) -> str:
    """The intrinsic that `direct` uses."""
    kind, _, _ = ELEMENT[dtype]
    lanes = _lanes(dtype, host)
    vector = f"<{lanes} x {kind}>"
    name = _multiply_add(dtype, lanes)
    return f"declare {vector} @{name}({vector}, {vector}, {vector})"

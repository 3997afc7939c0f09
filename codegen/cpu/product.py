"""LLVM text of the matrix product: a kernel whose range is panels, batch by batch.

A product runs through the same `launch` as a loop kernel does.  Its unit of work is one
panel of one product of the batch: a band of whole rows or of whole columns of the
result, computed by one call of what `gemm` has.  Shape alone cuts them.
"""

from __future__ import annotations

#: Fewer multiplications than this are one panel: about 30 microseconds.
PANEL_WORK = 1_000_000
#: The least extent of a panel, where two have that.  Each panel copies the other
#: operand again, so that one of 64 takes a fourth longer than one of 256.
PANEL_LEAST = 128
#: The least extent where they do not, but halves are no shorter.
PANEL_SHORT = 32
#: Panels start at multiples of this many rows or columns.
PANEL_ALIGN = 32
#: The most panels of one product.
MOST_PANELS = 32
#: Terms of a product with a vector that are summed at a time.
TERMS = 2048
#: How many multiplications of a product take as long as one addition of a float32 loop,
#: which is one of several in a vector.
PER_COST = 2

#: Words of a product's sizes.  The first ones are the caller's; `panels` fills in the
#: last three.
M, N, K, TRANSPOSE_LHS, TRANSPOSE_RHS, STRIDE_LHS, STRIDE_RHS, ACCUMULATE = range(8)
PANELS, EXTENT, BY_ROWS = 8, 9, 10
SIZES = 11

#: (LLVM type, log2 of its bytes) by dtype.
ELEMENT = {"float32": ("float", 2), "float64": ("double", 3)}


def _words(names: dict[str, int]) -> str:
    """Lines that load the given words of ``%sizes``."""
    return "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %sizes, i64 {position}\n"
        f"  %{name} = load i64, ptr %{name}.at"
        for name, position in names.items()
    )


#: ``panels(sizes)`` cuts a product, and returns the cost of one panel for `plan` (in
#: multiplications over `PER_COST`).
PANELS_TEXT = f"""
define internal double @panels(ptr %sizes) {{
{_words({"m": M, "n": N, "k": K})}
  %wide = call i64 @llvm.smax.i64(i64 %m, i64 %n)
  %fm = uitofp i64 %m to double
  %fn = uitofp i64 %n to double
  %fk = uitofp i64 %k to double
  %area = fmul double %fm, %fn
  %work = fmul double %area, %fk
  %by.work = fdiv double %work, {float(PANEL_WORK):e}
  %few = call double @llvm.minnum.f64(double %by.work, double {float(MOST_PANELS):e})
  %wanted = fptosi double %few to i64
  %half = udiv i64 %wide, 2
  %short = call i64 @llvm.smin.i64(i64 %half, i64 {PANEL_LEAST})
  %least = call i64 @llvm.smax.i64(i64 %short, i64 {PANEL_SHORT})
  %possible = udiv i64 %wide, %least
  %fewer = call i64 @llvm.smin.i64(i64 %wanted, i64 %possible)
  %aim = call i64 @llvm.smax.i64(i64 %fewer, i64 1)
  %wide.up = add i64 %wide, %aim
  %wide.over = sub i64 %wide.up, 1
  %even = udiv i64 %wide.over, %aim
  %even.up = add i64 %even, {PANEL_ALIGN - 1}
  %rounded = and i64 %even.up, -{PANEL_ALIGN}
  %extent = call i64 @llvm.smax.i64(i64 %rounded, i64 {PANEL_ALIGN})
  %last.up = add i64 %wide, %extent
  %last = sub i64 %last.up, 1
  %cuts = udiv i64 %last, %extent
  %rows = icmp sge i64 %m, %n
  %by.rows = zext i1 %rows to i64
  %panels.at = getelementptr i64, ptr %sizes, i64 {PANELS}
  store i64 %cuts, ptr %panels.at
  %extent.at = getelementptr i64, ptr %sizes, i64 {EXTENT}
  store i64 %extent, ptr %extent.at
  %by.rows.at = getelementptr i64, ptr %sizes, i64 {BY_ROWS}
  store i64 %by.rows, ptr %by.rows.at
  %divisor = uitofp i64 %aim to double
  %share = fdiv double %work, %divisor
  %cost = fdiv double %share, {float(PER_COST):e}
  ret double %cost
}}
"""


def product(dtype: str) -> str:
    """The kernel ``product_DTYPE``: panels lo to hi of ``out, lhs, rhs`` in `bufs`.

    A product with a vector, which has one row or one column, is the products of a
    table's rows with it where these are contiguous, and else a sum of the table's rows.
    """
    kind, shift = ELEMENT[dtype]
    return _TEXT.format(dtype=dtype, kind=kind, shift=shift)


_TEXT = f"""
define internal void @product_{{dtype}}(ptr %bufs, ptr %sizes, ptr %status, i64 %lo,
    i64 %hi, i64 %chunk) {{{{
entry:
{
    _words(
        {
            "m": M, "n": N, "k": K, "tl": TRANSPOSE_LHS, "tr": TRANSPOSE_RHS,
            "step.lhs": STRIDE_LHS, "step.rhs": STRIDE_RHS, "add": ACCUMULATE,
            "panels": PANELS, "extent": EXTENT, "by.rows": BY_ROWS,
        }
    )
}
  %out = load ptr, ptr %bufs
  %lhs.at = getelementptr ptr, ptr %bufs, i64 1
  %lhs = load ptr, ptr %lhs.at
  %rhs.at = getelementptr ptr, ptr %bufs, i64 2
  %rhs = load ptr, ptr %rhs.at
  %is.tl = icmp ne i64 %tl, 0
  %is.tr = icmp ne i64 %tr, 0
  %is.rows = icmp ne i64 %by.rows, 0
  %is.add = icmp ne i64 %add, 0
  %sai = select i1 %is.tl, i64 1, i64 %k
  %sap = select i1 %is.tl, i64 %m, i64 1
  %sbp = select i1 %is.tr, i64 1, i64 %n
  %sbj = select i1 %is.tr, i64 %k, i64 1
  %area = mul i64 %m, %n
  %one.row = icmp eq i64 %m, 1
  %one.column = icmp eq i64 %n, 1
  %is.vector = or i1 %one.row, %one.column
  %table.down = select i1 %one.row, i64 %sbp, i64 %sap
  %table.across = select i1 %one.row, i64 %sbj, i64 %sai
  %rows.lie = icmp eq i64 %table.down, 1
  %no.depth = icmp eq i64 %k, 0
  %some = icmp slt i64 %lo, %hi
  br i1 %some, label %loop, label %done
loop:
  %unit = phi i64 [ %lo, %entry ], [ %next, %again ]
  %item = udiv i64 %unit, %panels
  %panel = urem i64 %unit, %panels
  %start = mul i64 %panel, %extent
  %row = select i1 %is.rows, i64 %start, i64 0
  %column = select i1 %is.rows, i64 0, i64 %start
  %height.left = sub i64 %m, %row
  %width.left = sub i64 %n, %column
  %height.cut = call i64 @llvm.smin.i64(i64 %height.left, i64 %extent)
  %width.cut = call i64 @llvm.smin.i64(i64 %width.left, i64 %extent)
  %height = select i1 %is.rows, i64 %height.cut, i64 %m
  %width = select i1 %is.rows, i64 %n, i64 %width.cut
  %item.lhs = mul i64 %item, %step.lhs
  %item.rhs = mul i64 %item, %step.rhs
  %item.out = mul i64 %item, %area
  %within.lhs = mul i64 %row, %sai
  %within.rhs = mul i64 %column, %sbj
  %within.row = mul i64 %row, %n
  %within.out = add i64 %within.row, %column
  %index.lhs = add i64 %item.lhs, %within.lhs
  %index.rhs = add i64 %item.rhs, %within.rhs
  %index.out = add i64 %item.out, %within.out
  %a = getelementptr {{kind}}, ptr %lhs, i64 %index.lhs
  %b = getelementptr {{kind}}, ptr %rhs, i64 %index.rhs
  %c = getelementptr {{kind}}, ptr %out, i64 %index.out
  br i1 %no.depth, label %zero, label %choose
choose:
  br i1 %is.vector, label %vector, label %matrix
vector:
  %table = select i1 %one.row, ptr %b, ptr %a
  %other = select i1 %one.row, ptr %a, ptr %b
  %long = select i1 %one.row, i64 %width, i64 %height
  br label %terms
terms:
  %term = phi i64 [ 0, %vector ], [ %term.next, %terms.end ]
  %terms.left = sub i64 %k, %term
  %terms.now = call i64 @llvm.smin.i64(i64 %terms.left, i64 {TERMS})
  %later = icmp sgt i64 %term, 0
  %adds = or i1 %later, %is.add
  %skipped = mul i64 %term, %table.down
  %table.now = getelementptr {{kind}}, ptr %table, i64 %skipped
  %other.now = getelementptr {{kind}}, ptr %other, i64 %term
  br i1 %rows.lie, label %dots, label %weighted
dots:
  call void @dots_{{dtype}}(ptr %table.now, i64 %table.across, ptr %other.now, ptr %c,
    i64 %long, i64 %terms.now, i1 %adds)
  br label %terms.end
weighted:
  call void @weighted_{{dtype}}(ptr %table.now, i64 %table.down, ptr %other.now, ptr %c,
    i64 %long, i64 %terms.now, i1 %adds)
  br label %terms.end
terms.end:
  %term.next = add i64 %term, {TERMS}
  %more.terms = icmp slt i64 %term.next, %k
  br i1 %more.terms, label %terms, label %again
matrix:
  call void @gemm_{{dtype}}(ptr %a, i64 %sai, i64 %sap, ptr %b, i64 %sbp, i64 %sbj,
    ptr %c, i64 %n, i64 %height, i64 %width, i64 %k, i1 %is.add)
  br label %again
zero:
  ; No depth, no work: such a product is never cut, so its panel is all of it.
  %bytes = shl i64 %area, {{shift}}
  %cleared = select i1 %is.add, i64 0, i64 %bytes
  call void @llvm.memset.p0.i64(ptr %c, i8 0, i64 %cleared, i1 false)
  br label %again
again:
  %next = add i64 %unit, 1
  %more = icmp slt i64 %next, %hi
  br i1 %more, label %loop, label %done
done:
  ret void
}}}}
"""  # fmt: skip

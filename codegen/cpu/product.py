"""LLVM text of the matrix product: a kernel whose range is panels, batch by batch.

A product runs through the same `launch` as a loop kernel does.  Its unit of work is one
panel of one product of the batch: a band of whole rows or of whole columns of the
result, computed by one call of a single-threaded ``gemm``.  Shape alone cuts them.
"""

from __future__ import annotations

from .runtime import Slot

#: Fewer multiplications than this are one panel: about 30 microseconds.
PANEL_WORK = 1_000_000
#: The least extent of a panel.  Each panel packs the other operand again, so that one
#: of 64 runs at four fifths of the speed of one of 256; 128 leaves enough to share out.
PANEL_LEAST = 128
#: Where the other dimension is no more than this, packing costs little, and panels may
#: be so short.
SLIM, SLIM_LEAST = 64, 32
#: Panels start at multiples of this many rows or columns: the block of BLAS's kernels.
PANEL_ALIGN = 16
#: The most panels of one product.
MOST_PANELS = 32
#: How many multiplications of a product take as long as one scalar addition of a loop,
#: which is one of several in a vector.
PER_COST = 2

#: Words of a product's sizes.  The first ones are the caller's; `panels` fills in the
#: last three.
M, N, K, TRANSPOSE_LHS, TRANSPOSE_RHS, STRIDE_LHS, STRIDE_RHS, ACCUMULATE = range(8)
PANELS, EXTENT, BY_ROWS = 8, 9, 10
SIZES = 11

#: (LLVM type, log2 of its bytes, table position) by dtype.
ELEMENT = {
    "float32": ("float", 2, Slot.SGEMM),
    "float64": ("double", 3, Slot.DGEMM),
}


def _words(names: dict[str, int]) -> str:
    """Lines that load the given words of ``%sizes``."""
    return "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %sizes, i64 {position}\n"
        f"  %{name} = load i64, ptr %{name}.at"
        for name, position in names.items()
    )


#: ``panels(sizes)`` cuts a product, and returns the cost of one panel for `plan` (in
#: multiplications over `PER_COST`), or -1 where a dimension does not fit BLAS's
#: 32-bit integers.
PANELS_TEXT = f"""
define internal double @panels(ptr %sizes) {{
{_words({"m": M, "n": N, "k": K})}
  %wide = call i64 @llvm.smax.i64(i64 %m, i64 %n)
  %largest = call i64 @llvm.umax.i64(i64 %wide, i64 %k)
  %narrow = call i64 @llvm.smin.i64(i64 %m, i64 %n)
  %fits = icmp ule i64 %largest, 2147483647
  %natural = icmp sge i64 %narrow, 0
  %good = and i1 %fits, %natural
  br i1 %good, label %cut, label %bad
bad:
  ret double -1.0
cut:
  %fm = uitofp i64 %m to double
  %fn = uitofp i64 %n to double
  %fk = uitofp i64 %k to double
  %area = fmul double %fm, %fn
  %work = fmul double %area, %fk
  %by.work = fdiv double %work, {float(PANEL_WORK):e}
  %few = call double @llvm.minnum.f64(double %by.work, double {float(MOST_PANELS):e})
  %wanted = fptosi double %few to i64
  %slim = icmp sle i64 %narrow, {SLIM}
  %least = select i1 %slim, i64 {SLIM_LEAST}, i64 {PANEL_LEAST}
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


def product(dtype: str, rows: int, width: int, depth: int) -> str:
    """The kernel ``product_DTYPE``: panels lo to hi of ``out, lhs, rhs`` in `bufs`.

    Panels of `rows` rows and sums of `depth` terms at the most, and of `width` columns
    at least, of products whose right operand is not transposed, go to ``direct_DTYPE``.
    The fourth of `bufs` is the run-time table.  Row-major C = A B is column-major
    C' = B' A', which is what the Fortran-style function is asked for.
    """
    kind, shift, slot = ELEMENT[dtype]
    return _HEAD.format(dtype=dtype, kind=kind, slot=int(slot)) + _BODY.format(
        kind=kind, shift=shift, dtype=dtype, width=width, most=rows, depth=depth
    )


_HEAD = f"""
define internal void @product_{{dtype}}(ptr %bufs, ptr %sizes, ptr %status, i64 %lo,
    i64 %hi, i64 %chunk) {{{{
entry:
  %int.rows = alloca i32
  %int.columns = alloca i32
  %int.depth = alloca i32
  %int.lda = alloca i32
  %int.ldb = alloca i32
  %int.ldc = alloca i32
  %alpha = alloca {{kind}}
  %beta = alloca {{kind}}
  %letter.lhs = alloca i8
  %letter.rhs = alloca i8
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
  %table.at = getelementptr ptr, ptr %bufs, i64 3
  %table = load ptr, ptr %table.at
  %gemm.at = getelementptr i64, ptr %table, i64 {{slot}}
  %gemm = load ptr, ptr %gemm.at
  %is.tl = icmp ne i64 %tl, 0
  %is.tr = icmp ne i64 %tr, 0
  %is.rows = icmp ne i64 %by.rows, 0
  %is.add = icmp ne i64 %add, 0
  %pick.lhs = select i1 %is.tl, i8 84, i8 78 ; T, N
  %pick.rhs = select i1 %is.tr, i8 84, i8 78
  store i8 %pick.lhs, ptr %letter.lhs
  store i8 %pick.rhs, ptr %letter.rhs
  %pick.beta = select i1 %is.add, {{kind}} 1.0, {{kind}} 0.0
  store {{kind}} 1.0, ptr %alpha
  store {{kind}} %pick.beta, ptr %beta
  ; A leading dimension is at least 1, even of an operand without elements.
  %row.lhs = select i1 %is.tl, i64 %m, i64 %k
  %row.rhs = select i1 %is.tr, i64 %k, i64 %n
  %lda = call i64 @llvm.smax.i64(i64 %row.lhs, i64 1)
  %ldb = call i64 @llvm.smax.i64(i64 %row.rhs, i64 1)
  %ldc = call i64 @llvm.smax.i64(i64 %n, i64 1)
  %int.a = trunc i64 %lda to i32
  store i32 %int.a, ptr %int.lda
  %int.b = trunc i64 %ldb to i32
  store i32 %int.b, ptr %int.ldb
  %int.c = trunc i64 %ldc to i32
  store i32 %int.c, ptr %int.ldc
  %int.k = trunc i64 %k to i32
  store i32 %int.k, ptr %int.depth
  %area = mul i64 %m, %n
  ; Without a depth the product is 0, which not every BLAS writes.
  %no.depth = icmp eq i64 %k, 0
  %some = icmp slt i64 %lo, %hi
  br i1 %some, label %loop, label %done
"""  # fmt: skip

_BODY = """
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
  %int.height = trunc i64 %height to i32
  store i32 %int.height, ptr %int.rows
  %int.width = trunc i64 %width to i32
  store i32 %int.width, ptr %int.columns
  %jump.lhs = select i1 %is.tl, i64 1, i64 %lda
  %jump.rhs = select i1 %is.tr, i64 %ldb, i64 1
  %item.lhs = mul i64 %item, %step.lhs
  %item.rhs = mul i64 %item, %step.rhs
  %item.out = mul i64 %item, %area
  %within.lhs = mul i64 %row, %jump.lhs
  %within.rhs = mul i64 %column, %jump.rhs
  %within.row = mul i64 %row, %n
  %within.out = add i64 %within.row, %column
  %index.lhs = add i64 %item.lhs, %within.lhs
  %index.rhs = add i64 %item.rhs, %within.rhs
  %index.out = add i64 %item.out, %within.out
  %a = getelementptr {kind}, ptr %lhs, i64 %index.lhs
  %b = getelementptr {kind}, ptr %rhs, i64 %index.rhs
  %c = getelementptr {kind}, ptr %out, i64 %index.out
  br i1 %no.depth, label %zero, label %choose
choose:
  %few = icmp sle i64 %height, {most}
  %wide = icmp sge i64 %width, {width}
  %some.rows = icmp sge i64 %height, 1
  %straight = xor i1 %is.tr, true
  %fresh = xor i1 %is.add, true
  %fit.1 = and i1 %few, %wide
  %shallow = icmp sle i64 %k, {depth}
  %fit.0 = and i1 %some.rows, %shallow
  %fit.2 = and i1 %fit.1, %fit.0
  %fit.3 = and i1 %straight, %fresh
  %fit = and i1 %fit.2, %fit.3
  br i1 %fit, label %direct, label %call
direct:
  %sai = select i1 %is.tl, i64 1, i64 %lda
  %sap = select i1 %is.tl, i64 %lda, i64 1
  call void @direct_{dtype}(ptr %a, i64 %sai, i64 %sap, ptr %b, i64 %ldb, ptr %c,
    i64 %ldc, i64 %height, i64 %width, i64 %k)
  br label %again
call:
  call void %gemm(ptr %letter.rhs, ptr %letter.lhs, ptr %int.columns, ptr %int.rows,
    ptr %int.depth, ptr %alpha, ptr %b, ptr %int.ldb, ptr %a, ptr %int.lda, ptr %beta,
    ptr %c, ptr %int.ldc)
  br label %again
zero:
  ; No depth, no work: such a product is never cut, so its panel is all of it.
  %bytes = shl i64 %area, {shift}
  %cleared = select i1 %is.add, i64 0, i64 %bytes
  call void @llvm.memset.p0.i64(ptr %c, i8 0, i64 %cleared, i1 false)
  br label %again
again:
  %next = add i64 %unit, 1
  %more = icmp slt i64 %next, %hi
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

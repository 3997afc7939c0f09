"""LLVM text for large results: the memory of one that nobody holds serves again.

The C library maps memory of this size anew for each array and unmaps it when the array
is dropped, so that writing a result costs a page fault for each page, several times the
price of the bytes.  So the table keeps a reference to the last few large arrays that
calls have made; where that reference is the only one left, the next call that makes
such an array, of whatever function, takes the very object back.
"""

from __future__ import annotations

from .runtime import (
    BASE,
    CONTIGUOUS,
    DATA_IS_OWN,
    DESCR,
    DIMENSIONS,
    FLAGS,
    NDIM,
    POOL,
    WEAK,
    WRITEABLE,
    Slot,
)
from .straight import table_entry

#: Smaller blocks (in bytes) the C library keeps for itself.
LEAST = 1 << 25
#: What an array must still be to serve again.
_SOUND = CONTIGUOUS | WRITEABLE | DATA_IS_OWN


def _field(name: str, offset: int, kind: str) -> str:
    """Two lines that load a field of ``%array``."""
    return (
        f"  %{name}.at = getelementptr i8, ptr %array, i64 {offset}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
    )


#: ``bytes(rank, shape, item)`` as a double, which cannot overflow.
_BYTES = """
define internal double @bytes(i32 %rank, ptr %shape, i64 %item) {
entry:
  %one = sitofp i64 %item to double
  %some = icmp sgt i32 %rank, 0
  br i1 %some, label %loop, label %done
loop:
  %k = phi i32 [ 0, %entry ], [ %next, %loop ]
  %so.far = phi double [ %one, %entry ], [ %more, %loop ]
  %at = getelementptr i64, ptr %shape, i32 %k
  %extent = load i64, ptr %at
  %number = sitofp i64 %extent to double
  %more = fmul double %so.far, %number
  %next = add i32 %k, 1
  %again = icmp slt i32 %next, %rank
  br i1 %again, label %loop, label %done
done:
  %all = phi double [ %one, %entry ], [ %more, %loop ]
  ret double %all
}
"""

#: ``fits(array, descr, rank, shape)``: whether only the table holds it, it is as it was
#: made, and of that type.
_FITS = f"""
define internal i1 @fits(ptr %array, ptr %descr, i32 %rank, ptr %shape) {{
entry:
  %none = icmp eq ptr %array, null
  br i1 %none, label %no, label %look
look:
  %holders = load i32, ptr %array
  %ours = icmp eq i32 %holders, 1
{_field("kind", DESCR, "ptr")}
  %same.kind = icmp eq ptr %kind, %descr
{_field("own.rank", NDIM, "i32")}
  %same.rank = icmp eq i32 %own.rank, %rank
{_field("flags", FLAGS, "i32")}
  %known = and i32 %flags, {_SOUND}
  %sound = icmp eq i32 %known, {_SOUND}
{_field("base", BASE, "ptr")}
  %based = icmp eq ptr %base, null
{_field("weak", WEAK, "ptr")}
  %unwatched = icmp eq ptr %weak, null
  %a = and i1 %ours, %same.kind
  %b = and i1 %same.rank, %sound
  %c = and i1 %based, %unwatched
  %d = and i1 %a, %b
  %e = and i1 %c, %d
  br i1 %e, label %measure, label %no
measure:
{_field("dims", DIMENSIONS, "ptr")}
  br label %loop
loop:
  %k = phi i32 [ 0, %measure ], [ %next, %step ]
  %more = icmp slt i32 %k, %rank
  br i1 %more, label %compare, label %yes
compare:
  %left.at = getelementptr i64, ptr %dims, i32 %k
  %left = load i64, ptr %left.at
  %right.at = getelementptr i64, ptr %shape, i32 %k
  %right = load i64, ptr %right.at
  %equal = icmp eq i64 %left, %right
  br i1 %equal, label %step, label %no
step:
  %next = add i32 %k, 1
  br label %loop
yes:
  ret i1 true
no:
  ret i1 false
}}
"""

#: ``new_array(table, descr, number, item, rank, shape)`` -> a reference, null with an
#: exception set; `number` is NumPy's of the dtype, `item` its bytes.
_NEW = f"""
define internal ptr @new_array(ptr %table, ptr %descr, i32 %number, i64 %item,
    i32 %rank, ptr %shape) {{
entry:
  %size = call double @bytes(i32 %rank, ptr %shape, i64 %item)
  %large = fcmp oge double %size, {float(LEAST):e}
  br i1 %large, label %loop, label %make
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %step ]
  %more = icmp slt i64 %k, {POOL}
  br i1 %more, label %look, label %make
look:
  %place = add i64 %k, {int(Slot.POOL)}
  %at = getelementptr i64, ptr %table, i64 %place
  %held = load ptr, ptr %at
  %good = call i1 @fits(ptr %held, ptr %descr, i32 %rank, ptr %shape)
  br i1 %good, label %take, label %step
take:
  store ptr null, ptr %at
  ret ptr %held
step:
  %next = add i64 %k, 1
  br label %loop
make:
{table_entry("exact", Slot.NDARRAY)}
{table_entry("new", Slot.NEW_ARRAY)}
  %made = call ptr %new(ptr %exact, i32 %rank, ptr %shape, i32 %number, ptr null,
    ptr null, i32 0, i32 0, ptr null)
  ret ptr %made
}}
"""

#: ``keep(table, array, item)``: hold on to a large array, in the place of the one that
#: has been held for longest.
_KEEP = f"""
define internal void @keep(ptr %table, ptr %array, i64 %item) {{
entry:
{_field("rank", NDIM, "i32")}
{_field("dims", DIMENSIONS, "ptr")}
  %size = call double @bytes(i32 %rank, ptr %dims, i64 %item)
  %large = fcmp oge double %size, {float(LEAST):e}
{table_entry("most", Slot.POOL_LIMIT, "i64")}
  %limit = sitofp i64 %most to double
  %small = fcmp ole double %size, %limit
  %right = and i1 %large, %small
  br i1 %right, label %hold, label %done
hold:
{table_entry("place", Slot.POOL_NEXT, "i64")}
  %following = add i64 %place, 1
  %next = urem i64 %following, {POOL}
  store i64 %next, ptr %place.at
  %index = add i64 %place, {int(Slot.POOL)}
  %at = getelementptr i64, ptr %table, i64 %index
  %old = load ptr, ptr %at
{table_entry("incref", Slot.INCREF)}
  call void %incref(ptr %array)
  store ptr %array, ptr %at
{table_entry("decref", Slot.DECREF)}
  call void %decref(ptr %old)
  br label %done
done:
  ret void
}}
"""

#: ``forget(table)`` lets go of all of them.
_FORGET = f"""
define internal void @forget(ptr %table) {{
entry:
{table_entry("decref", Slot.DECREF)}
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  %place = add i64 %k, {int(Slot.POOL)}
  %at = getelementptr i64, ptr %table, i64 %place
  %held = load ptr, ptr %at
  store ptr null, ptr %at
  call void %decref(ptr %held)
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, {POOL}
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""

#: Everything above.
REUSE = _BYTES + _FITS + _NEW + _KEEP + _FORGET

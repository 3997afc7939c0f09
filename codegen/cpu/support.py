"""LLVM text of the small native functions that every compiled function shares.

They launch a kernel's chunks, own the arena, and look for signals.  Each is written out
by hand, as one would write C; only the positions in the run-time table are filled in.
"""

from __future__ import annotations

import re

from .runtime import Cell, Slot
from .straight import table_entry

#: The most that a chunk costs, in the additions that `schedule.grain` counts: 5 to 50
#: microseconds in vector loops, where to claim a chunk takes a fraction of one.
CHUNK_COST = 400_000
#: A bound on the number of chunks: enough to balance load over many cores.
MOST_CHUNKS = 256
#: How often a running call looks for Ctrl-C, in nanoseconds.
SIGNAL_INTERVAL = 20_000_000
#: Every block of the arena starts on a cache line (and on a vector's width).
ALIGNMENT = 64

#: Fields of a launch: the function, its buffers, sizes and status, the length of the
#: range, the length of a chunk.
FRAME_WORDS = 6


def unoptimized(text: str) -> str:
    """The functions in `text`, marked so that LLVM does not try to make them better.

    Most of their time goes into what they call: to optimise them, which takes longer
    than a kernel does, would save nothing.
    """
    return re.sub(r"\) \{$", ") noinline optnone {", text, flags=re.MULTILINE)


#: ``plan(total, cost of one iteration, alignment)`` -> the length of a chunk.  It
#: depends on nothing but the shape, so that results do not depend on the machine's load
#: or its number of threads.  Several chunks are an even number, of one length but for
#: what the alignment takes: two threads have the same to do.
PLAN = f"""
define internal i64 @plan(i64 %total, double %cost, i64 %align) {{
  %some = call double @llvm.maxnum.f64(double %cost, double 1.0)
  %ideal = fdiv double {float(CHUNK_COST):e}, %some
  %long = fptosi double %ideal to i64
  %more = add i64 %total, {MOST_CHUNKS - 1}
  %least = sdiv i64 %more, {MOST_CHUNKS}
  %enough = call i64 @llvm.smax.i64(i64 %long, i64 %least)
  %one = call i64 @llvm.smax.i64(i64 %enough, i64 1)
  %count.over = add i64 %total, %one
  %count.up = sub i64 %count.over, 1
  %count = udiv i64 %count.up, %one
  %several = icmp ugt i64 %count, 1
  %odd = and i64 %count, 1
  %extra = select i1 %several, i64 %odd, i64 0
  %even = add i64 %count, %extra
  %parts = call i64 @llvm.smax.i64(i64 %even, i64 1)
  %share.over = add i64 %total, %parts
  %share.up = sub i64 %share.over, 1
  %share = udiv i64 %share.up, %parts
  %some.share = call i64 @llvm.smax.i64(i64 %share, i64 1)
  %over = add i64 %some.share, %align
  %up = sub i64 %over, 1
  %blocks = udiv i64 %up, %align
  %length = mul i64 %blocks, %align
  ret i64 %length
}}
"""

#: ``chunk(index, frame)`` runs one chunk of a launch.
#: ``launch`` runs them all, with the team where there are one and several chunks.
LAUNCH = f"""
define internal void @chunk(i64 %index, ptr %frame) {{
  %function = load ptr, ptr %frame
  %bufs.at = getelementptr i64, ptr %frame, i64 1
  %bufs = load ptr, ptr %bufs.at
  %sizes.at = getelementptr i64, ptr %frame, i64 2
  %sizes = load ptr, ptr %sizes.at
  %status.at = getelementptr i64, ptr %frame, i64 3
  %status = load ptr, ptr %status.at
  %total.at = getelementptr i64, ptr %frame, i64 4
  %total = load i64, ptr %total.at
  %length.at = getelementptr i64, ptr %frame, i64 5
  %length = load i64, ptr %length.at
  %lo = mul i64 %index, %length
  %end = add i64 %lo, %length
  %hi = call i64 @llvm.smin.i64(i64 %end, i64 %total)
  call void %function(ptr %bufs, ptr %sizes, ptr %status, i64 %lo, i64 %hi, i64 %index)
  ret void
}}

define internal void @launch(ptr %table, ptr %frame, i64 %chunks, ptr %team) {{
entry:
  %many = icmp ugt i64 %chunks, 1
  br i1 %many, label %ask, label %serial
ask:
  %none = icmp eq ptr %team, null
  br i1 %none, label %alone, label %parallel
alone:
  %notice.at = getelementptr i64, ptr %table, i64 {int(Slot.NOTICE)}
  %notice = load i64, ptr %notice.at
  %armed = icmp eq i64 %notice, 1
  br i1 %armed, label %tell, label %serial
tell:
  store i64 2, ptr %notice.at
  br label %serial
parallel:
  call void @post(ptr %table, ptr %team, ptr %frame, i64 %chunks)
  ret void
serial:
  %some = icmp sgt i64 %chunks, 0
  br i1 %some, label %loop, label %done
loop:
  %index = phi i64 [ 0, %serial ], [ %next, %loop ]
  call void @chunk(i64 %index, ptr %frame)
  %next = add i64 %index, 1
  %again = icmp slt i64 %next, %chunks
  br i1 %again, label %loop, label %done
done:
  ret void
}}
"""

#: ``tick(table, thread state, last look)`` -> nonzero when a signal raised.  It runs
#: without the GIL and takes it only when it is time to look.
TICK = f"""
define internal i64 @now(ptr %table) {{
  %time = alloca [2 x i64]
  %clock.at = getelementptr i64, ptr %table, i64 {int(Slot.CLOCK)}
  %clock = load i32, ptr %clock.at
{table_entry("gettime", Slot.CLOCK_GETTIME)}
  call i32 %gettime(i32 %clock, ptr %time)
  %seconds = load i64, ptr %time
  %rest.at = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest.at
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  ret i64 %now
}}

define internal i32 @tick(ptr %table, ptr %state, ptr %last) {{
  %now = call i64 @now(ptr %table)
  %then = load i64, ptr %last
  %passed = sub i64 %now, %then
  %due = icmp sgt i64 %passed, {SIGNAL_INTERVAL}
  br i1 %due, label %look, label %go
go:
  ret i32 0
look:
  store i64 %now, ptr %last
  %thread = load ptr, ptr %state
{table_entry("restore", Slot.RESTORE_THREAD)}
  call void %restore(ptr %thread)
{table_entry("check", Slot.CHECK_SIGNALS)}
  %raised = call i32 %check()
{table_entry("save", Slot.SAVE_THREAD)}
  %again = call ptr %save()
  store ptr %again, ptr %state
  ret i32 %raised
}}
"""

#: ``step(table, frame, chunks, team, thread state, last look)`` launches, and returns
#: nonzero when the call must end: the status then holds a check's code, or -1 after a
#: signal.
STEP = """
define internal i32 @step(ptr %table, ptr %frame, i64 %chunks, ptr %team, ptr %state,
    ptr %last) {
  call void @launch(ptr %table, ptr %frame, i64 %chunks, ptr %team)
  %status.at = getelementptr i64, ptr %frame, i64 3
  %status = load ptr, ptr %status.at
  %code = load i32, ptr %status
  %failed = icmp ne i32 %code, 0
  br i1 %failed, label %stop, label %look
stop:
  ret i32 %code
look:
  %raised = call i32 @tick(ptr %table, ptr %state, ptr %last)
  %signal = icmp ne i32 %raised, 0
  br i1 %signal, label %interrupt, label %go
interrupt:
  store i32 -1, ptr %status
  ret i32 -1
go:
  ret i32 0
}
"""

#: ``warn(table)`` -> -1 when the warning was turned into an exception.
WARN = f"""
define internal i32 @warn(ptr %table) {{
  %notice.at = getelementptr i64, ptr %table, i64 {int(Slot.NOTICE)}
  %notice = load i64, ptr %notice.at
  %wanted = icmp eq i64 %notice, 2
  br i1 %wanted, label %say, label %done
say:
  store i64 0, ptr %notice.at
{table_entry("warning", Slot.WARN_SERIAL)}
{table_entry("vectorcall", Slot.VECTORCALL)}
  %result = call ptr %vectorcall(ptr %warning, ptr null, i64 0, ptr null)
{table_entry("decref", Slot.DECREF)}
  call void %decref(ptr %result)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %bad, label %done
bad:
  ret i32 -1
done:
  ret i32 0
}}
"""

_ARENA_CELL = f"  %cell = getelementptr i64, ptr %cells, i64 {int(Cell.ARENA)}"

#: The arena: one block whose first 64 bytes hold its capacity.  A call takes it out of
#: the function's cell and puts it back, so that two calls at once never share one; the
#: cell is only touched with the GIL held.
ARENA = f"""
define internal ptr @take_arena(ptr %table, ptr %cells, i64 %need) {{
  %room = alloca ptr
{_ARENA_CELL}
  %block = load ptr, ptr %cell
  store ptr null, ptr %cell
  %none = icmp eq ptr %block, null
  br i1 %none, label %grow, label %check
check:
  %capacity = load i64, ptr %block
  %enough = icmp uge i64 %capacity, %need
  br i1 %enough, label %keep, label %grow
keep:
  ret ptr %block
grow:
{table_entry("free", Slot.FREE)}
  call void %free(ptr %block)
  %bytes = add i64 %need, {ALIGNMENT}
{table_entry("alloc", Slot.ALIGNED_ALLOC)}
  %failed = call i32 %alloc(ptr %room, i64 {ALIGNMENT}, i64 %bytes)
  %bad = icmp ne i32 %failed, 0
  br i1 %bad, label %full, label %fresh
fresh:
  %made = load ptr, ptr %room
  store i64 %need, ptr %made
  ret ptr %made
full:
  ret ptr null
}}

define internal void @put_arena(ptr %table, ptr %cells, ptr %block) {{
{_ARENA_CELL}
  %displaced = load ptr, ptr %cell
  store ptr %block, ptr %cell
{table_entry("free", Slot.FREE)}
  call void %free(ptr %displaced)
  ret void
}}

define void @trim(ptr %cells) {{
  %table = load ptr, ptr %cells
  call void @put_arena(ptr %table, ptr %cells, ptr null)
  call void @forget(ptr %table)
  ret void
}}

define i64 @arena_bytes(ptr %cells) {{
{_ARENA_CELL}
  %block = load ptr, ptr %cell
  %none = icmp eq ptr %block, null
  br i1 %none, label %empty, label %read
empty:
  ret i64 0
read:
  %capacity = load i64, ptr %block
  ret i64 %capacity
}}
"""

#: Everything above.
SUPPORT = PLAN + LAUNCH + TICK + STEP + WARN + ARENA

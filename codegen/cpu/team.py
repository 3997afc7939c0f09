"""LLVM text of the team: the threads that share one call's chunks.

The thread layer is entered once a call and not once a loop.  One member, the caller's
own thread, runs the program; for each loop of several chunks it posts a *job*, and
every member, itself among them, claims chunks one at a time until none is left.  The
program goes on when all chunks are done, whoever did them: a member that the system
keeps from running holds nobody up, and members that find nothing to do soon yield their
processor to whoever wants it.

A ticket is a job's number and a chunk's, in the two halves of one word, so that a claim
that comes late, when the next job has been posted, is seen to be void.
"""

from __future__ import annotations

from .runtime import Slot

#: Words of a team, each group on cache lines of its own: the next ticket; how many
#: chunks are done; the job (its number and how many chunks it has), its frame, and
#: whether the call is over.
TICKET, DONE, JOB, FRAME, OVER, WORDS = 0, 16, 32, 33, 34, 48
#: How often a member looks for work between two offers of its processor to others.
LOOKS = 256
#: After this many looks a member that found nothing sleeps between them, for so many
#: microseconds: beside other busy processes it then has its turn saved for real work.
PATIENCE, NAP = 65536, 20

#: What the caller's member needs to run the program, and where it leaves the result.
CALL_WORDS = 6


def _at(name: str, base: str, word: int) -> str:
    return f"  %{name} = getelementptr i64, ptr %{base}, i64 {word}"


#: ``claim(team)`` -> a chunk of the job to run now, or -1.
_CLAIM = f"""
define internal i1 @open(i64 %ticket, i64 %job) {{
  %mine = lshr i64 %ticket, 32
  %theirs = lshr i64 %job, 32
  %same = icmp eq i64 %mine, %theirs
  %index = and i64 %ticket, 4294967295
  %chunks = and i64 %job, 4294967295
  %left = icmp ult i64 %index, %chunks
  %open = and i1 %same, %left
  ret i1 %open
}}

define internal i64 @claim(ptr %team) {{
{_at("ticket.at", "team", TICKET)}
{_at("job.at", "team", JOB)}
  %seen = load atomic i64, ptr %ticket.at acquire, align 8
  %posted = load atomic i64, ptr %job.at acquire, align 8
  %likely = call i1 @open(i64 %seen, i64 %posted)
  br i1 %likely, label %try, label %none
try:
  %ticket = atomicrmw add ptr %ticket.at, i64 1 acq_rel
  %job = load atomic i64, ptr %job.at acquire, align 8
  %got = call i1 @open(i64 %ticket, i64 %job)
  br i1 %got, label %chosen, label %none
chosen:
  %index = and i64 %ticket, 4294967295
  ret i64 %index
none:
  ret i64 -1
}}
"""

#: ``help(team)`` runs chunks until there are none; returns how many it ran.
_HELP = f"""
define internal i64 @help(ptr %team) {{
entry:
  %index.at = alloca i64
{_at("frame.at", "team", FRAME)}
{_at("done.at", "team", DONE)}
  br label %next
next:
  %count = phi i64 [ 0, %entry ], [ %more, %run ]
  %index = call i64 @claim(ptr %team)
  %none = icmp slt i64 %index, 0
  br i1 %none, label %end, label %run
run:
  %frame = load ptr, ptr %frame.at
  store i64 %index, ptr %index.at
  call void @chunk(ptr %index.at, ptr null, ptr null, ptr %frame)
  atomicrmw add ptr %done.at, i64 1 acq_rel
  %more = add i64 %count, 1
  br label %next
end:
  ret i64 %count
}}
"""

#: ``rest(table, looks)`` offers the processor to others, one look in `LOOKS`.
_REST = f"""
define internal void @rest(ptr %table, i64 %looks) {{
  %low = and i64 %looks, {LOOKS - 1}
  %due = icmp eq i64 %low, {LOOKS - 1}
  br i1 %due, label %long, label %go
long:
  %idle = icmp ugt i64 %looks, {PATIENCE}
  br i1 %idle, label %nap, label %give
nap:
  %sleep.at = getelementptr i64, ptr %table, i64 {int(Slot.SLEEP)}
  %sleep = load ptr, ptr %sleep.at
  call i32 %sleep(i32 {NAP})
  ret void
give:
  %yield.at = getelementptr i64, ptr %table, i64 {int(Slot.YIELD)}
  %yield = load ptr, ptr %yield.at
  call i32 %yield()
  ret void
go:
  ret void
}}
"""

#: ``post(table, team, frame, chunks)`` runs a job with the whole team.
_POST = f"""
define internal void @post(ptr %table, ptr %team, ptr %frame, i64 %chunks) {{
entry:
{_at("ticket.at", "team", TICKET)}
{_at("done.at", "team", DONE)}
{_at("job.at", "team", JOB)}
{_at("frame.at", "team", FRAME)}
  store ptr %frame, ptr %frame.at
  store atomic i64 0, ptr %done.at monotonic, align 8
  %job = load atomic i64, ptr %job.at monotonic, align 8
  %number = lshr i64 %job, 32
  %new = add i64 %number, 1
  %high = shl i64 %new, 32
  %posted = or i64 %high, %chunks
  store atomic i64 %posted, ptr %job.at release, align 8
  store atomic i64 %high, ptr %ticket.at release, align 8
  call i64 @help(ptr %team)
  br label %wait
wait:
  %looks = phi i64 [ 0, %entry ], [ %again, %still ]
  %done = load atomic i64, ptr %done.at acquire, align 8
  %all = icmp eq i64 %done, %chunks
  br i1 %all, label %end, label %still
still:
  call void @rest(ptr %table, i64 %looks)
  %again = add i64 %looks, 1
  br label %wait
end:
  ret void
}}
"""

#: ``member`` is what the thread layer runs on each thread: the first runs the program.
_MEMBER = f"""
define internal void @member(ptr %index.at, ptr %dims, ptr %steps, ptr %call) {{
entry:
  %index = load i64, ptr %index.at
{_at("team.at", "call", 4)}
  %team = load ptr, ptr %team.at
{_at("over.at", "team", OVER)}
{_at("table.at", "call", 1)}
  %table = load ptr, ptr %table.at
  %first = icmp eq i64 %index, 0
  br i1 %first, label %lead, label %look
lead:
  %cells = load ptr, ptr %call
{_at("sizes.at", "call", 2)}
  %sizes = load ptr, ptr %sizes.at
{_at("data.at", "call", 3)}
  %data = load ptr, ptr %data.at
  %result = call i32 @steps(ptr %cells, ptr %table, ptr %sizes, ptr %data, ptr %team)
{_at("result.at", "call", 5)}
  store i32 %result, ptr %result.at
  store atomic i64 1, ptr %over.at release, align 8
  ret void
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %idle ], [ 0, %helped ]
  %over = load atomic i64, ptr %over.at acquire, align 8
  %left = icmp ne i64 %over, 0
  br i1 %left, label %end, label %offer
offer:
  %ran = call i64 @help(ptr %team)
  %busy = icmp sgt i64 %ran, 0
  br i1 %busy, label %helped, label %idle
helped:
  br label %look
idle:
  call void @rest(ptr %table, i64 %looks)
  %more = add i64 %looks, 1
  br label %look
end:
  ret void
}}
"""

#: ``run(cells, table, sizes, data)`` runs the program, with a team if there is work for
#: one.  The layer passes base + step * r for each argument: from 0 by 1, the member.
_RUN = f"""
define internal i32 @run(ptr %cells, ptr %table, ptr %sizes, ptr %data) {{
entry:
  %team = alloca [{WORDS} x i64], align 128
  %call = alloca [{CALL_WORDS} x i64], align 8
  %args = alloca i64
  %dims = alloca i64
  %stride = alloca i64
  %threads.at = getelementptr i64, ptr %table, i64 {int(Slot.THREADS)}
  %threads = load i64, ptr %threads.at
  %several = icmp ugt i64 %threads, 1
  br i1 %several, label %ask, label %alone
ask:
  %shared = call i1 @shared(ptr %sizes)
  br i1 %shared, label %together, label %alone
alone:
  %own = call i32 @steps(ptr %cells, ptr %table, ptr %sizes, ptr %data, ptr null)
  ret i32 %own
together:
  call void @llvm.memset.p0.i64(ptr %team, i8 0, i64 {8 * WORDS}, i1 false)
  store ptr %cells, ptr %call
{_at("table.at", "call", 1)}
  store ptr %table, ptr %table.at
{_at("sizes.at", "call", 2)}
  store ptr %sizes, ptr %sizes.at
{_at("data.at", "call", 3)}
  store ptr %data, ptr %data.at
{_at("team.at", "call", 4)}
  store ptr %team, ptr %team.at
  store i64 0, ptr %args
  store i64 %threads, ptr %dims
  store i64 1, ptr %stride
  %size = trunc i64 %threads to i32
  %layer.at = getelementptr i64, ptr %table, i64 {int(Slot.PARALLEL_FOR)}
  %layer = load ptr, ptr %layer.at
  call void %layer(ptr @member, ptr %args, ptr %dims, ptr %stride, ptr %call,
    i64 0, i64 1, i32 %size)
{_at("result.at", "call", 5)}
  %result = load i32, ptr %result.at
  ret i32 %result
}}
"""

#: Everything above.
TEAM = _CLAIM + _HELP + _REST + _POST + _MEMBER + _RUN

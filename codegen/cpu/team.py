"""LLVM text of the team: the threads that share one call's chunks.

A process has a crew of *helpers*, which start once and then wait for calls to help: for
a moment awake, then asleep.  A call that has work to share publishes itself and goes
on with it at once: helpers that wake up in time join, those that come late find it
closed, and nobody waits for them.  One call at a time has the crew; any other runs
alone.

The caller's own thread runs the program.  For each loop of several chunks it posts a
*job*, and every member of the team, itself among them, claims chunks one at a time
until none is left.  The program goes on when all chunks are done, whoever did them: a
member that the system keeps from running holds nobody up, and members that find nothing
to do soon yield their processor to whoever wants it.

A ticket is a job's number and a chunk's, in the two halves of one word, so that a claim
that comes late, when the next job has been posted, is seen to be void.
"""

from __future__ import annotations

from .runtime import Slot
from .straight import table_entry

#: Words of a team, each group on cache lines of its own: the next ticket; how many
#: chunks are done; the job (its number and how many chunks it has), its frame, and
#: whether the call is over.
TICKET, DONE, JOB, FRAME, OVER, WORDS = 0, 16, 32, 33, 34, 48
#: How often a member looks for work between two offers of its processor to others.
LOOKS = 256
#: After this many looks a member that found nothing sleeps between them, for so many
#: microseconds: beside other busy processes it then has its turn saved for real work.
PATIENCE, NAP = 65536, 20

#: Words of a published call: its team, the run-time table, and its ``member``.
CALL_WORDS = 3

#: Words of the crew: the number of the call that it helps, whether that lets members in
#: and how many there are (in the high half, a bit and the bits below); whether a call
#: has the crew; how many helpers sleep; the call, how many may help, and where the
#: caller last woke them; what they sleep by; the run-time table.
STATE, HELD, SLEEPING, CALL, LIMIT, PROCESSOR = 0, 16, 32, 48, 49, 50
MUTEX, BELL, TABLE = 64, 80, 96
CREW_WORDS = 112
#: Processors are looked for among 64 times as many.
MASK_WORDS = 16
OPEN = 1 << 16
#: So often a helper looks for a call before it sleeps: for 50 to 200 microseconds.
SPIN = 4000


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
  call void @chunk(i64 %index, ptr %frame)
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
  call void @pause()
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

#: ``member(call)`` is what a helper does for a call, until that is over.
_MEMBER = f"""
define internal void @member(ptr %call) {{
entry:
  %team = load ptr, ptr %call
{_at("table.at", "call", 1)}
  %table = load ptr, ptr %table.at
{_at("over.at", "team", OVER)}
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %idle ], [ 0, %offer ]
  %over = load atomic i64, ptr %over.at acquire, align 8
  %left = icmp ne i64 %over, 0
  br i1 %left, label %end, label %offer
offer:
  %ran = call i64 @help(ptr %team)
  %busy = icmp sgt i64 %ran, 0
  br i1 %busy, label %look, label %idle
idle:
  call void @rest(ptr %table, i64 %looks)
  %more = add i64 %looks, 1
  br label %look
end:
  ret void
}}
"""

#: ``apart(table, crew)`` moves a helper to another processor than the caller's.  Linux
#: wakes it there, where the two of them would take turns while others are idle.
_APART = f"""
define internal void @apart(ptr %table, ptr %crew) {{
entry:
  %all = alloca [{MASK_WORDS} x i64], align 8
  %others = alloca [{MASK_WORDS} x i64], align 8
{table_entry("place", Slot.PROCESSOR)}
  %known = icmp ne ptr %place, null
  br i1 %known, label %look, label %end
look:
{_at("caller.at", "crew", PROCESSOR)}
  %caller = load atomic i64, ptr %caller.at monotonic, align 8
  %own = call i32 %place()
  %here = sext i32 %own to i64
  %same = icmp eq i64 %here, %caller
  %small = icmp ult i64 %here, {64 * MASK_WORDS}
  %move = and i1 %same, %small
  br i1 %move, label %ask, label %end
ask:
{table_entry("get", Slot.GET_AFFINITY)}
{table_entry("set", Slot.SET_AFFINITY)}
  call void @llvm.memset.p0.i64(ptr %all, i8 0, i64 {8 * MASK_WORDS}, i1 false)
  %got = call i32 %get(i32 0, i64 {8 * MASK_WORDS}, ptr %all)
  %fine = icmp sge i32 %got, 0
  br i1 %fine, label %copy, label %end
copy:
  %k = phi i64 [ 0, %ask ], [ %k.next, %copy ]
  %any = phi i64 [ 0, %ask ], [ %any.next, %copy ]
  %from = getelementptr i64, ptr %all, i64 %k
  %to = getelementptr i64, ptr %others, i64 %k
  %word = load i64, ptr %from
  %place.word = lshr i64 %here, 6
  %mine = icmp eq i64 %place.word, %k
  %low = and i64 %here, 63
  %bit = shl i64 1, %low
  %unset = xor i64 %bit, -1
  %cleared = and i64 %word, %unset
  %left = select i1 %mine, i64 %cleared, i64 %word
  store i64 %left, ptr %to
  %any.next = or i64 %any, %left
  %k.next = add i64 %k, 1
  %again = icmp ult i64 %k.next, {MASK_WORDS}
  br i1 %again, label %copy, label %choose
choose:
  %elsewhere = icmp ne i64 %any.next, 0
  br i1 %elsewhere, label %go, label %end
go:
  call i32 %set(i32 0, i64 {8 * MASK_WORDS}, ptr %others)
  call i32 %set(i32 0, i64 {8 * MASK_WORDS}, ptr %all)
  br label %end
end:
  ret void
}}
"""

#: ``worker(crew)`` is a helper's whole life.  ``offer(crew, done)`` gives the crew's
#: state if there is a call to help with, other than number `done`, and else 0.
_WORKER = f"""
define internal i64 @offer(ptr %crew, i64 %done) {{
{_at("limit.at", "crew", LIMIT)}
  %state = load atomic i64, ptr %crew seq_cst, align 8
  %limit = load atomic i64, ptr %limit.at monotonic, align 8
  %number = lshr i64 %state, 32
  %other = icmp ne i64 %number, %done
  %bit = and i64 %state, {OPEN}
  %open = icmp ne i64 %bit, 0
  %members = and i64 %state, {OPEN - 1}
  %room = icmp ult i64 %members, %limit
  %new = and i1 %other, %open
  %wanted = and i1 %new, %room
  %offered = select i1 %wanted, i64 %state, i64 0
  ret i64 %offered
}}

define ptr @worker(ptr %crew) {{
entry:
{_at("call.at", "crew", CALL)}
{_at("sleeping.at", "crew", SLEEPING)}
{_at("mutex", "crew", MUTEX)}
{_at("bell", "crew", BELL)}
{_at("words.at", "crew", TABLE)}
  %table = load ptr, ptr %words.at
{table_entry("lock", Slot.MUTEX_LOCK)}
{table_entry("unlock", Slot.MUTEX_UNLOCK)}
{table_entry("wait", Slot.CONDITION_WAIT)}
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %looks, %try ], [ 0, %help ], [ %more, %idle ],
    [ 0, %awake ]
  %done = phi i64 [ 0, %entry ], [ %done, %try ], [ %number, %help ], [ %done, %idle ],
    [ %done, %awake ]
  %state = call i64 @offer(ptr %crew, i64 %done)
  %some = icmp ne i64 %state, 0
  br i1 %some, label %try, label %idle
try:
  %entered = add i64 %state, 1
  %swap = cmpxchg ptr %crew, i64 %state, i64 %entered acq_rel monotonic
  %taken = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %taken, label %help, label %look
help:
  %call = load ptr, ptr %call.at
{_at("member.at", "call", 2)}
  %member = load ptr, ptr %member.at
  %number = lshr i64 %state, 32
  call void %member(ptr %call)
  atomicrmw sub ptr %crew, i64 1 acq_rel
  br label %look
idle:
  call void @pause()
  %more = add i64 %looks, 1
  %long = icmp ugt i64 %more, {SPIN}
  br i1 %long, label %doze, label %look
doze:
  call i32 %lock(ptr %mutex)
  atomicrmw add ptr %sleeping.at, i64 1 seq_cst
  ; A call published before this was counted may have woken nobody.
  %last = call i64 @offer(ptr %crew, i64 %done)
  %none = icmp eq i64 %last, 0
  br i1 %none, label %sleep, label %awake
sleep:
  call i32 %wait(ptr %bell, ptr %mutex)
  br label %awake
awake:
  atomicrmw sub ptr %sleeping.at, i64 1 seq_cst
  call i32 %unlock(ptr %mutex)
  call void @apart(ptr %table, ptr %crew)
  br label %look
}}
"""

#: ``publish(table, crew, call, helpers)`` has up to so many helpers join a call.
#: ``close(table, crew)`` lets no more in, and waits for those that are there to leave.
_PUBLISH = f"""
define internal void @publish(ptr %table, ptr %crew, ptr %call, i64 %helpers) {{
{_at("call.at", "crew", CALL)}
{_at("limit.at", "crew", LIMIT)}
{_at("sleeping.at", "crew", SLEEPING)}
  store ptr %call, ptr %call.at
  store atomic i64 %helpers, ptr %limit.at monotonic, align 8
  %old = load atomic i64, ptr %crew monotonic, align 8
  %before = lshr i64 %old, 32
  %number = add i64 %before, 1
  %high = shl i64 %number, 32
  %new = or i64 %high, {OPEN}
  store atomic i64 %new, ptr %crew seq_cst, align 8
  %sleeping = load atomic i64, ptr %sleeping.at seq_cst, align 8
  %some = icmp ne i64 %sleeping, 0
  br i1 %some, label %wake, label %end
wake:
{table_entry("place", Slot.PROCESSOR)}
  %known = icmp ne ptr %place, null
  br i1 %known, label %tell, label %ring.it
tell:
{_at("caller.at", "crew", PROCESSOR)}
  %own = call i32 %place()
  %here = sext i32 %own to i64
  store atomic i64 %here, ptr %caller.at monotonic, align 8
  br label %ring.it
ring.it:
{_at("mutex", "crew", MUTEX)}
{_at("bell", "crew", BELL)}
{table_entry("lock", Slot.MUTEX_LOCK)}
{table_entry("unlock", Slot.MUTEX_UNLOCK)}
{table_entry("ring", Slot.CONDITION_BROADCAST)}
  call i32 %lock(ptr %mutex)
  call i32 %ring(ptr %bell)
  call i32 %unlock(ptr %mutex)
  br label %end
end:
  ret void
}}

define internal void @close(ptr %table, ptr %crew) {{
entry:
  atomicrmw and ptr %crew, i64 {~OPEN} acq_rel
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %more, %still ]
  %state = load atomic i64, ptr %crew acquire, align 8
  %members = and i64 %state, {OPEN - 1}
  %alone = icmp eq i64 %members, 0
  br i1 %alone, label %end, label %still
still:
  call void @rest(ptr %table, i64 %looks)
  %more = add i64 %looks, 1
  br label %look
end:
  ret void
}}
"""

#: ``run(cells, table, sizes, data)`` runs the program, with the crew if there is work
#: for it and no other call has it.
_RUN = f"""
define internal i32 @run(ptr %cells, ptr %table, ptr %sizes, ptr %data) {{
entry:
  %team = alloca [{WORDS} x i64], align 128
  %call = alloca [{CALL_WORDS} x i64], align 8
{table_entry("threads", Slot.THREADS, "i64")}
  %several = icmp ugt i64 %threads, 1
  br i1 %several, label %ask, label %alone
ask:
  %shared = call i1 @shared(ptr %sizes)
  br i1 %shared, label %take, label %alone
take:
{table_entry("crew", Slot.CREW)}
{_at("held.at", "crew", HELD)}
  %swap = cmpxchg ptr %held.at, i64 0, i64 1 acq_rel monotonic
  %free = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %free, label %together, label %alone
alone:
  %own = call i32 @steps(ptr %cells, ptr %table, ptr %sizes, ptr %data, ptr null)
  ret i32 %own
together:
  call void @llvm.memset.p0.i64(ptr %team, i8 0, i64 {8 * WORDS}, i1 false)
  store ptr %team, ptr %call
{_at("table.at", "call", 1)}
  store ptr %table, ptr %table.at
{_at("member.at", "call", 2)}
  store ptr @member, ptr %member.at
  %helpers = sub i64 %threads, 1
  call void @publish(ptr %table, ptr %crew, ptr %call, i64 %helpers)
  %result = call i32 @steps(ptr %cells, ptr %table, ptr %sizes, ptr %data, ptr %team)
{_at("over.at", "team", OVER)}
  store atomic i64 1, ptr %over.at release, align 8
  call void @close(ptr %table, ptr %crew)
  store atomic i64 0, ptr %held.at release, align 8
  ret i32 %result
}}
"""


def pause(triple: str) -> str:
    """``pause()``, which tells a processor that this thread only waits."""
    kind = triple.partition("-")[0]
    name, argument = _PAUSES.get(kind, ("", ""))
    if not name:
        return "define internal void @pause() {\n  ret void\n}\n"
    types = argument.partition(" ")[0]
    return (
        f"declare void @{name}({types})\n"
        "define internal void @pause() {\n"
        f"  call void @{name}({argument})\n  ret void\n}}\n"
    )


#: LLVM's name of the instruction, and its argument.
_PAUSES = {
    "x86_64": ("llvm.x86.sse2.pause", ""),
    "aarch64": ("llvm.aarch64.hint", "i32 1"),
    "arm64": ("llvm.aarch64.hint", "i32 1"),
}

#: Everything above.
TEAM = _CLAIM + _HELP + _REST + _POST + _MEMBER + _APART + _WORKER + _PUBLISH + _RUN

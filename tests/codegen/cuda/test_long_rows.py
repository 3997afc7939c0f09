"""Long rows cut into chunks: which are, and that no two threads meet in them.

What they compute, `long_cases` compares with the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest

from symgraph.codegen.cuda.choices import Choices, choices
from symgraph.codegen.cuda.listing import cuda_text
from symgraph.codegen.cuda.long_rows import LEAST_CHUNKS, MOST_CHUNKS, MOST_ROWS, SHARE
from symgraph.codegen.cuda.plan import THREADS, Plan, plan
from symgraph.codegen.cuda.planned import by_plan, dealt_out
from symgraph.codegen.cuda.program_races import still_faults, walk_faults
from symgraph.codegen.cuda.races import find_faults
from symgraph.codegen.cuda.source import stages
from symgraph.codegen.cuda.spread import Spread
from symgraph.codegen.ir import Const, Kernel, Let, Load, Loop, Statement, walk
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Launch

from .long_programs import COUNTED, FUSED, TOTAL, TWO, accumulating
from .programs import RUNNING, parsed

ROW = accumulating("float32", "add", "-0.0")
ROWS = accumulating("float32", "add", "-0.0", rows=True)
#: The elements of the shortest row that is cut.
LEAST = LEAST_CHUNKS * SHARE * THREADS


def kernel_of(text: str) -> Kernel:
    (kernel,) = (s.kernel for s in parsed(text).steps if isinstance(s, Launch))
    return kernel


def chosen(text: str, threads: int = THREADS) -> Choices:
    return choices(kernel_of(text), threads)


def test_few_long_rows_have_several_blocks_each() -> None:
    found = chosen(ROWS)
    for n, m in ((1, LEAST - 1), (MOST_ROWS + 1, LEAST), (0, LEAST)):
        assert len(found.fitting({"n": n, "m": m})) == 1
    leaving, adding, using = found.fitting({"n": MOST_ROWS, "m": LEAST})
    assert [p.kind for p in (leaving, adding, using)] == ["rows"] * 3
    for each in (leaving, using):
        assert [loop.axis for loop in each.loops] == ["chunk", "i"]
    assert [loop.axis for loop in adding.loops] == ["i"]
    assert [b.name for b in leaving.kernel.buffers] == ["x", "v1_totals"]
    assert [b.name for b in adding.kernel.buffers] == ["v1_totals"]
    assert [b.name for b in using.kernel.buffers] == ["x", "y", "v1_totals"]


def test_one_long_row_has_several_blocks() -> None:
    found = chosen(ROW)
    assert found.fitting({"m": LEAST - 1}) == (found.whole.usual,)
    parts = found.fitting({"m": LEAST})
    assert [p.kind for p in parts] == ["rows", "single", "rows"]


@pytest.mark.parametrize("text", [ROW, ROWS])
def test_chunks_have_no_plans_for_warps(text: str) -> None:
    found = chosen(text)
    assert len(found.parts) == 3 and all(part.short is None for part in found.parts)
    assert len(found.plans) == 3 + len(found.whole.plans)


@pytest.mark.parametrize(
    ("n", "m", "cut"),
    [(3, LEAST, True), (3, LEAST - 1, False), (MOST_ROWS + 1, LEAST, False)],
)
def test_what_is_known_of_rows_is_heeded(n: int, m: int, cut: bool) -> None:
    """There are no plans that are never run."""
    length = ROWS.replace(", m]", f", {m}]").replace("j < m", f"j < {m}")
    length = length.replace("; n, m)", "; n)")
    assert bool(chosen(length).parts) == (m >= LEAST)
    both = length.replace("[n,", f"[{n},").replace("i < n", f"i < {n}")
    found = chosen(both.replace("; n)", ")"))
    assert bool(found.parts) == cut
    assert len(found.fitting({})) == (3 if cut else 1)


@pytest.mark.parametrize("text", [TOTAL, TWO])
def test_what_is_left_to_one_block(text: str) -> None:
    assert not chosen(text).parts


def test_a_row_that_reads_what_it_stores() -> None:
    """Another chunk may have stored there by then."""
    lines = ROWS.replace("y: out", "y: inout").splitlines()
    place = lines.index("      store held[] = -0.0:float32")
    lines.insert(place, "      first = load y[i, 0]: float32")
    text = "\n".join(lines).replace("(v1, v)", "(v1, first)")
    step = parse_program(text).steps[0]
    assert isinstance(step, Launch)
    assert plan(step.kernel).kind == "rows" and not choices(step.kernel).parts


def test_a_chunk_is_as_long_as_the_most_chunks_need() -> None:
    found = chosen(ROW, 4)
    (leaving, *_) = found.fitting({"m": 10**9})
    lets = {s.name: s for s in leaving.kernel.body if isinstance(s, Let)}
    assert lets["share"].args[1] == Const(MOST_CHUNKS, "int64")
    assert lets["least"].args[1] == Const(SHARE * 4, "int64")


def test_all_is_listed() -> None:
    text = cuda_text(parsed(ROWS))
    for name in ("rows", "rows_short", "rows_totals", "rows_carries", "rows_chunks"):
        assert f"def {name}(" in text


def test_text(golden: Callable[[str, str], None]) -> None:
    parts = chosen(ROW).fitting({"m": LEAST})
    text = "\n\n".join(stage.text for part in parts for stage in stages(part))
    golden("cuda/long_row.py.txt", text)


def test_names_that_are_taken() -> None:
    flat = cuda_text(parsed(RUNNING))
    assert "def flat_2(" in flat and "def flat_totals(" in flat
    text = ROW.replace("[m]", "[chunk]").replace("; m)", "; chunk)")
    text = text.replace("j < m", "j < chunk").replace("held", "totals")
    (leaving, *_) = chosen(text).fitting({"chunk": LEAST})
    assert leaving.loops[0].axis == "chunk_2"


# -- the checker of races --------------------------------------------------------------


#: Blocks of so many threads, in warps of so many.
BLOCKS = ((1, 1), (4, 2), (4, 4), (8, 4))
TEXTS = {
    "a row": ROW,
    "rows": ROWS,
    "from the end": accumulating("int32", "add", "0", rows=True, reverse=True),
    "flags": COUNTED,
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("threads", "warp"), BLOCKS)
def test_chunks_are_sound(name: str, threads: int, warp: int) -> None:
    program = parsed(TEXTS[name])
    least = LEAST_CHUNKS * SHARE * threads
    for m in (least, least + 1, least + SHARE * threads, least + 3 * threads + 1):
        shape = (3, m) if TEXTS[name].count("[n, m]") else (m,)
        given = {"x": np.zeros(shape, program.array("x").dtype)}
        found = list(still_faults(program, given, by_plan(threads, warp=warp)))
        assert len(found) == 3
        assert not [str(f) for each in found for f in each.faults]


def test_what_indices_decide_is_sound() -> None:
    m = LEAST_CHUNKS * SHARE * 4 + 5
    given = {"x": np.zeros((2, m)), "at": np.arange(m)[::-1].copy()}
    found = list(walk_faults(parsed(FUSED), given, by_plan(4, warp=2)))
    assert len(found) == 3 and not any(each.faults for each in found)
    # What is left out is taken to store what the next launch reads.
    found = list(still_faults(parsed(FUSED), given, by_plan(4, warp=2)))
    assert [bool(each.needs) for each in found] == [True, False, True]
    assert not any(each.faults for each in found)


def faults(part: Plan, change: Callable[[Statement], Statement]) -> set[str]:
    """The kinds of faults of a part whose statements are changed, with 4 threads."""

    def changed(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """Recurses into loops, which nest no deeper than arrays have dimensions."""
        found = tuple(map(change, body))
        return tuple(
            replace(s, body=changed(s.body)) if isinstance(s, Loop) else s
            for s in found
        )

    kernel = replace(part.kernel, body=changed(part.kernel.body))
    made = plan(kernel, 4, part.warp)
    return {f.kind for f in find_faults(*dealt_out(made, UNEVEN), UNEVEN)}


#: For blocks of 4 threads: four chunks and the beginning of a fifth.
UNEVEN = {"n": 2, "m": LEAST_CHUNKS * SHARE * 4 + 3}


def test_planted_faults_are_found() -> None:
    parts = chosen(ROWS, 4).fitting(UNEVEN)
    leaving, _, using = parts
    for part in parts:
        assert not faults(part, lambda s: s)

    def one_chunk_more(s: Statement) -> Statement:
        over = isinstance(s, Loop) and s.extent == "full"
        return replace(s, extent="chunks") if over else s

    def no_guard(s: Statement) -> Statement:
        return replace(s, guard=None) if isinstance(s, Load) else s

    def no_end(s: Statement) -> Statement:
        ends = isinstance(s, Let) and s.name == "count"
        return replace(s, args=("length", "length")) if ends else s

    def too_near(s: Statement) -> Statement:
        starts = isinstance(s, Let) and s.name == "start"
        return (
            replace(s, args=("chunk", Const(SHARE * 4 - 1, "int64"))) if starts else s
        )

    assert isinstance(leaving.kernel.body[-1], Loop)
    lets = [s for s in using.kernel.body if isinstance(s, Let)]
    with_chunks = replace(leaving.kernel, body=(*lets, leaving.kernel.body[-1]))
    assert faults(replace(leaving, kernel=with_chunks), one_chunk_more) == {"bounds"}
    assert faults(using, no_guard) == {"bounds"}
    assert faults(using, no_end) == {"bounds"}
    assert faults(using, too_near) == {"race"}


def test_a_total_that_nobody_leaves() -> None:
    """The launches of one kernel are looked at one after another."""

    def wrong(
        kernel: Kernel, known: Mapping[str, int]
    ) -> Iterator[tuple[Kernel, Spread]]:
        (leaving, spread), *others = by_plan(4)(kernel, known)
        *lets, over = leaving.body
        assert isinstance(over, Loop) and over.extent == "full"
        yield replace(leaving, body=(*lets, replace(over, extent=2))), spread
        yield from others

    program = parsed(ROWS)
    given = {"x": np.zeros((2, UNEVEN["m"]), "float32")}
    for found in (
        list(still_faults(program, given, wrong)),
        list(walk_faults(program, given, wrong)),
    ):
        kinds = [{fault.kind for fault in each.faults} for each in found]
        assert kinds == [set(), {"unwritten"}, set()]


def test_statements_in_order() -> None:
    """The loop over a chunk is the only one that threads share."""
    for part in chosen(ROWS).fitting({"n": 1, "m": LEAST}):
        shared = [
            s
            for (s, _), spread in zip(walk(part.kernel.body), part.spread, strict=True)
            if spread == "threads"
        ]
        assert len(shared) == 1 and not part.barriers

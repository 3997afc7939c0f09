"""How kernels are spread over threads, where these wait, and what is written for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from symgraph.codegen.cuda.choices import choices
from symgraph.codegen.cuda.launch import refuse_calls
from symgraph.codegen.cuda.plan import Plan, chunks, plan
from symgraph.codegen.cuda.source import stages
from symgraph.codegen.errors import CompileError
from symgraph.codegen.ir import Loop, walk
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.program import Launch

from ...device import on_device
from . import programs


def plans(text: str) -> list[Plan]:
    steps = parse_program(text).steps
    return [plan(step.kernel) for step in steps if isinstance(step, Launch)]


def loops(planned: Plan) -> list[tuple[str, str]]:
    """Each loop's axis, and what runs it."""
    statements = [s for s, _ in walk(planned.kernel.body)]
    pairs = zip(statements, planned.spread, strict=True)
    return [(s.axis, spread) for s, spread in pairs if isinstance(s, Loop)]


@pytest.mark.gpu
def test_programs() -> None:
    printed = on_device("tests.codegen.cuda.programs")
    kinds = {word for line in printed.splitlines() for word in line.split()[1:]}
    assert kinds == {"map", "rows", "reduce", "single"}


def test_rows_wait_where_threads_hand_over() -> None:
    (planned,) = plans(programs.SOFTMAX)
    assert planned.kind == "rows" and planned.places == ("block area",)
    assert loops(planned) == [("i", "blocks"), *[("j", "threads")] * 3]
    # All threads meet whenever they combine carries: after the row is stored, and, for
    # the next row's maximum, before it is stored anew.
    assert not planned.barriers
    text = stages(planned)[0].text
    written = text.index("row[flat(row_begin + j)] = v4")
    read = text.index("v5 = row[flat(")
    assert "cuda.syncthreads()" in text[written:read]


def test_short_rows_are_run_by_warps() -> None:
    steps = parse_program(programs.SOFTMAX).steps
    (choice,) = [choices(s.kernel).whole for s in steps if isinstance(s, Launch)]
    assert choice.fitting({"n": 10**6, "m": 1024}) is choice.short is not None
    assert choice.fitting({"n": 1, "m": 1025}) is choice.usual
    assert loops(choice.short)[0] == ("i", "warps") and choice.short.team == 32
    assert choice.short.places == ("warp area",) and len(choice.short.barriers) == 2
    text = stages(choice.short)[0].text
    assert "syncthreads" not in text and "shared" not in text
    written, read = text.index("row[flat(row_begin + j)] = v4"), text.index("v5 = row[")
    assert "meet(32)" in text[written:read]


def test_scratch_of_warps_lies_side_by_side() -> None:
    (kernel,) = [s.kernel for s in parse_program(programs.KNOWN_ROWS).steps]
    planned = plan(kernel, short=True)
    assert planned.places == ("warp shared",)
    text = stages(planned)[0].text
    assert "row = cuda.shared.array(320, np.float64)" in text
    assert "row_begin = cuda.threadIdx.x // 32 * 40" in text


def test_scratch_of_known_size_is_shared_memory() -> None:
    (planned,) = plans(programs.KNOWN_ROWS)
    assert planned.places == ("shared",) and planned.barriers
    text = stages(planned)[0].text
    assert "row = cuda.shared.array(40, np.float64)" in text
    written, read = text.index("row[flat(j)] = v1"), text.index("v2 = row[flat(")
    assert "cuda.syncthreads()" in text[written:read]


def test_a_row_too_short_for_a_warp_is_one_threads() -> None:
    (planned,) = plans(programs.SHORT_ROWS)
    assert planned.kind == "map" and not planned.barriers
    # Written out, since registers have no indices.
    assert loops(planned) == [("i", "grid")]
    assert planned.places == () and not planned.kernel.scratch


def test_scratch_of_a_thread_is_beside_its_neighbours() -> None:
    (planned,) = plans(programs.WINDOWS)
    assert planned.kind == "map"
    assert planned.places == ("thread shared", "thread area")
    text = stages(planned)[0].text
    assert "few = cuda.shared.array(1280, np.float64)" in text
    assert "few[flat(c * 256 + thread)] = v" in text
    assert "more[flat(a * everyone + me)] = v" in text


def test_a_thread_has_neighbouring_iterations_of_a_map() -> None:
    (planned,) = plans(programs.WIDE)
    assert planned.kind == "map" and planned.width == 4
    assert len(planned.nest) == 2
    text = stages(planned)[0].text
    assert "v1 = load4(x, i * m + j)" in text
    assert "store4(z, i * m + j, " in text
    assert "v3 = b[flat(m - j - 1)]" in text


def test_iterations_that_may_meet_are_not_shared_out() -> None:
    _, scatter, meet = plans(programs.HISTOGRAM)
    assert loops(scatter) == [("i", "serial"), ("j", "threads")]
    assert loops(meet) == [("owner", "grid"), ("i", "serial"), ("once", "serial")]


def test_scatters_have_owners_and_columns() -> None:
    _, _, add, put = plans(programs.SCATTER)
    assert [axis for axis, spread in loops(add) if spread == "grid"] == ["owner", "j"]
    assert [loop.extent for loop in add.loops] == [64, "m"]
    assert [loop.extent for loop in put.loops] == [8192]


def test_what_accumulates_is_shared_out_where_that_is_along_neighbours() -> None:
    rows, columns, flat = plans(programs.RUNNING)
    assert rows.kind == "rows" and loops(rows) == [("i", "blocks"), ("j", "threads")]
    assert columns.kind == "map" and loops(columns) == [("j", "grid"), ("i", "serial")]
    assert flat.kind == "single" and loops(flat) == [("j", "threads")]
    # What is left of the scratch is in registers.
    assert not rows.places and not columns.places and not flat.places
    assert not rows.barriers and not flat.barriers


def test_few_columns_have_many_threads_each() -> None:
    kernel, _ = (s.kernel for s in parse_program(programs.COLUMNS).steps)
    found = choices(kernel)
    assert found.fitting({"n": 255, "m": 10, "k": 1}) == (found.whole.usual,)
    assert found.fitting({"n": 10**6, "m": 16385, "k": 1}) == (found.whole.usual,)
    leaving, combining = found.fitting({"n": 10**5, "m": 2, "k": 5})
    assert [p.kind for p in (leaving, combining)] == ["map", "rows"]
    # Groups of rows and, the fastest, columns.
    assert [loop.axis for loop in leaving.loops] == ["group", "j_l"]
    parts = {"total_parts", "top_parts"}
    names = {b.name for b in combining.kernel.buffers}
    assert names == {"x", "y", *parts}
    assert {b.name for b in leaving.kernel.buffers if b.mode == "out"} == parts


def test_no_barrier_where_a_thread_reads_what_it_has_stored() -> None:
    straight = programs.SOFTMAX.replace("m - j - 1", "j")
    counts = []
    for text in (programs.SOFTMAX, straight):
        ((kernel,),) = [[s.kernel for s in parse_program(text).steps]]
        counts.append(len(plan(kernel, short=True).barriers))
    assert counts == [2, 0]


def test_a_serial_loop_waits_in_each_step() -> None:
    (planned,) = plans(programs.RUNNING_SUM)
    assert planned.kind == "rows"
    statements = [s for s, _ in walk(planned.kernel.body)]
    waiting = {statements[k] for k in planned.barriers}
    inner = [s for s in statements if isinstance(s, Loop) and s.axis == "j"]
    assert waiting >= set(inner[1:])


def test_a_nest_that_carries_is_reduced_as_one() -> None:
    both, _ = plans(programs.REDUCTIONS)
    assert both.kind == "reduce" and len(stages(both)) == 1
    assert loops(both)[-1] == ("k", "threads")
    assert all(spread == "grid" for _, spread in loops(both)[:-1])


def test_chunks_follow_from_the_shape() -> None:
    assert chunks(0, 256) == (1, 4096)
    assert chunks(4097, 256) == (2, 4096)
    count, length = chunks(10**9, 256)
    assert count <= 256 and length % 256 == 0 and count * length >= 10**9


def test_a_block_has_a_power_of_two_of_threads() -> None:
    kernel = parse_kernel("kernel k(y: out int64[])\n  store y[] = 1:int64\n")
    with pytest.raises(ValueError, match="power of two"):
        plan(kernel, 48)


def test_functions_of_the_host_are_named() -> None:
    text = (
        "program p\n  output y: float64[]\n  call my_function() -> y else 1\n"
        "  return y\n"
    )
    with pytest.raises(CompileError, match="my_function"):
        refuse_calls(parse_program(text))


def test_names_that_python_has() -> None:
    kernel = parse_kernel(
        "kernel class(range: in float64[np], y.1: out float64[np]; np) split lambda\n"
        "  vector lambda < np\n"
        "    exp = load range[lambda]: float64\n"
        "    exp$ = exp(exp): float64\n"
        "    store y.1[lambda] = exp$\n"
    )
    (stage,) = stages(plan(kernel))
    compile(stage.text, "kernel", "exec")
    assert "exp_ = exp(exp_2)" in stage.text


@pytest.mark.parametrize("name", ["softmax", "reductions", "short_rows", "wide"])
def test_text(name: str, golden: Callable[[str, str], None]) -> None:
    written = plans(getattr(programs, name.upper()))
    golden(
        f"cuda/{name}.py.txt",
        "\n\n".join(stage.text for made in written for stage in stages(made)),
    )

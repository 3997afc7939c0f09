"""Which products end with the kernel that reads them, and what is written for that."""

from __future__ import annotations

import ast
from collections.abc import Callable

import numpy as np
import pytest

from symgraph.codegen.cuda import epilogue, product, product_text
from symgraph.codegen.cuda.assemble import Parameter
from symgraph.codegen.cuda.fused_model import modelled
from symgraph.codegen.cuda.fusion import Fused, fusions_of
from symgraph.codegen.cuda.kernels import predicated
from symgraph.codegen.cuda.listing import cuda_text
from symgraph.codegen.cuda.planned import by_plan
from symgraph.codegen.cuda.product_text import Tile
from symgraph.codegen.cuda.program_races import still_faults, walk_faults
from symgraph.codegen.cuda.regions import Regions
from symgraph.codegen.cuda.report import KernelText, rows
from symgraph.codegen.cuda.texts import texts_of
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Program
from symgraph.codegen.program_check import check_program
from symgraph.codegen.run import run_program

from ...device import on_device
from . import loop_programs
from .fused_programs import BIAS, FUSED, IN_PLACE, LOOP, SIDE, drawn, names_in, parsed


@pytest.fixture(scope="module")
def launched() -> dict[tuple[str, str], list[str]]:
    """What each program has launched, by its name and how products were cut."""
    lines = on_device("tests.codegen.cuda.fused_programs").splitlines()
    words = [line.split() for line in lines]
    return {(name, way): kernels for name, way, *kernels in words}


def ends(program: Program) -> list[Fused]:
    return list(fusions_of(program).ends.values())


def changed(text: str, *changes: tuple[str, str]) -> Program:
    """A program with something else in it."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parsed(text)


@pytest.mark.gpu
@pytest.mark.parametrize("name", FUSED)
def test_fused_programs(launched: dict[tuple[str, str], list[str]], name: str) -> None:
    """Small tiles, large ones and sums in chunks; the last launch has the epilogue."""
    (fused,) = ends(parsed(FUSED[name]))
    for way in ("small", "large", "chunks"):
        kernels = launched[name, way]
        last = [kernel for kernel in kernels if kernel.endswith(fused.epilogue.name)]
        assert last and all("_then_" in kernel for kernel in last)
        chunked = any("_chunks" in kernel for kernel in kernels)
        assert chunked == any("_finish_then_" in kernel for kernel in kernels)
        assert len(last) == (3 if name == "loop" else 1)


@pytest.mark.gpu
def test_sums_in_chunks_are_among_them(
    launched: dict[tuple[str, str], list[str]],
) -> None:
    for name in ("bias", "several", "added", "rows", "columns"):
        assert any("_chunks" in kernel for kernel in launched[name, "chunks"])


@pytest.mark.gpu
def test_an_operand_is_not_written_while_others_read_it(
    launched: dict[tuple[str, str], list[str]],
) -> None:
    program = parsed(IN_PLACE)
    assert not ends(program)
    kernels = launched["in_place", "small"]
    assert sorted(kernels) == 2 * [f"product_float32_{SIDE}nn"] + 2 * ["twice"]
    elsewhere = ("temp c: float32[m, m] slot 0", "temp c: float32[m, m] slot 1")
    assert len(ends(changed(IN_PLACE, elsewhere))) == 1


def test_the_checker_finds_what_fusing_in_place_would_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were it fused all the same, it would race; as it is, nothing does."""
    program = parsed(IN_PLACE)
    given = drawn(program, m=7)
    assert not faults(modelled(program), given)
    monkeypatch.setattr(Regions, "meet", lambda self, first, second: False)
    assert len(ends(program)) == 1
    assert {kind for kind, _ in faults(modelled(program), given)} == {"race"}


def faults(program: Program, given: dict[str, np.ndarray]) -> list[tuple[str, str]]:
    """What is wrong with any launch, for blocks of few threads."""
    checked = [*still_faults(program, given, by_plan(8))]
    checked += walk_faults(program, given, by_plan(4))
    assert not any(each.needs for each in checked)
    return [(f.kind, str(f)) for each in checked for f in each.faults]


@pytest.mark.parametrize("name", FUSED)
def test_fused_kernels_have_no_races(name: str) -> None:
    """And mean what the two steps do."""
    program = parsed(FUSED[name])
    model = modelled(program)
    check_program(model)
    assert len(model.steps) == len(program.steps) - 1
    sizes = {name: 5 + k for k, name in enumerate(sorted(names_in(program)))}
    given = drawn(program, **sizes)
    assert not faults(model, given)
    got, want = run_program(model, given), run_program(program, given)
    for x, y in zip(got.results, want.results, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


STEP = "  gemm t = a @ b for m=m, n=n, k=k\n"
LAUNCH = "  launch bias_tanh(t, c, y; m, n)\n"
LIKE_IT = LAUNCH.replace("y;", "z;")
ANOTHER = (
    ("output y", "output z: float32[m, n]\n  output y"),
    ("return y", "return y, z"),
)
READ = "        total = load t[x, column]: float32\n"
TANH = "        right = tanh(left): float32\n"
SUM = """
program sums
  input a: float32[m, k]
  input b: float32[k, n]
  output y: float32[m]
  temp t: float32[m, n] slot 0
  kernel sums(t: in float32[m, n], y: out float32[m]; m, n) split i
    parallel i < m
      vector j < n -> total = sum v: float32
        v = load t[i, j]: float32
      store y[i] = total
  gemm t = a @ b for m=m, n=n, k=k
  launch sums(t, y; m, n)
  return y
"""

#: Programs and the changes after which their products are not fused, if not at once.
NOT_FUSED = {
    "the product is returned": (
        BIAS,
        ("temp t: float32[m, n] slot 0", "output t: float32[m, n]"),
        ("return y", "return y, t"),
    ),
    "two launches read it": (BIAS, *ANOTHER, (LAUNCH, LAUNCH + LIKE_IT)),
    "another place": (BIAS, (READ, READ.replace("column]", "n - column - 1]"))),
    "the first row": (BIAS, (READ, READ.replace("x,", "0,"))),
    "a guarded load": (
        BIAS,
        (
            READ,
            "        low = lt(x, 2:int64): bool\n" + READ.replace(":", " if low:"),
        ),
    ),
    "a check": (
        BIAS,
        (TANH, f"{TANH}        ok = eq(right, right): bool\n        check ok else 3\n"),
    ),
    "a branch": (
        BIAS,
        ("input c", "input on: bool[]\n  input c"),
        (LAUNCH, f"  when on\n{LAUNCH}  otherwise\n{LAUNCH}  end\n"),
    ),
    "a reduction": (SUM,),
    "an operand that is written in between": (
        IN_PLACE,
        ("c: float32[m, m] slot 0", "c: float32[m, m] slot 1"),
        ("  launch twice(t, c; m)", "  launch twice(x, a; m)\n  launch twice(t, c; m)"),
    ),
    "an operand that is the result": (
        LOOP,
        (" moving one <- two", ""),
        ("launch ends(t, h, two; m)", "launch ends(t, h, one; m)"),
    ),
    "the next round's": (
        LOOP,
        ("gemm t =", "gemm two ="),
        ("launch ends(t, h, two; m)", "launch ends(two, h, t; m)"),
    ),
}


@pytest.mark.parametrize("why", NOT_FUSED)
def test_not_fused(why: str) -> None:
    text, *changes = NOT_FUSED[why]
    assert not ends(changed(text, *changes))


def test_of_two_products_the_last_is_ended() -> None:
    """Each product has one end, and each launch ends one product."""
    two = (
        (STEP, STEP + STEP.replace("t =", "r =")),
        ("temp t", "temp r: float32[m, n] slot 1\n  temp t"),
        ("t: in float32[m, n],", "t: in float32[m, n], r: in float32[m, n],"),
        (READ, READ + "        more = load r[x, column]: float32\n"),
        ("add(total, w)", "add(total, more)"),
        ("bias_tanh(t, c", "bias_tanh(t, r, c"),
    )
    program = changed(BIAS, *two)
    (fused,) = ends(program)
    assert fused.gemm.out == "r" and fusions_of(program).dropped == {"r"}
    check_program(modelled(program))


def with_values(count: int) -> str:
    """`BIAS` with so many more values that are all needed at once."""
    up = ["        p0 = exp(left): float32\n"]
    up += [f"        p{k} = mul(p{k - 1}, left): float32\n" for k in range(1, count)]
    up.append(f"        s{count} = mul(left, left): float32\n")
    down = [
        f"        s{k} = div(s{k + 1}, p{k}): float32\n" for k in reversed(range(count))
    ]
    return BIAS.replace(TANH, "".join([*up, *down, TANH.replace("left", "s0")]))


def with_calls(count: int) -> str:
    """`BIAS` with so many more calls of a function of CUDA's."""
    more = [f"        p{k} = erfinv(left): float32\n" for k in range(count)]
    return BIAS.replace(TANH, "".join([*more, TANH]))


def test_much_work_has_a_launch_of_its_own() -> None:
    """A tile's sums take registers, in which little else should have to be."""
    (fused,) = ends(parsed(with_calls(14)))
    assert fused.epilogue.work == 154 <= epilogue.MOST_WORK
    assert not ends(parsed(with_calls(15)))


def test_many_values_have_a_launch_of_their_own() -> None:
    (fused,) = ends(parsed(with_values(22)))
    assert fused.epilogue.values == 24 == epilogue.MOST_VALUES
    assert not ends(parsed(with_values(23)))
    (fused,) = ends(parsed(BIAS))
    assert fused.epilogue.values == 3


def test_memory_that_is_not_needed() -> None:
    """A product that is added to lies somewhere; one that is handed on does not."""
    assert fusions_of(parsed(BIAS)).dropped == {"t"}
    assert fusions_of(parsed(FUSED["views"])).dropped == {"t"}
    assert not fusions_of(parsed(FUSED["added"])).dropped


def test_where_arrays_may_meet() -> None:
    """What a loop moves has the memory of all that it is moved with."""
    text = LOOP.replace("temp t:", "temp o: float32[m, m] slot 2\n  temp t:")
    regions = Regions(parse_program(text))
    assert not regions.meet("one", "two") and regions.meet("one", "one")
    assert regions.meet("o", "one") and regions.meet("two", "o")
    assert not regions.meet("o", "t") and not regions.meet("h", "w")
    regions = Regions(parse_program(LOOP.replace("slot 2", "slot 1")))
    assert regions.meet("one", "two")
    regions = Regions(parse_program(loop_programs.UNTIL))
    assert regions.meet("same", "b") is regions.meet("a", "b") is False
    assert regions.meet("xs", "x") and regions.meet("same", "a")


def test_text(golden: Callable[[str, str], None]) -> None:
    """A tile with several elements for each thread, and the end of sums in chunks."""
    (fused,) = ends(parsed(BIAS))
    tile = product_text.tiled("float32", Tile(16, 2, 16), epilogue=fused.epilogue)
    finish = product_text.added_up("float32", False, 256, fused.epilogue)
    golden("cuda/fused_product.py.txt", f"{tile.text}\n\n{finish.text}")


def test_a_tile_without_room() -> None:
    (fused,) = ends(parsed(BIAS))
    product_text.tiled("float32", Tile(16, 2, 1))
    with pytest.raises(ValueError, match="has no room"):
        product_text.tiled("float32", Tile(16, 2, 1), epilogue=fused.epilogue)


def test_the_listing_shows_what_is_launched() -> None:
    text = cuda_text(parsed(BIAS))
    assert text.count("\n\n\ndef ") == 1
    assert "def product_float32_16nn_then_bias_tanh(" in text
    assert '"""lhs[b] @ rhs[b], m x k and k x n, then bias_tanh; a block' in text
    assert "def bias_tanh(" not in text


@pytest.mark.parametrize("name", ["bias", "rows"])
def test_ends_under_a_condition(name: str) -> None:
    """The kernel returns at once where its bool is false; the function stays."""
    (fused,) = ends(parsed(FUSED[name]))
    for stage in product.all_stages(fused.gemm, "float32", fused.epilogue):
        made = predicated(stage)
        *_, function = ast.parse(made.text).body
        assert isinstance(function, ast.FunctionDef) and function.name == made.name
        assert ast.unparse(function.body[1]) == "if not on[0]:\n    return"
        assert ("_one(" in made.text) == ("_then_" in made.name)


#: Little work, several results, and as much of everything as there may be.
ASSEMBLED = {
    "bias": BIAS,
    "several": FUSED["several"],
    "float64": FUSED["batched"],
    "added": FUSED["added"],
    "rows": FUSED["rows"],
    "values": with_values(22),
    "work": with_calls(14),
}


@pytest.mark.cuda
@pytest.mark.parametrize("name", ASSEMBLED)
def test_machine_code(name: str) -> None:
    """No faults, and on an SM more than half of the blocks that fit without an end."""
    program = parsed(ASSEMBLED[name])
    (fused,) = ends(program)
    dtype = program.array(fused.gemm.out).dtype
    plain = product.all_stages(fused.gemm, dtype)
    texts = {
        t.name: t for t in texts_of(program) if t.name.endswith(fused.epilogue.name)
    }
    assert texts
    for stage in plain:
        ended = texts.get(f"{stage.name}_then_{fused.epilogue.name}")
        if ended is None:
            continue
        bare = KernelText(
            stage.name,
            stage.text,
            tuple(
                Parameter(a.dtype, 1 if a.is_array else None) for a in stage.arguments
            ),
            stage.threads,
            float64=True,
        )
        for before, now in zip(rows([bare]), rows([ended]), strict=True):
            assert not [str(fault) for fault in now.faults]
            if "finish" not in stage.name:
                assert 2 * now.occupancy.blocks > before.occupancy.blocks

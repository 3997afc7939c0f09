"""How reductions and products are in PTX, and what the assembler makes of them."""

from __future__ import annotations

import pytest

from symgraph.codegen.cuda import ptx
from symgraph.codegen.cuda.assemble import CAPABILITIES, Capability, compiled
from symgraph.codegen.cuda.report import KernelText, findings
from symgraph.codegen.cuda.texts import texts_of
from symgraph.codegen.parse import parse_program

from .long_programs import accumulating

pytestmark = pytest.mark.cuda

#: A reduction of all elements, and one of each row, in float32.
SUMS = """
program sums
  input x: float32[n, m]
  output total: float32[]
  output each: float32[n]
  kernel all(x: in float32[n, m], total: out float32[]; n, m) split i
    vector i < n -> sum = sum part: float32
      vector j < m -> part = sum square: float32
        v = load x[i, j]: float32
        square = mul(v, v): float32
    store total[] = sum
  kernel rows(x: in float32[n, m], each: out float32[n]; n, m) split i
    parallel i < n
      vector j < m -> sum = sum square: float32
        v = load x[i, j]: float32
        square = mul(v, v): float32
      store each[i] = sum
  launch all(x, total; n, m)
  launch rows(x, each; n, m)
  return total, each
"""
PRODUCT = """
program product
  input lhs: float32[m, k]
  input rhs: float32[k, n]
  output out: float32[m, n]
  gemm out = lhs @ rhs for m=m, n=n, k=k
  return out
"""


def text_of(program: str, name: str) -> KernelText:
    """One kernel of a program by its name."""
    (found,) = (t for t in texts_of(parse_program(program)) if t.name == name)
    return found


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize(
    ("program", "name", "of_blocks"),
    [(SUMS, "all", True), (SUMS, "rows", True), (SUMS, "rows_short", False)],
)
def test_reductions_combine_by_shuffles(
    program: str, name: str, of_blocks: bool, capability: Capability
) -> None:
    """Within warps; a block's warps meet at its memory, and a warp alone has none."""
    text = text_of(program, name)
    made = compiled(text.source, text.parameters, capability)
    assert len(ptx.shuffles(made.ptx)) >= (2 if of_blocks else 1)
    for found in (ptx.barriers, ptx.shared_loads, ptx.shared_stores):
        assert bool(found(made.ptx)) == of_blocks
    report = made.report
    assert (report.shared > 0) == (report.barriers > 0) == of_blocks
    assert (report.spill_stores, report.spill_loads, report.local) == (0, 0, 0)
    assert not ptx.local_memory(made.ptx)
    assert ptx.fused(made.ptx) and not ptx.float64_arithmetic(made.ptx)


@pytest.mark.parametrize("capability", CAPABILITIES)
def test_tiled_products_use_shared_memory_and_fused_sums(
    capability: Capability,
) -> None:
    names = [t.name for t in texts_of(parse_program(PRODUCT))]
    text = text_of(PRODUCT, next(n for n in names if n.startswith("product_float32")))
    made = compiled(text.source, text.parameters, capability)
    report = made.report
    assert 0 < report.shared <= 48 * 1024 and report.barriers
    assert ptx.shared_loads(made.ptx) and ptx.shared_stores(made.ptx)
    # Each thread has a square of sums in registers: more to add than to load for it.
    assert len(ptx.fused(made.ptx)) > len(ptx.shared_loads(made.ptx))
    assert not ptx.unfused(made.ptx) and not ptx.float64_arithmetic(made.ptx)
    assert (report.spill_stores, report.spill_loads, report.local) == (0, 0, 0)
    assert not ptx.local_memory(made.ptx)
    assert not ptx.integer_divisions(made.ptx, innermost=True)


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_chunks_of_long_rows(dtype: str, capability: Capability) -> None:
    """Three kernels, of which the first only combines: none keeps anything in memory
    but what its warps hand over."""
    zero = "0" if dtype == "int64" else "-0.0"
    for rows in (False, True):
        program = accumulating(dtype, "add", zero, rows, reverse=True)
        name = "rows" if rows else "row"
        for ending in ("totals", "carries", "chunks"):
            text = text_of(program, f"{name}_{ending}")
            made = compiled(text.source, text.parameters, capability)
            report = made.report
            assert (report.spill_stores, report.spill_loads, report.local) == (0, 0, 0)
            assert not ptx.local_memory(made.ptx)
            assert not ptx.integer_divisions(made.ptx, innermost=True)
            assert ptx.shuffles(made.ptx) and ptx.barriers(made.ptx)
            doubles = ptx.float64_arithmetic(made.ptx)
            assert not doubles or dtype == "float64"
            assert not list(findings(text, made))

"""Kernels of real programs under the checker of races: every op's, and larger ones.

Whatever a kernel promises about the iterations of its parallel or split loops holds
for each access of each iteration, on the examples' sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pytest

import symgraph as sg
from symgraph.codegen import schedule
from symgraph.codegen.cuda.fused_model import modelled
from symgraph.codegen.cuda.long_rows import LEAST_CHUNKS, SHARE
from symgraph.codegen.cuda.planned import by_plan
from symgraph.codegen.cuda.program_races import Checked, Spreading, walk_faults
from symgraph.codegen.cuda.spread import Spread, independent
from symgraph.codegen.ir import Kernel
from symgraph.function import Function, function
from symgraph.lower import Lowered
from symgraph.op import Array, Op
from symgraph.ops.foreign import NumbaFunction
from symgraph.variable import Variable, as_tensor

from .cases import Case, Shapes
from .examples import EXAMPLES
from .loops import arguments
from .test_ops import declared, drawn

#: Larger trials take the interpreter long, and have no other kernels.
MOST = 64


def by_iteration(
    kernel: Kernel, sizes: Mapping[str, int]
) -> list[tuple[Kernel, Spread]]:
    return [(kernel, independent(kernel))]


def prepared(kernel: Kernel, sizes: Mapping[str, int]) -> list[tuple[Kernel, Spread]]:
    """As targets run it: expanded, in tiles, with loops merged."""
    ready = schedule.prepare(kernel)
    return [(ready, independent(ready))]


WAYS = (
    *(by_iteration, prepared, by_plan(4), by_plan(32), by_plan(256)),
    *(by_plan(8, warp=4, most=4, least=8), by_plan(4, warp=4, least=4)),
)


def fits(f: Function, values: Sequence[Array]) -> Lowered:
    """The version of `f` for these values: sizes that are taken to be equal may not."""
    lowered = f.compilation.lowered
    shapes = [a.outer_shape for a in lowered.program.by_role("input")]
    sizes: dict[object, int] = {}
    for shape, value in zip(shapes, values, strict=True):
        for extent, size in zip(shape, np.shape(value), strict=True):
            wanted = extent if isinstance(extent, int) else sizes.get(extent, size)
            if wanted != size:
                return f.compilation.generic().lowered
            sizes[extent] = size
    return lowered


def checked(
    f: Function, values: Sequence[Array], spread: Spreading = by_iteration
) -> Iterator[Checked]:
    """Each launch of `f` on `values`; functions from outside do nothing.

    Products are looked at where they end with a kernel.
    """
    lowered = fits(f, values)
    outside = dict.fromkeys(lowered.program.functions, lambda *arrays: True)
    given = arguments(lowered, values)
    fused = modelled(lowered.program)
    for program in dict.fromkeys((lowered.program, fused)):
        yield from walk_faults(program, given, spread, outside)


def assert_sound(f: Function, values: Sequence[Array]) -> int:
    """No launch has a fault; how many there were."""
    count = 0
    for way in WAYS:
        found = list(checked(f, values, way))
        assert not [str(fault) for each in found for fault in each.faults]
        count = count or len(found)
    return count


def trials(case: Case) -> Iterator[Shapes]:
    for shapes in case.shapes:
        if all(size <= MOST for shape in shapes for size in shape):
            yield shapes


@pytest.mark.parametrize("made", EXAMPLES, ids=lambda made: made.__name__)
def test_every_op(made: type[Op]) -> None:
    count = 0
    for case in EXAMPLES[made]:
        for shapes in trials(case):
            dtype = case.dtypes[0]
            inputs = declared(case, shapes, dtype)
            built = as_tensor(case.build(*inputs))
            f = function(inputs, built, mode="interpret", on_unused_input="ignore")
            count += assert_sound(f, drawn(case, shapes, dtype))
    assert count or made is NumbaFunction  # a call from outside, and no kernel


def training() -> tuple[list[Variable], Variable, list[Array]]:
    """The loss of a small network, and its gradient by a scatter of labels."""
    rng = np.random.default_rng(0)
    x, labels = sg.fmatrix("x"), sg.lvector("labels")
    w = sg.tensor("w", "float32", (5, 4))
    scores = sg.special.log_softmax(sg.tanh(x) @ w, axis=1)
    picked = scores[sg.arange(labels.shape[0]), labels]
    cost = -sg.mean(picked)
    values = [
        rng.standard_normal((7, 5)).astype("float32"),
        rng.integers(0, 4, 7),
        rng.standard_normal((5, 4)).astype("float32"),
    ]
    return [x, labels, w], sg.grad(cost, w), values


def recurrent() -> tuple[list[Variable], Variable, list[Array]]:
    """The gradient of a loop over rows: rows read, rows written, values moved."""
    rng = np.random.default_rng(1)
    xs, w = sg.dmatrix("xs"), sg.dmatrix("w")
    _, kept = sg.scan(lambda h, x: (sg.tanh(x + h @ w),) * 2, xs[0], xs)
    cost = sg.sum(kept * kept)
    values = [rng.standard_normal((6, 5)), rng.standard_normal((5, 5))]
    return [xs, w], sg.grad(cost, w), values


def normalised() -> tuple[list[Variable], Variable, list[Array]]:
    """Rows, then columns: reductions along both axes."""
    x = sg.fmatrix("x")
    out = x
    for axis in (1, 0):
        centred = out - sg.mean(out, axis=axis, keepdims=True)
        spread = sg.mean(centred * centred, axis=axis, keepdims=True)
        out = centred / sg.sqrt(spread + 0.1)
    return [x], out, [np.random.default_rng(2).random((9, 17), "float32")]


def ended() -> tuple[list[Variable], Variable, list[Array]]:
    """Gradients through two layers: products that end with what is elementwise."""
    rng = np.random.default_rng(3)
    x, w, b, v = sg.fmatrix("x"), sg.fmatrix("w"), sg.fvector("b"), sg.fmatrix("v")
    cost = sg.sum(sg.tanh(sg.tanh(x @ w + b) @ v) ** 2)
    shapes = (7, 5), (5, 6), (6,), (6, 4)
    values = [rng.standard_normal(shape).astype("float32") for shape in shapes]
    return [x, w, b, v], sg.grad(cost, w) * 0.1, values


PROGRAMS = {
    "ended": ended,
    "training": training,
    "recurrent": recurrent,
    "rows": normalised,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    inputs, out, values = PROGRAMS[name]()
    f = function(inputs, out, mode="interpret")
    assert assert_sound(f, values) >= 3


def test_products_that_end_with_a_kernel_are_looked_at() -> None:
    """As launches of one kernel each, whose blocks read all of the operands."""
    inputs, out, values = ended()
    f = function(inputs, out, mode="interpret")
    found = list(checked(f, values, by_plan(8)))
    names = [e.kernel.name for e in found if e.kernel.name.startswith("product_then")]
    assert len(names) >= 3
    assert not [str(fault) for each in found for fault in each.faults]


def test_long_rows_in_chunks() -> None:
    """Each chunk's total is read before the chunk is stored, which may be in place."""
    x, rows = sg.dvector("x"), sg.fmatrix("rows")
    sums = sg.cumsum(sg.cumsum(sg.exp(x))[::-1])
    inside = rows * 2
    centred = sg.cumsum(inside - inside[:, :1], axis=1)
    f = function([x, rows], [sg.exp(sums), centred], mode="interpret")
    m = LEAST_CHUNKS * SHARE * 8 + 5
    values = [np.zeros(m), np.zeros((2, m), "float32")]
    assert_sound(f, values)
    for way in (by_plan(4), by_plan(8, warp=4, most=4, least=8)):
        names = {each.kernel.name for each in checked(f, values, way)}
        endings = [name.rpartition("_")[2] for name in names]
        for ending in ("totals", "carries", "chunks"):
            assert endings.count(ending) == 3

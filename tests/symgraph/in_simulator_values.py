"""What functions with ``device="cuda"`` compute, on a GPU or where it is simulated.

`test_on_device` runs this file in a process of its own: pytest collects it by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import symgraph as sg
from symgraph.arguments import Parameter
from symgraph.callable import Spec
from symgraph.codegen.cuda import launch
from symgraph.codegen.cuda.kernels import kernel_cache
from symgraph.codegen.cuda.long_rows import LEAST_CHUNKS, SHARE
from symgraph.codegen.cuda.texts import texts_of
from symgraph.errors import SymgraphError, UnsupportedError
from symgraph.function import Function, function
from symgraph.mode import Mode
from symgraph.op import Op
from symgraph.tree import Structure

from ..device import limits
from .cuda_cases import SINGLE, TOLERANCE, lstm_step, network_step
from .examples import EXAMPLES
from .random_graphs import RandomGraph, random_graphs
from .test_ops import built, drawn, groups

#: Elements of an op's operands; each is a thread of Python's.
MOST = 40


@pytest.fixture(autouse=True, params=limits(), ids=lambda cut: f"{cut.threads}")
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of few threads; on a GPU, also of as many as there are usually."""
    monkeypatch.setattr(launch, "Limits", lambda: request.param)


def assert_close(got: Any, want: Any) -> None:
    """Equal but for rounding, relative to the largest element."""
    x, y = np.asarray(got), np.asarray(want)
    assert (x.dtype, x.shape) == (y.dtype, y.shape)
    if y.dtype.kind not in "fc":
        np.testing.assert_array_equal(x, y)
        return
    single = y.dtype.name in ("float32", "complex64")
    most = np.abs(y[np.isfinite(y)]).max(initial=1.0)
    bound = (SINGLE if single else TOLERANCE[y.dtype.kind]) * most
    np.testing.assert_allclose(x, y, rtol=0, atol=bound, equal_nan=True)


def one_of_each_file() -> list[type[Op]]:
    """An op of each file of ops that has examples."""
    found: dict[str, type[Op]] = {}
    for made in EXAMPLES:
        found.setdefault(made.__module__, made)
    return list(found.values())


@pytest.mark.parametrize("made", one_of_each_file(), ids=lambda made: made.__name__)
def test_values_of_ops(made: type[Op]) -> None:
    case = EXAMPLES[made][0]
    group = groups(case)[0]
    small = [s for s in group if sum(int(np.prod(shape)) for shape in s) <= MOST]
    inputs, outputs = built(case, group[0])
    near = function(inputs, outputs, on_unused_input="ignore", mode="interpret")
    if getattr(made, "foreign", False):
        with pytest.raises(UnsupportedError, match="function of the host"):
            function(inputs, outputs, on_unused_input="ignore", device="cuda")
        return
    far = function(inputs, outputs, on_unused_input="ignore", device="cuda")
    for shapes in small[:2]:
        values = [a for dtype in case.dtypes for a in drawn(case, shapes, dtype)]
        with np.errstate(all="ignore"):
            want = near(*values)
        for got, value in zip(far(*values), want, strict=True):
            assert_close(got, value)


def test_random_graphs() -> None:
    @settings(
        max_examples=12,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(random_graphs(most_nodes=10))
    def run(graph: RandomGraph) -> None:
        inputs, outputs = list(graph.inputs), list(graph.outputs)
        near = function(inputs, outputs, on_unused_input="ignore")
        try:
            far = near.copy("cuda")
        except UnsupportedError as error:
            assert "function of the host" in str(error)
            return
        try:
            want = near(*graph.values)
        except SymgraphError as error:
            with pytest.raises(type(error)):
                far(*graph.values)
            return
        for got, value in zip(far(*graph.values), want, strict=True):
            assert_close(got, value)

    run()


@pytest.mark.parametrize("step", [network_step, lstm_step])
def test_training_steps(step: Callable[[], Any]) -> None:
    """Two steps on the device, where the parameters stay, and on the CPU."""
    compilation, values, parameters = step()
    request = compilation.request
    inputs = tuple(Parameter(node, None) for node in request.inputs)
    spec = Spec(
        *(inputs, request.shared, request.outputs, request.updates),
        *(Structure("leaf"), step.__name__, Mode()),
        device="cuda",
    )
    far = Function(spec)
    near = far.copy("cpu")
    start = [p.get_value() for p in parameters]
    losses = [far(*values).item() for _ in range(2)]
    assert {p.device for p in parameters} == {"cuda"}
    assert losses[1] < losses[0]
    moved = [p.get_value() for p in parameters]
    for parameter, value in zip(parameters, start, strict=True):
        parameter.set_value(value)
    again = [float(near(*values)) for _ in range(2)]
    assert {p.device for p in parameters} == {"cpu"}
    np.testing.assert_allclose(losses, again, rtol=1e-5)
    for parameter, value in zip(parameters, moved, strict=True):
        assert_close(value, parameter.get_value())


def test_random_draws_have_the_bits_of_the_cpu() -> None:
    def drawing(device: str) -> Callable[[], Any]:
        stream = sg.random.Stream(7)
        bits = stream.integers(0, 1 << 40, (3, 5))
        uniform = stream.uniform((3, 5))
        return sg.function([], [bits, uniform], device=device)

    far, near = drawing("cuda"), drawing("cpu")
    seen = []
    for _ in range(3):
        for got, want in zip(far(), near(), strict=True):
            np.testing.assert_array_equal(np.asarray(got), want)
            seen.append(want)
    assert not np.array_equal(seen[0], seen[2])


def test_long_rows_are_in_chunks() -> None:
    """Of what is fused, reversed and differentiated, too."""
    m = LEAST_CHUNKS * SHARE * launch.Limits().threads + 5
    x, rows = sg.dvector("x"), sg.fmatrix("rows")
    outputs = [
        sg.cumsum(sg.exp(x)) * 2 + 1,
        sg.cumsum(x[::-1])[::-1],
        sg.cumsum(x > 0),
        sg.grad(sg.sum(sg.cumsum(x) ** 2), x),
        sg.cumprod(rows, axis=1),
        sg.cumsum(rows - rows[:, :1], axis=1),
    ]
    far = sg.function([x, rows], outputs, device="cuda")
    rng = np.random.default_rng(0)
    values = rng.normal(size=m), rng.uniform(0.9, 1.1, (2, m)).astype("float32")
    before = len(kernel_cache())
    near = far.copy("cpu")
    for got, want in zip(far(*values), near(*values), strict=True):
        assert_close(got, want)
    names = {text.name.rpartition("_")[2] for text in texts_of(far.program)}
    assert {"totals", "carries", "chunks"} <= names
    assert len(kernel_cache()) >= before + 9

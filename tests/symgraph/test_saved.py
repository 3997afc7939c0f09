"""Graphs in files: what is loaded computes the same; damage is told."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import SymgraphError, UnsupportedError
from symgraph.evaluate import evaluate
from symgraph.op import Op

from ..support import assert_same
from .examples import EXAMPLES
from .test_ops import built, drawn

OWN = [made for made in EXAMPLES if not made.foreign]


@pytest.mark.parametrize("made", OWN, ids=lambda made: made.__name__)
def test_every_op(made: type[Op], tmp_path: Path) -> None:
    case = EXAMPLES[made][0]
    shapes = case.shapes[0]
    inputs, outputs = built(case, shapes)
    path = tmp_path / "graph"
    sg.save(sg.Graph(inputs, outputs), path)
    loaded = sg.load(path)
    values = [a for dtype in case.dtypes for a in drawn(case, shapes, dtype)]

    def computed(graph_inputs: Any, graph_outputs: Any) -> list[Any]:
        given = {v.node: x for v, x in zip(graph_inputs, values, strict=True)}
        return evaluate([v.node for v in graph_outputs], given)

    pairs = zip(
        computed(inputs, outputs),
        computed(loaded.inputs, loaded.outputs),
        strict=True,
    )
    for old, new in pairs:
        assert_same(new, old, made.__name__)


def training() -> sg.Graph:
    x = sg.tensor("x", "float32", ("n", 3))
    w = sg.shared(np.arange(6.0).reshape(3, 2).astype("float32"), name="w")
    last, kept = sg.scan(lambda c, v: (sg.tanh(c + v @ w), c), np.zeros(2, "f4"), x)
    cost = sg.ifelse(sg.sum(x) > 0, sg.sum(last), sg.sum(kept * np.float32(np.nan)))
    return sg.Graph([x], [cost, sg.grad(cost, w)])


def test_names_shared_values_and_dimensions_are_kept(tmp_path: Path) -> None:
    graph = training()
    sg.save(graph, tmp_path / "graph.npz")
    loaded = sg.load(tmp_path / "graph.npz")
    assert [v.name for v in loaded.inputs] == ["x"]
    assert repr(loaded.inputs[0].type) == "float32[n, 3]"
    value = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    f, g = (sg.function(a.inputs, list(a.outputs)) for a in (graph, loaded))
    for old, new in zip(f(value), g(value), strict=True):
        np.testing.assert_array_equal(new, old)


def test_files_of_users_ops_are_refused(tmp_path: Path) -> None:
    x = sg.dvector("x")
    made = sg.from_numpy_function(np.sort)(x)
    with pytest.raises(UnsupportedError, match="of the user's own"):
        sg.save(sg.Graph([x], [made]), tmp_path / "graph")
    with pytest.raises(TypeError, match="not a graph"):
        sg.save(x, tmp_path / "graph")  # type: ignore[arg-type]


def test_damaged_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "graph"
    sg.save(training(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(200):
        data = bytearray(whole[: rng.integers(len(whole))])
        if rng.random() < 0.5:
            data = bytearray(whole)
            for place in rng.integers(0, len(data), 3):
                data[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        try:
            sg.load(path)
        except SymgraphError:
            told += 1
    assert told > 150


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.update(schema="other"),
        lambda h: h.update(format=-1),
        lambda h: h["nodes"][-1].append(10**6),
        lambda h: h["nodes"][-1].append(-1),
        lambda h: h["ops"][0].update({"class": "os.system"}),
        lambda h: h["ops"][0]["fields"].update(more=1),
        lambda h: h["outputs"].append([10**6, None]),
        lambda h: h["leaves"][0].update(type=["float32", [-5]]),
        lambda h: h["leaves"][0].update(kind="shared"),
        lambda h: h.pop("nodes"),
    ],
)
def test_hostile_files_are_told(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    sg.save(training(), path)
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(bytes(arrays.pop("header")).decode())
    change(header)
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(path, header=text, **arrays)
    with pytest.raises(SymgraphError):
        sg.load(path)


def test_pickles_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "graph.npz"
    np.savez(path, header=np.array([print], dtype=object))
    with pytest.raises(SymgraphError, match="no saved graph"):
        sg.load(path)
    path.write_bytes(pickle.dumps({"schema": "symgraph.saved"}))
    with pytest.raises(SymgraphError):
        sg.load(path)
    with pytest.raises(FileNotFoundError):
        sg.load(tmp_path / "nothing")

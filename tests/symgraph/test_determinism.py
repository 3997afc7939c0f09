"""Results are bitwise the same for any number of threads, and from run to run."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symgraph as sg
from symgraph.function import Function
from symgraph.op import Array

ROOT = Path(__file__).resolve().parents[2]

#: Of products: square, long and thin, fewer than a panel, one more than a power of two.
PRODUCTS = [
    *((256, 256, 256), (1000, 3, 17), (3, 2000, 5), (17, 1000, 513), (1, 700, 129)),
    *((129, 1, 257), (513, 65, 1), (5, 5, 5), (128, 784, 512), (64, 512, 10)),
]


def functions(dtype: str) -> dict[str, Function]:
    """What is run: each takes a long vector, a matrix and a second one, or a cube."""
    v, a, b = sg.vector("v", dtype), sg.matrix("a", dtype), sg.matrix("b", dtype)
    cube = sg.tensor("cube", dtype, (None,) * 3)
    row = a - a.max(axis=1, keepdims=True)
    centred = a - a.mean(axis=1, keepdims=True)
    normal = centred / sg.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    pieces = {
        "elementwise": ([v], [sg.exp(v) * sg.sigmoid(v), sg.tanh(v) + sg.log1p(v * v)]),
        "whole": ([v], [v.sum(), v.max(), sg.mean(sg.exp(v)), sg.argmax(v), v @ v]),
        "rows": ([a], [a.sum(axis=1), a.mean(axis=1), sg.argmax(a, axis=1)]),
        "columns": ([a], [a.sum(axis=0), a.max(axis=0), (a * a).mean(axis=0)]),
        "table": ([a], [a.sum(), (a * a).mean(), a.std(), sg.logsumexp(a), a.min()]),
        "cube": ([cube], [cube.sum(axis=k) for k in ((0, 1), (1, 2), (0, 2), None)]),
        "layernorm": ([a], [normal, sg.softmax(normal, axis=1)]),
        "softmax": ([a], [sg.softmax(a, axis=1), sg.log_softmax(a, axis=0), row]),
        "product": ([a, b], [a @ b, b.T @ a.T, sg.exp(a) @ b]),
        "draws": ([v], draws(v, dtype)),
    }
    return {name: sg.function(*parts) for name, parts in pieces.items()}


def draws(v: sg.Variable, dtype: str) -> list[sg.Variable]:
    """Random numbers as many as `v` has elements."""
    key = sg.random.key(5)
    return [
        sg.random.normal(key, v.shape, dtype=dtype) + v,
        sg.sum(sg.random.gumbel(key, v.shape, dtype=dtype)),
        sg.random.integers(key, 0, v.shape[0], v.shape),
        sg.random.permutation(key, v.shape[0]),
    ]


def data(dtype: str) -> dict[str, list[tuple[Array, ...]]]:
    """The arguments of each function."""
    rng = np.random.default_rng(7)

    def normal(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    vectors = [(normal(n),) for n in (5, 1000, 300_001)]
    tables = [(normal(*s),) for s in ((3, 5), (700, 301), (7, 60_000), (40_000, 5))]
    cubes = [(normal(*s),) for s in ((3, 4, 5), (64, 50, 101), (7, 300, 200))]
    products = [(normal(m, k), normal(k, n)) for m, k, n in PRODUCTS]
    return {
        "elementwise": vectors, "whole": vectors, "rows": tables, "columns": tables,
        "table": tables, "cube": cubes, "layernorm": tables,
        "softmax": tables, "product": products, "draws": vectors,
    }  # fmt: skip


def train(steps: int) -> tuple[list[Array], str]:
    """A small network after some steps of gradient descent, and its program."""
    rng = np.random.default_rng(3)
    x, y = sg.fmatrix("x"), sg.lvector("y")
    sizes = (64, 96, 10)
    weights, h = [], x
    for i, (m, n) in enumerate(itertools.pairwise(sizes)):
        w = sg.shared(rng.normal(size=(m, n)).astype("float32") / 8)
        b = sg.shared(np.zeros(n, "float32"))
        weights += [w, b]
        h = h @ w + b
        h = sg.maximum(h, 0) if i + 2 < len(sizes) else h
    loss = -sg.log_softmax(h, axis=1)[sg.arange(y.shape[0]), y].mean()
    grads = sg.grad(loss, weights)
    updates = {w: w - 0.1 * g for w, g in zip(weights, grads, strict=True)}
    step = sg.function([x, y], loss, updates=updates)
    images = rng.normal(size=(257, 64)).astype("float32")
    labels = rng.integers(0, 10, 257)
    losses = [step(images, labels) for _ in range(steps)]
    assert losses[-1] < losses[0]
    values = [np.array(losses), *(w.get_value() for w in weights)]
    return values, step.source("loops") + step.source("llvm")


def regress(steps: int) -> list[Array]:
    """Losses and weights of logistic regression."""
    rng = np.random.default_rng(4)
    x, y = sg.dmatrix("x"), sg.dvector("y")
    w, b = sg.shared(rng.normal(size=300) / 10), sg.shared(0.0)
    z = x @ w + b
    loss = sg.mean(sg.special.softplus(z) - y * z) + 0.01 * sg.sum(w * w)
    grads = sg.grad(loss, [w, b])
    step = sg.function([x, y], loss, updates={w: w - grads[0], b: b - grads[1]})
    examples = rng.normal(size=(3001, 300))
    labels = rng.integers(0, 2, 3001).astype("float64")
    losses = [step(examples, labels) for _ in range(steps)]
    assert losses[-1] < losses[0]
    return [np.array(losses), w.get_value(), b.get_value()]


def digests() -> dict[str, str]:
    """A digest of each result."""
    weights, program = train(10)
    code = hashlib.sha256(program.encode()).hexdigest()
    found = {"network": digest(weights), "program": code}
    found["regression"] = digest(regress(5))
    for dtype in ("float32", "float64"):
        arguments = data(dtype)
        for name, f in functions(dtype).items():
            for number, values in enumerate(arguments[name]):
                found[f"{name} {number} {dtype}"] = digest(f(*values))
    return found


def digest(results: list[Array]) -> str:
    made = hashlib.sha256()
    for result in results:
        made.update(np.ascontiguousarray(result).tobytes())
    return made.hexdigest()


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return digests()


def test_another_run_gives_the_same_bits(here: dict[str, str]):
    assert digests() == here


@pytest.mark.parametrize("count", [1, 2, 3])
def test_another_process_with_other_threads_gives_the_same_bits(
    here: dict[str, str], count: int
):
    done = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=False,
        cwd=ROOT, timeout=60, env=os.environ | {"OMP_NUM_THREADS": str(count),
        "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": str(count)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got.pop("threads") == count
    assert got == here


def test_the_place_of_an_array_in_memory_does_not_matter():
    """Vectors are loaded from any address: no element's path depends on alignment."""
    v = sg.dvector("v")
    f = sg.function([v], [v.sum(), sg.exp(v), sg.mean(sg.tanh(v)), v @ v])
    room = np.random.default_rng(5).normal(size=5000)
    expected = digest(f(room[:4001].copy()))
    for shift in range(1, 9):
        moved = np.empty(5100)[shift : shift + 4001]
        moved[:] = room[:4001]
        assert digest(f(moved)) == expected


if __name__ == "__main__":
    from symgraph.codegen.cpu.threads import get_num_threads

    json.dump(digests() | {"threads": get_num_threads()}, sys.stdout)

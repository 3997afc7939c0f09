"""The demo: a classifier of real digits, and what the compiler did to train it.

A network of two hidden layers learns the 1,797 handwritten digits that come with the
package, by stochastic gradient descent with momentum.  One compiled function is the
whole training step: the loss, its gradients by all parameters, and their new values.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

import symgraph as sg

from .data import load_digits
from .errors import SymgraphError
from .function import Function
from .inspect.dot import graph_dot
from .inspect.json_form import graph_json
from .leaf import Shared
from .lower.memory import arena_bytes
from .shared import SharedVariable

#: Over 24 seeds, 40 epochs of this end at 96.7 % to 98.9 % of the test digits.
LAYERS = (64, 128, 64, 10)
BATCH = 32
RATE = 0.1
MOMENTUM = 0.9

#: How many of the 1,797 digits are set aside for the test.
HELD_OUT = 360

#: Steps taken with NumPy too, and by how much of a parameter's size the two may differ:
#: float32 sums in another order, a few dozen times over.
COMPARED = 20
TOLERANCE = 1e-3

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Batch = tuple[Floats, Labels]


@dataclass(frozen=True)
class Digits:
    """Images, float32 (n, 64), and labels, int64 (n,), to train on and to test."""

    train: Batch
    test: Batch

    @staticmethod
    def load(seed: int) -> Digits:
        """The digits in an order that `seed` decides, and split."""
        images, labels = load_digits()
        order = np.random.default_rng(seed).permutation(len(labels))
        test, train = order[:HELD_OUT], order[HELD_OUT:]
        return Digits((images[train], labels[train]), (images[test], labels[test]))

    def minibatches(self, random: np.random.Generator) -> Iterator[Batch]:
        """The training digits in random order, `BATCH` at a time, the rest last."""
        images, labels = self.train
        order = random.permutation(len(labels))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            yield images[chosen], labels[chosen]


@dataclass(frozen=True)
class Network:
    """The compiled functions and their parameters: W1, b1, W2, b2, W3, b3.

    `step(images, labels)` returns the loss and updates parameters and velocities;
    `predict(images)` returns labels.  `seconds` is how long making `step` took.
    """

    parameters: list[SharedVariable]
    velocities: list[SharedVariable]
    step: Function
    predict: Function
    seconds: float


def initial_parameters(seed: int) -> list[Floats]:
    """Weights scaled after He et al. (2015), doi:10.1109/ICCV.2015.123; zero biases."""
    random = np.random.default_rng(seed)
    values: list[Floats] = []
    for rows, columns in pairwise(LAYERS):
        weights = random.standard_normal((rows, columns)) * np.sqrt(2.0 / rows)
        values += [weights.astype(np.float32), np.zeros(columns, np.float32)]
    return values


def build(seed: int) -> Network:
    """Write the network down, differentiate it and compile it."""
    x, y = sg.matrix("x", "float32", (None, LAYERS[0])), sg.vector("y", "int64")
    values = initial_parameters(seed)
    names = ("W1", "b1", "W2", "b2", "W3", "b3")
    parameters = [sg.shared(v, name) for v, name in zip(values, names, strict=True)]
    velocities = [
        sg.shared(np.zeros_like(v), f"v{name}")
        for v, name in zip(values, names, strict=True)
    ]
    w1, b1, w2, b2, w3, b3 = parameters
    hidden = sg.maximum(x @ w1 + b1, 0)
    hidden = sg.maximum(hidden @ w2 + b2, 0)
    logits = hidden @ w3 + b3
    logp = sg.special.log_softmax(logits, axis=1)
    loss = -sg.mean(logp[sg.arange(y.shape[0]), y])

    updates = []
    for p, v, g in zip(parameters, velocities, sg.grad(loss, parameters), strict=True):
        velocity = MOMENTUM * v - RATE * g
        updates += [(v, velocity), (p, p + velocity)]
    start = time.perf_counter()
    step = sg.function([x, y], loss, updates=updates, name="training step")
    seconds = time.perf_counter() - start
    predict = sg.function([x], sg.argmax(logits, axis=1), name="predict")
    return Network(parameters, velocities, step, predict, seconds)


def numpy_step(
    values: list[Floats], velocities: list[Floats], x: Floats, y: Labels
) -> np.float32:
    """The same step by hand: update `values` and `velocities` in place; the loss."""
    w1, b1, w2, b2, w3, b3 = values
    rows = np.arange(len(y))
    first = np.maximum(x @ w1 + b1, 0)
    second = np.maximum(first @ w2 + b2, 0)
    logits = second @ w3 + b3
    logits -= logits.max(axis=1, keepdims=True)
    exponentials = np.exp(logits)
    sums = exponentials.sum(axis=1, keepdims=True)
    loss = -(logits - np.log(sums))[rows, y].mean(dtype=np.float32)

    # Of the cross-entropy by the logits: probabilities less one where the label is.
    delta3 = exponentials / sums
    delta3[rows, y] -= 1
    delta3 /= np.float32(len(y))
    delta2 = (delta3 @ w3.T) * (second > 0)
    delta1 = (delta2 @ w2.T) * (first > 0)
    gradients = [
        *(x.T @ delta1, delta1.sum(axis=0)),
        *(first.T @ delta2, delta2.sum(axis=0)),
        *(second.T @ delta3, delta3.sum(axis=0)),
    ]
    for value, velocity, gradient in zip(values, velocities, gradients, strict=True):
        velocity *= MOMENTUM
        velocity -= RATE * gradient
        value += velocity
    return np.float32(loss)


# -- training --------------------------------------------------------------------------


def train(network: Network, digits: Digits, epochs: int, seed: int) -> Iterator[float]:
    """Train; yields the mean loss of each epoch's minibatches."""
    random = np.random.default_rng(seed)
    for _ in range(epochs):
        losses = [network.step(x, y) for x, y in digits.minibatches(random)]
        yield float(np.mean(losses))


def accuracy(network: Network, batch: Batch) -> float:
    """The fraction of a batch's images that are given their label."""
    images, labels = batch
    return float(np.mean(network.predict(images) == labels))


def train_with_bar(
    network: Network, digits: Digits, epochs: int, seed: int, console: Console
) -> float:
    """Train under a progress bar, if a terminal shows it; returns the seconds taken."""
    bar = Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs{task.fields[loss]}"),
        console=console,
        disable=not console.is_terminal,
    )
    start = time.perf_counter()
    with bar:
        task = bar.add_task("training", total=epochs, loss="")
        for loss in train(network, digits, epochs, seed):
            bar.update(task, advance=1, loss=f", loss {loss:.4f}")
    return time.perf_counter() - start


# -- measuring -------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Seconds for one step and one recompilation, and how far NumPy's result is away.

    `warm` is None where the disk cache is off.  `difference` is the largest, as a part
    of the parameter's largest element, after `COMPARED` steps.
    """

    step: float
    numpy_step: float
    warm: float | None
    difference: float


def measure(network: Network, batch: Batch, seed: int) -> Measured:
    """Take the step with NumPy too, compare, and time both; moves the parameters.

    Raises:
        SymgraphError: the results differ by more than rounding.
    """
    values = initial_parameters(seed)
    velocities = [np.zeros_like(value) for value in values]
    for shared, begin in zip(network.parameters, values, strict=True):
        shared.set_value(begin)
    for shared, begin in zip(network.velocities, velocities, strict=True):
        shared.set_value(begin)
    for _ in range(COMPARED):
        network.step(*batch)
        numpy_step(values, velocities, *batch)
    found = [shared.get_value() for shared in network.parameters]
    difference = largest_difference(found, values)
    if not difference <= TOLERANCE:
        raise SymgraphError(
            f"after {COMPARED} steps the compiled step is {difference:.1e} away from "
            "NumPy's\n  help: this is a bug in symgraph; please report it"
        )
    step, by_numpy = time_both(
        lambda: network.step(*batch), lambda: numpy_step(values, velocities, *batch)
    )
    start = time.perf_counter()
    again = network.step.copy()
    warm = time.perf_counter() - start
    return Measured(step, by_numpy, warm if again.from_cache else None, difference)


def largest_difference(found: Sequence[Floats], wanted: Sequence[Floats]) -> float:
    """The largest difference as a part of the array's largest element."""
    return max(
        float(np.abs(a - b).max() / np.abs(b).max())
        for a, b in zip(found, wanted, strict=True)
    )


def time_both(
    one: Callable[[], object],
    other: Callable[[], object],
    rounds: int = 7,
    calls: int = 50,
) -> tuple[float, float]:
    """Seconds a call, by turns, so that what else the machine does meets both alike."""

    def timed(call: Callable[[], object]) -> float:
        # NumPy's threads go on spinning for a while, and would hold up ours.
        time.sleep(0.05)
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    pairs = [(timed(one), timed(other)) for _ in range(rounds)]
    return median(a for a, _ in pairs), median(b for _, b in pairs)


# -- reporting -------------------------------------------------------------------------


def sizes_at(network: Network, batch: Batch) -> dict[str, int]:
    """The program's sizes by name when it is called with `batch`."""
    program = network.step.program
    shapes = [array.shape for array in batch]
    leaves = (node.op for node in network.step.graph.nodes)
    shapes += [op.storage.box[0].shape for op in leaves if isinstance(op, Shared)]
    sizes: dict[str, int] = {}
    for array, shape in zip(program.by_role("input", "shared"), shapes, strict=True):
        named = zip(array.shape, shape, strict=True)
        sizes.update((name, size) for name, size in named if isinstance(name, str))
    return sizes


def summary(network: Network, batch: Batch, measured: Measured) -> Table:
    """What the compiler did with the training step."""
    report = network.step.report
    arena, apart = arena_bytes(network.step.program, sizes_at(network, batch))
    rules = sorted(report.rules.items(), key=lambda pair: (-pair[1], pair[0]))
    fired = [f"{name} {count}" for name, count in rules]
    total = sum(report.rules.values())
    warm = (
        "the disk cache is off"
        if measured.warm is None
        else milliseconds(measured.warm)
    )
    ratio = measured.numpy_step / measured.step
    table = Table.grid(padding=(0, 2))
    rows = {
        "graph": f"{report.nodes_before} nodes as written, {report.nodes_after} after "
        "rewriting, which writes out named formulas",
        "rules applied": f"{total} times: {', '.join(fired)}",
        "program": f"{report.kernels} kernels, {report.library_calls} library calls",
        "arena": f"{kilobytes(arena)}; all intermediates apart: {kilobytes(apart)}",
        "compiled, cold": milliseconds(report.compile_time),
        "compiled, warm": warm,
        "one step": f"{microseconds(measured.step)}; in NumPy: "
        f"{microseconds(measured.numpy_step)}, {ratio:.1f} times as long",
        "NumPy's results": f"within {measured.difference:.0e} after {COMPARED} steps",
    }
    for row in rows.items():
        table.add_row(*row)
    return table


def milliseconds(seconds: float) -> str:
    """``12.3 ms``."""
    return f"{seconds * 1e3:.1f} ms"


def microseconds(seconds: float) -> str:
    """``56 us``."""
    return f"{seconds * 1e6:.0f} us"


def kilobytes(count: int) -> str:
    """``12.3 kB``."""
    return f"{count / 1e3:.1f} kB"


def write_graph(network: Network, folder: Path) -> list[Path]:
    """Write the training step's optimized graph to `folder`, as DOT and JSON."""
    graph = network.step.optimized
    data: dict[str, Any] = graph_json(graph)
    texts = {
        folder / "training_step.dot": graph_dot(graph, "training step"),
        folder / "training_step.json": json.dumps(data, indent=1) + "\n",
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)


def run(epochs: int, seed: int, out: Console, progress: Console) -> Network:
    """Train, test, measure, and report to `out`; returns what was trained and measured.

    Raises:
        SymgraphError: NumPy disagrees.
    """
    digits = Digits.load(seed)
    train_size, test_size = len(digits.train[1]), len(digits.test[1])
    out.print(
        f"{train_size} handwritten digits to train on, {test_size} to test; "
        f"layers of {' - '.join(map(str, LAYERS))}"
    )
    network = build(seed)
    source = "from the disk cache in" if network.step.from_cache else "compiled in"
    out.print(f"training step: {source} {milliseconds(network.seconds)}")
    seconds = train_with_bar(network, digits, epochs, seed, progress)
    out.print(f"trained: {epochs} epochs in {seconds:.2f} s, {BATCH} digits a step")
    out.print(f"test accuracy: {100 * accuracy(network, digits.test):.1f} %")

    images, labels = digits.train
    batch = images[:BATCH], labels[:BATCH]
    measured = measure(network, batch, seed)
    out.print("\nWhat the compiler did with the training step")
    out.print(summary(network, batch, measured))
    return network

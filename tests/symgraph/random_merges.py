"""Graphs of several loops drawn at random, that share arrays and read each other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import symgraph as sg
from symgraph.variable import Variable


class Several:
    """Results of loops over rows of `x` and `y` (n, SIZE) and `s` (n), drawn by `seed`.

    What is drawn has no size of its own, so that arrays of any n go through.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def __call__(self, x: Variable, y: Variable, s: Variable) -> list[Variable]:
        """A few results: numbers, vectors and stacks."""
        self.scalars, self.rows = [s], [x, y]
        self.found: list[Variable] = []
        self.outer = [x[:1].sum() + 0.5, sg.sum(s) * 0.1]
        for _ in range(self.rng.randint(2, 5)):
            self.between()
            self.loop()
        for _ in range(self.rng.randint(1, 4)):
            self.read()
        return self.found

    def between(self) -> None:
        """Work on sequences, and on stacks of other loops, outside of loops."""
        rng = self.rng
        pool = rng.choice([self.scalars, self.rows])
        a, b = rng.choice(pool), rng.choice(pool)
        n = a.shape[0]
        kind = rng.randrange(8)
        made = [
            lambda: a * 0.5 + b,
            lambda: sg.where(a > b, a, b * 0.5),
            lambda: sg.exp(-abs(a)),
            lambda: a[::-1],
            lambda: a - rng.choice(self.outer),
            lambda: sg.concatenate([b[1:], a[:1]]),
            lambda: sg.sqrt(abs(a) + 1) * rng.choice([1.0, 2.0]),
            lambda: a + sg.arange(n).reshape((n, *[1] * (a.ndim - 1))) * 0.01,
        ][kind]()
        pool.append(made)

    def loop(self) -> None:
        """One loop more, whose stacks others may go through."""
        rng = self.rng
        wide = rng.random() < 0.4
        pool = self.rows if wide else self.scalars
        rows = [rng.choice(pool) for _ in range(rng.randint(1, 2))]
        count = rng.randint(0, 2)
        start = rng.choice([0.0, 1.0, 0.5])
        first = [sg.zeros_like(rows[0][:1].sum(axis=0)) + start for _ in range(count)]
        seed, outer = rng.random(), rng.choice(self.outer)
        uses = rng.random() < 0.3

        def step(carry: Any, row: Any) -> Any:
            draw = random.Random(seed)
            own = [*carry, *row, *([outer] if uses else [])]
            for _ in range(draw.randint(1, 4)):
                a, b = draw.choice(own), draw.choice(own)
                own.append(self.value(draw, a, b))
            shape = row[0]
            nexts = tuple(draw.choice(own) + shape * 0 for _ in carry)
            return nexts, (draw.choice(own) + shape * 0, own[-1] + shape * 0)

        options = {"reverse": rng.random() < 0.35, "remember": rng.random() < 0.8}
        last, kept = sg.scan(step, tuple(first), tuple(rows), **options)
        pool.extend(kept if rng.random() < 0.5 else kept[:1])
        stacks = list(kept)
        self.found += rng.sample(list(last), rng.randint(0, len(last)))
        for _ in range(rng.randint(0, 2)):
            self.found.append(self.reduced(rng.choice(stacks)))

    def value(self, draw: random.Random, a: Variable, b: Variable) -> Variable:
        """Something made of two values of a round."""
        match draw.randrange(6):
            case 0:
                return a * 0.5 + b * 0.25
            case 1:
                return sg.tanh(a) * b * 0.5
            case 2:
                return sg.where(a > b, a * 0.5, b * 0.5)
            case 3:
                return sg.sin(a - b)
            case 4:
                return sg.sum(a) * 0.1 + b * 0.5
        return sg.maximum(a, b) * 0.7

    def read(self) -> None:
        """One result of a stack or a sequence."""
        pool = self.rng.choice([self.scalars, self.rows])
        a = self.rng.choice(pool)
        self.found.append(self.reduced(a))

    def reduced(self, a: Variable) -> Variable:
        rng = self.rng
        axis: Any = rng.choice([0, None])
        b = a * 0.5 + rng.choice([0.0, 1.0])
        return [
            lambda: sg.sum(a, axis=axis),
            lambda: sg.sum(b * b, axis=axis),
            lambda: (
                sg.max(a, axis=axis) if rng.random() < 0.5 else sg.min(b, axis=axis)
            ),
            lambda: sg.any(a > 1.0, axis=axis),
            lambda: sg.all(a < 9.0, axis=axis),
            lambda: sg.prod(sg.tanh(a) * 0.1 + 1, axis=axis),
            lambda: sg.mean(b, axis=axis),
            lambda: b,
            lambda: a,
            lambda: a[-1],
            lambda: sg.sum(sg.exp(-abs(a)), axis=axis),
        ][rng.randrange(11)]()


def gradients(results: Sequence[Variable], args: Sequence[Variable]) -> list[Variable]:
    """The gradients of a cost made of `results`."""
    floats = [sg.sum(sg.sin(v)) for v in results if v.dtype == "float64"]
    if not floats:
        return []
    cost = sum(floats[1:], floats[0])
    return list(sg.grad(cost, list(args), disconnected_inputs="ignore"))


__all__ = ["Several", "gradients"]

"""Scans drawn at random: nested, of many carried values, with choices in them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import symgraph as sg
from symgraph.variable import Variable

#: The size of all vectors.
SIZE = 3


class Drawn:
    """A result made of vectors, rows and a matrix, by `scan` or by what stands for it.

    The same seed makes the same expression, whatever `scan` is.
    """

    def __init__(self, seed: int, scan: Callable[..., Any]) -> None:
        self.rng = random.Random(seed)
        self.scan = scan

    def __call__(self, x: Variable, h: Variable, w: Variable) -> Variable:
        pool = [h, w[0]]
        for _ in range(self.rng.randint(1, 2)):
            pool += self.loop(pool, x, w, self.rng.choice([1, 1, 2]))
        return sum(v * (0.3 + k) for k, v in enumerate(pool))

    def loop(
        self, pool: Sequence[Variable], x: Variable, w: Variable, depth: int
    ) -> list[Variable]:
        """Results of one loop over the rows of `x`."""
        rng, count = self.rng, self.rng.randint(1, 3)
        first = tuple(rng.choice(pool) for _ in range(count))
        rows = (x, rng.choice([x[::-1], x * 2, sg.sin(x)]))[: rng.randint(1, 2)]
        seed, outer = rng.random(), list(pool)
        uses = rng.random() < 0.5

        def step(carry: Any, row: Any) -> Any:
            # Steps may be called several times, and are the same each time.
            self.rng = random.Random(seed)
            own = [*carry, *row, *(outer if uses else [])]
            for _ in range(self.rng.randint(2, 5)):
                own += self.value(own, x, w, depth)
            nexts = tuple(self.rng.choice(own) for _ in range(count))
            return nexts, (self.rng.choice(own), self.rng.choice(own))

        reverse, remember = rng.random() < 0.4, rng.random() < 0.7
        last, kept = self.scan(step, first, rows, reverse=reverse, remember=remember)
        self.rng = rng
        read = [*last, kept[0][-1], kept[1][0], sg.sum(kept[0], axis=0)]
        return [sg.tanh(v) for v in rng.sample(read, rng.randint(1, len(read)))]

    def value(
        self, pool: Sequence[Variable], x: Variable, w: Variable, depth: int
    ) -> list[Variable]:
        """One or more vectors made of others."""
        a, b = (self.rng.choice(pool) for _ in range(2))
        kind = self.rng.randrange(10 if depth > 1 else 9)
        match kind:
            case 0:
                return [a + b * 0.5]
            case 1:
                return [sg.sin(a) * b]
            case 2:
                return [sg.tanh(a @ w)]
            case 3:
                return [sg.tanh(sg.sum(a) * b)]
            case 4:
                return [a[::-1]]
            case 5:
                return [sg.where(a > b, a, sg.cos(b))]
            case 6:
                return [sg.cumsum(a) * 0.3]
            case 7:
                chosen = sg.ifelse(
                    sg.sum(a) > sg.sum(b),
                    lambda: (sg.sin(a), b),
                    lambda: (a @ w, a * b),
                )
                return list(chosen)
            case 8:
                return [sg.tanh(w @ a + b)]
        return self.loop([a, b], x, w, depth - 1)


__all__ = ["SIZE", "Drawn"]

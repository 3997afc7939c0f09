"""Sums, products and what is made of them: data, formulas, and their errors.

``accuracy.py`` makes a table of them in docs/accuracy.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: The rows and columns of a matrix product.
SIDE = 4
#: Lengths are powers of ten; those up to `SHORT` and those beyond are told apart.
LEAST, SHORT, LONGEST = 2, 4, 7


def alternating(random: np.random.Generator, n: int) -> Array:
    """Between 1 and 2, plus and minus in turn: the sum is small."""
    return random.uniform(1, 2, n) * np.where(np.arange(n) % 2, -1, 1)


def wide(random: np.random.Generator, n: int) -> Any:
    """Of either sign, with exponents of 2 between -50 and 50."""
    return np.exp2(random.uniform(-50, 50, n)) * random.choice([-1.0, 1.0], n)


KINDS: dict[str, Callable[[np.random.Generator, int], Any]] = {
    "between 0 and 1": np.random.Generator.random,
    "normal": np.random.Generator.standard_normal,
    "signs in turn": alternating,
    "wide exponents": wide,
}


def factors(x: Any) -> Any:
    """Numbers near 1 whose product stays in range however many they are."""
    return 1 + (x - x.mean()) / (4 * np.sqrt(len(x)))


def places(n: int) -> Array:
    """Where cumulative sums are looked at."""
    return np.unique(np.geomspace(1, n, 24).astype(int)) - 1


def matmul(lib: Any, x: Any, y: Any) -> Any:
    return x.reshape((SIDE, -1)) @ y.reshape((-1, SIDE))


#: ``formula(lib, x, y)`` by name; `lib` is what `names` gives.
FORMULAS: dict[str, Callable[..., Any]] = {
    "sum": lambda lib, x, y: lib.sum(x),
    "mean": lambda lib, x, y: lib.mean(x),
    "cumsum": lambda lib, x, y: lib.cumsum(x),
    "dot": lambda lib, x, y: lib.dot(x, y),
    "matmul": matmul,
    "var": lambda lib, x, y: lib.var(x),
    "std": lambda lib, x, y: lib.std(x),
    "norm": lambda lib, x, y: lib.norm(x),
    "logsumexp": lambda lib, x, y: lib.logsumexp(x),
    "prod": lambda lib, x, y: lib.prod(x),
}


def names(array: Any, special: Any, linalg: Any) -> SimpleNamespace:
    """A library's names in one place."""
    own = {"norm": linalg.norm, "logsumexp": special.logsumexp}
    return SimpleNamespace(**(vars(array) | own))


def tried(name: str, kind: str) -> bool:
    """Whether the formula makes sense of these data."""
    return name != "prod" or kind != "wide exponents"


def data(name: str, kind: str, dtype: str, power: int) -> tuple[Array, Array]:
    """Two vectors of so many elements, for one formula."""
    random = np.random.default_rng(power)
    x, y = (KINDS[kind](random, 10**power) for _ in range(2))
    return (factors(x) if name == "prod" else x).astype(dtype), y.astype(dtype)


Evaluate = Callable[[str, Array, Array], Any]


def by_numpy() -> Evaluate:
    """What NumPy, with SciPy, makes of a formula."""
    import scipy.special

    lib = names(np, scipy.special, np.linalg)
    return lambda name, x, y: FORMULAS[name](lib, x, y)


@cache
def by_symgraph() -> Evaluate:
    """What symgraph makes of it, compiled once for all lengths."""
    import symgraph as sg

    lib = names(sg, sg.special, sg.linalg)

    @cache
    def compiled(name: str, dtype: str) -> Any:
        x, y = (sg.tensor(None, dtype, (None,)) for _ in range(2))
        result = FORMULAS[name](lib, x, y)
        return sg.function([x, y], result, on_unused_input="ignore")

    return lambda name, x, y: compiled(name, x.dtype.name)(x, y)


def looked_at(name: str, result: Any) -> list[float]:
    """The numbers of a result whose errors are taken."""
    flat = np.ravel(result)
    picked = flat[places(len(flat))] if name == "cumsum" else flat
    return [float(number) for number in picked]


def measure(dtype: str, kind: str, power: int, jax: str) -> dict[str, list[float]]:
    """By formula, the errors of symgraph, NumPy and JAX (NaN where it is not there)."""
    import exact
    from jax_values import evaluate

    cases = {name: data(name, kind, dtype, power) for name in FORMULAS}
    cases = {name: given for name, given in cases.items() if tried(name, kind)}
    theirs = evaluate(jax, list(cases.items()))
    ours = [by_symgraph(), by_numpy()]
    eps = float(np.finfo(dtype).eps)
    found = {}
    for (name, (x, y)), third in zip(cases.items(), theirs, strict=True):
        wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
        right = exact.result(name, wide_x, wide_y)
        results = [library(name, x, y) for library in ours] + [third]
        found[name] = [
            float("nan") if r is None else exact.error(looked_at(name, r), right, eps)
            for r in results
        ]
    return found


def rows(dtype: str, longest: int, jax: str) -> list[tuple[str, str, list[float]]]:
    """Formula, kind of data, and the largest errors of each library.

    Two for each: those of vectors up to ``10**SHORT`` and of all up to
    ``10**longest`` elements.
    """
    found = {
        (kind, power): measure(dtype, kind, power, jax)
        for kind in KINDS
        for power in range(LEAST, longest + 1)
    }
    lines = []
    for name in FORMULAS:
        for kind in filter(partial(tried, name), KINDS):
            errors = np.array([found[kind, k][name] for k in range(LEAST, longest + 1)])
            short = errors[: SHORT - LEAST + 1].max(axis=0)
            pairs = np.stack([short, errors.max(axis=0)], axis=1)
            lines.append((name, kind, pairs.ravel().tolist()))
    return lines

"""Who loses how many digits: expressions as people write them, against mpmath.

The largest relative error over hard points, of the value and of its sum's gradients:
NumPy and JAX (compiled, in float64) evaluate the expression as it is written, symgraph
compiles it.  Writes docs/stability.md, and the figures that the tests hold symgraph to,
tests/symgraph/stability.json:

    .venv/bin/python bench/stability.py --jax .venv-bench/bin/python
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.symgraph.stability_cases import JOINT, POINTWISE, Case  # noqa: E402

FIGURES = ROOT / "tests" / "symgraph" / "stability.json"
PAGE = ROOT / "docs" / "stability.md"

HEAD = """# Stability

Expressions that overflow, cancel or lose digits when they are evaluated as written:
the largest relative error over hard points, against mpmath with a thousand digits.
NumPy and JAX (`jit`, float64) evaluate the expression as it stands; symgraph compiles
it, and rewrites it on the way.  *Gradient* is that of the sum, the worst of all
operands.  `inf` is a NaN, or an infinity where there is a number.  1.1e-16 is half a
unit in the last place.

Made by `bench/stability.py`; the points are in `tests/symgraph/stability_cases.py`, and
the tests hold symgraph to these figures: never worse than the better of the two, but
for {slack:.1e}.

| expression | NumPy | JAX | symgraph | JAX, gradient | symgraph, gradient |
|---|--:|--:|--:|--:|--:|
"""


def jax_values(case: Case) -> list[Any]:
    """The value and gradients for each call, as lists (in JAX' own process)."""
    import jax
    import jax.numpy as jnp

    class Names:
        def __getattr__(self, name: str) -> Any:
            for module in (jnp, jax.nn, jax.scipy.special, jax.scipy.stats.norm):
                if hasattr(module, name):
                    return getattr(module, name)
            raise AttributeError(name)

    names = Names()
    given = (case.points,) if case in POINTWISE else case.points
    count = len(given[0])
    value = jax.jit(lambda *xs: case.build(names, *xs))
    slopes = jax.jit(
        jax.grad(lambda *xs: case.build(names, *xs).sum(), argnums=tuple(range(count)))
    )
    found = []
    for call in given:
        xs = [jnp.array(x, "float64") for x in call]
        found.append([r.tolist() for r in (value(*xs), *slopes(*xs))])
    return found


def serve() -> None:
    """Print what JAX makes of all cases."""
    import jax

    jax.config.update("jax_enable_x64", True)
    print(json.dumps({c.text: jax_values(c) for c in (*POINTWISE, *JOINT)}))


def figures(peer: str) -> dict[str, dict[str, list[float]]]:
    """The errors of all three by expression."""
    from tests.symgraph.stability import ALL, errors, numpy_values, symgraph_values

    command = [peer, __file__, "--serve"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    jax = json.loads(done.stdout)
    found = {}
    for case in ALL:
        (ours,) = symgraph_values([case])
        found[case.text] = {
            "numpy": errors(case, [[v] for v in numpy_values(case)]),
            "jax": errors(case, jax[case.text]),
            "symgraph": errors(case, ours),
        }
        print(case.text, found[case.text], flush=True)
    return found


def cells(figures: dict[str, list[float]]) -> list[str]:
    """The columns of one row."""
    value, *slopes = figures["jax"]
    ours, *own = figures["symgraph"]
    row = [figures["numpy"][0], value, ours, max(slopes), max(own)]
    return [f"{x:.1e}" if x else "0" for x in row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jax", default=".venv-bench/bin/python", help="its Python")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    from tests.symgraph.stability import SLACK, excess

    found = figures(options.jax)
    rows = [f"| `{text}` | {' | '.join(cells(f))} |" for text, f in found.items()]
    PAGE.write_text(HEAD.format(slack=SLACK) + "\n".join(rows) + "\n")
    peers = {t: {k: f[k] for k in ("numpy", "jax")} for t, f in found.items()}
    FIGURES.write_text(json.dumps(peers, indent=1) + "\n")
    worse = {t: e for t, f in found.items() if (e := excess(f, f["symgraph"]))}
    print(f"{len(found)} expressions; symgraph is worse at {len(worse)}: {worse}")


if __name__ == "__main__":
    main()

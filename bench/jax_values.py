"""What JAX makes of some arrays, computed by another Python that has it.

Arrays travel as .npy files, so that neither side needs what the other has installed.

    jax_values.py FOLDER        # as `evaluate` starts it
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: A function's name, and its arguments.
Call = tuple[str, Sequence[Array]]


def evaluate(python: str, calls: Sequence[Call]) -> list[Array | None]:
    """The results of all calls, compiled; None for functions that JAX does not have.

    All are None where `python` does not exist.
    """
    if not Path(python).exists():
        return [None] * len(calls)
    with tempfile.TemporaryDirectory() as folder:
        arrays = {id(x): x for _, given in calls for x in given}
        for key, array in arrays.items():
            np.save(f"{folder}/{key}.npy", array)
        words = [[name, *map(id, given)] for name, given in calls]
        Path(folder, "calls.json").write_text(json.dumps(words))
        subprocess.run([python, __file__, folder], check=True)
        results = [Path(folder, f"result{k}.npy") for k in range(len(calls))]
        return [np.load(path) if path.exists() else None for path in results]


def version(python: str) -> str:
    """JAX' version there, as text."""
    program = "import importlib.metadata as m; print(m.version('jax'))"
    if not Path(python).exists():
        return "not installed"
    command = [python, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def functions() -> dict[str, Any]:
    """JAX' functions by the names that the tables have."""
    import jax
    import jax.numpy as jnp
    from jax.scipy import special
    from reductions import FORMULAS, names

    found: dict[str, Any] = vars(special) | vars(jnp)
    found |= {"sigmoid": jax.nn.sigmoid, "softplus": jax.nn.softplus}
    for k in (1, 2):
        found[f"polygamma({k}, x)"] = lambda x, k=k: special.polygamma(k, x)
    lib = names(jnp, special, jnp.linalg)
    for name, formula in FORMULAS.items():
        found[name] = lambda x, y, formula=formula: formula(lib, x, y)
    return found


def main(folder: str) -> None:
    """Write the results of the calls that `evaluate` left in a folder."""
    import jax

    jax.config.update("jax_enable_x64", True)
    known = functions()
    calls = json.loads(Path(folder, "calls.json").read_text())
    for number, (name, *keys) in enumerate(calls):
        if name in known:
            given = [np.load(f"{folder}/{key}.npy") for key in keys]
            result = jax.jit(known[name])(*given)
            np.save(f"{folder}/result{number}.npy", np.asarray(result))


if __name__ == "__main__":
    main(sys.argv[1])

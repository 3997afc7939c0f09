"""The workloads, one file each.

A workload module has a ``TITLE``; ``GOAL``, the ratio of symgraph's time to the best
peer's that is aimed at; ``inputs()``, made once; ``reference()``, the results of the
first step by NumPy in float64; ``RTOL`` and ``ATOL``, how near a library must come to
them; and ``BUILDERS``: for each library a function that builds the job.

Most are one formula, written once for all libraries over their common names: see
`formula_builders`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from places import host, symgraph_arrays, torch_array

#: Results as a list of arrays, in an order that all libraries share.
Arrays = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Job:
    """A computation that can be repeated.

    `step` runs it once and returns when the result is there; `results` gives what the
    steps so far have computed, as NumPy arrays.
    """

    step: Callable[[], object]
    results: Callable[[], Arrays]


def stateless(function: Callable[[], Any]) -> Job:
    """A job whose every step computes one array, or several, anew."""

    def results() -> Arrays:
        value = function()
        several = isinstance(value, tuple | list)
        return [host(v) for v in (value if several else [value])]

    return Job(function, results)


def find(name: str) -> Any:
    """The workload of that name; one with a dot is a module from elsewhere."""
    return importlib.import_module(name if "." in name else f"workloads.{name}")


#: ``formula(lib, *arrays)``: `lib` has the library's array functions by NumPy's names,
#: and `erf`, `softmax` and the like by SciPy's.
Formula = Callable[..., Any]
Inputs = Callable[[], Sequence[Any]]
Shapes = Sequence[tuple[int | None, ...]]


def formula_builders(
    formula: Formula, inputs: Inputs, shapes: Shapes, **own: Formula
) -> dict[str, Callable[[], Job]]:
    """`BUILDERS` for one formula of some arrays, whose static `shapes` are given.

    `own` holds, by library, a formula that its users would write instead.
    """

    def theirs(library: str) -> Formula:
        return own.get(library, formula)

    return {
        "symgraph": partial(_symgraph, theirs("symgraph"), inputs, shapes),
        "numpy": partial(_numpy, theirs("numpy"), inputs),
        "cupy": partial(_cupy, theirs("cupy"), inputs),
        "jax": partial(_jax, theirs("jax"), inputs),
        "torch": partial(_torch, theirs("torch"), inputs, False),
        "torch.compile": partial(_torch, theirs("torch"), inputs, True),
        "pytensor": partial(_pytensor, theirs("pytensor"), inputs, shapes),
    }


def numexpr_builder(
    text: str, inputs: Callable[[], Mapping[str, Any]]
) -> Callable[[], Job]:
    """`BUILDERS`' entry for numexpr: the text of one formula of named arrays."""

    def build() -> Job:
        import numexpr

        values = inputs()
        return stateless(lambda: numexpr.evaluate(text, values))

    return build


def numpy_names() -> SimpleNamespace:
    """NumPy with SciPy's special functions, as `Formula` wants them."""
    import scipy.special

    return SimpleNamespace(**(vars(np) | _picked(scipy.special)))


def _picked(module: Any) -> dict[str, Any]:
    return {
        name: getattr(module, name)
        for name in ("erf", "expit", "softmax", "log_softmax")
    }


def _symgraph(formula: Formula, inputs: Inputs, shapes: Shapes) -> Job:
    import symgraph as sg

    lib = SimpleNamespace(**(vars(sg) | _picked(sg.special)))
    values = inputs()
    symbols = [
        sg.tensor(f"x{k}", np.asarray(v).dtype.name, shape)
        for k, (v, shape) in enumerate(zip(values, shapes, strict=True))
    ]
    compiled = sg.function(symbols, formula(lib, *symbols))
    return stateless(partial(compiled, *symgraph_arrays(values)))


def _numpy(formula: Formula, inputs: Inputs) -> Job:
    return stateless(partial(formula, numpy_names(), *inputs()))


def _cupy(formula: Formula, inputs: Inputs) -> Job:
    import cupy
    import cupyx.scipy.special

    lib = SimpleNamespace(**(vars(cupy) | _picked(cupyx.scipy.special)))
    values = [cupy.asarray(v) for v in inputs()]
    return stateless(partial(formula, lib, *values))


def _jax(formula: Formula, inputs: Inputs) -> Job:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    special = {
        "erf": jax.scipy.special.erf,
        "expit": jax.nn.sigmoid,
        "softmax": jax.nn.softmax,
        "log_softmax": jax.nn.log_softmax,
    }
    lib = SimpleNamespace(**(vars(jnp) | special))
    values = [jnp.asarray(v) for v in inputs()]
    compiled = jax.jit(partial(formula, lib))
    return stateless(lambda: jax.block_until_ready(compiled(*values)))


def _torch(formula: Formula, inputs: Inputs, compiled: bool) -> Job:
    import torch

    special = {
        "erf": torch.erf,
        "expit": torch.sigmoid,
        "softmax": lambda x, axis: torch.softmax(x, axis),
        "log_softmax": lambda x, axis: torch.log_softmax(x, axis),
    }
    lib = SimpleNamespace(**(vars(torch) | special))
    values = [torch_array(v) for v in inputs()]
    function: Any = partial(formula, lib)
    if compiled:
        function = torch.compile(lambda *args: formula(lib, *args))
    return stateless(partial(function, *values))


def _pytensor(formula: Formula, inputs: Inputs, shapes: Shapes) -> Job:
    import pytensor
    import pytensor.tensor as pt

    special = {"expit": pt.sigmoid, "softmax": pt.special.softmax}
    special["log_softmax"] = pt.special.log_softmax
    lib = SimpleNamespace(**(vars(pt) | special))
    values = inputs()
    symbols = [
        pt.tensor(f"x{k}", dtype=np.asarray(v).dtype.name, shape=shape)
        for k, (v, shape) in enumerate(zip(values, shapes, strict=True))
    ]
    compiled = pytensor.function(symbols, formula(lib, *symbols), mode="NUMBA")
    return stateless(partial(compiled, *values))

"""Declarations and their shorthands."""

from __future__ import annotations

import pytest

import symgraph as sg
from symgraph.errors import DTypeError, ShapeError
from symgraph.types import LETTERS

NDIM = {
    "scalar": 0,
    "vector": 1,
    "matrix": 2,
    "row": 2,
    "col": 2,
    "tensor3": 3,
    "tensor4": 4,
}
PLURALS = {kind: "matrices" if kind == "matrix" else f"{kind}s" for kind in NDIM}


@pytest.mark.parametrize("kind", NDIM)
@pytest.mark.parametrize("letter", ["", *LETTERS])
def test_shorthands(letter: str, kind: str) -> None:
    dtype = LETTERS.get(letter, "float64")
    x = getattr(sg, letter + kind)("x")
    assert (x.dtype, x.ndim, x.name) == (dtype, NDIM[kind], "x")
    fixed = {"row": 0, "col": 1}.get(kind)
    assert [size == 1 for size in x.type.dims] == [k == fixed for k in range(x.ndim)]
    several = getattr(sg, letter + PLURALS[kind])
    for declared in (several("a b"), several("a, b"), several("a", "b")):
        assert [v.name for v in declared] == ["a", "b"]
        assert all(v.type.dtype == dtype and v.ndim == NDIM[kind] for v in declared)
    assert len(several(3)) == 3


def test_float_type_comes_from_the_configuration() -> None:
    with sg.config.flags(floatX="float32"):
        assert (
            sg.vector().dtype == sg.tensor3("x").dtype == sg.zeros(2).dtype == "float32"
        )
    assert sg.vector().dtype == "float64"


def test_shapes() -> None:
    x = sg.matrix("x", "float32", shape=("n", 3))
    assert repr(x.type) == "float32[n, 3]"
    with pytest.raises(ShapeError, match="2 dimensions is needed"):
        sg.matrix("x", shape=(3,))
    with pytest.raises(ShapeError, match="2 dimensions is needed"):
        sg.matrix("x", shape=())
    with pytest.raises(ShapeError, match="a shape cannot be 3"):
        sg.vector("x", shape=3)  # type: ignore[arg-type]
    with pytest.raises(DTypeError):
        sg.tensor("x", "float16")

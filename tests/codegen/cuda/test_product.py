"""How matrix products are cut for their sizes; that all forms of them are right."""

from __future__ import annotations

import pytest

from symgraph.codegen.cuda.product import Enough, all_stages, cuts, tile_of, tiles_of
from symgraph.codegen.program import Gemm

from ...device import on_device

GEMM = Gemm("out", "lhs", "rhs", "m", "n", "k", batch="b")


def numbers(m: int, n: int, k: int, batch: int = 1) -> dict[str, int]:
    return {"m": m, "n": n, "k": k, "batch": batch}


def sizes(m: int, n: int, k: int, b: int = 1) -> dict[str, int]:
    return {"m": m, "n": n, "k": k, "b": b}


@pytest.mark.slow
@pytest.mark.gpu
def test_all_forms() -> None:
    assert on_device("tests.codegen.cuda.products").split() == ["0", "wrong"]


@pytest.mark.gpu
def test_some_of_each_form() -> None:
    """The forms come in eights, so that every eleventh is another one each time."""
    assert on_device("tests.codegen.cuda.products", "11").split() == ["0", "wrong"]


def test_tiles_are_as_large_as_leaves_enough_of_them() -> None:
    heights = {}
    for side in (4096, 1024, 512, 200):
        tile, chunks = tile_of(numbers(side, side, side), "float32")
        assert chunks == 1
        heights[side] = tile.height
    assert heights == {4096: 128, 1024: 64, 512: 32, 200: 16}
    assert tile_of(numbers(4096, 4096, 64), "float64")[0].height == 64


def test_long_sums_are_cut_where_tiles_are_few() -> None:
    tile, chunks = tile_of(numbers(64, 64, 100_000), "float32")
    assert (tile.height, chunks) == (64, 64)
    assert tile_of(numbers(64, 64, 255), "float32")[1] == 1
    first, second = cuts(GEMM, sizes(64, 64, 100_000), "float32")
    assert first.blocks == 64 and first.area == second.area == 64 * 64 * 64
    assert first.numbers["chunk"] * 64 >= 100_000
    assert second.stage.name == "product_float32_finish"


def test_cuts_follow_from_the_sizes_of_one_product() -> None:
    """The same sizes are cut alike; with others a sum may be another."""
    assert cuts(GEMM, sizes(9, 9, 999), "float64") == cuts(
        GEMM, sizes(9, 9, 999), "float64"
    )
    assert not cuts(GEMM, sizes(0, 9, 9), "float32")
    (empty,) = cuts(GEMM, sizes(9, 9, 0), "float32")
    assert empty.numbers["chunks"] == 1


@pytest.mark.parametrize(
    ("m", "n", "transposed", "name"),
    [
        (1000, 1, False, "rows_float32"),
        (1000, 1, True, "columns_float32"),
        (1, 1000, True, "rows_float32"),
        (1, 1000, False, "columns_float32"),
    ],
)
def test_vectors(m: int, n: int, transposed: bool, name: str) -> None:
    """Warps go along rows of memory, threads lie beside one another along them."""
    flags = (transposed, False) if n == 1 else (False, transposed)
    gemm = Gemm("out", "lhs", "rhs", m, n, "k", *flags)
    (cut,) = cuts(gemm, {"k": 100}, "float32", enough=Enough(warps=1, threads=1))
    assert cut.stage.name == name
    first, _ = cuts(gemm, {"k": 10**5}, "float32", enough=Enough(warps=10**4))
    assert first.stage.name == f"{name}_chunks"
    assert {cut.stage.name, first.stage.name} <= {
        s.name for s in all_stages(gemm, "float32")
    }


def test_shared_memory_of_tiles() -> None:
    """Two tiles of two operands fit in what every GPU gives a block, 48 KB."""
    for dtype, size in (("float32", 4), ("float64", 8)):
        for tile in tiles_of(dtype):
            assert 4 * tile.size * size <= 48 * 1024
            assert tile.brought * tile.threads == tile.height * tile.depth

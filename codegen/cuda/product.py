"""How matrix products are cut into launches for given sizes.

A product of matrices is done in tiles, as large as leaves enough of them for a GPU; one
with a vector row by row (see `product_text`).  Where there are too few tiles or rows,
the sums over k are cut into chunks, whose results a second launch adds up in order.
All of that follows from the sizes and the dtype alone, and so does the order of sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..interpret import size_of
from ..program import Gemm
from . import product_text
from .epilogue import Epilogue
from .product_text import Tile
from .stage import Stage

#: The side of the square of threads that does a tile.
TILE = 16


@dataclass(frozen=True, slots=True)
class Enough:
    """What keeps a GPU busy.

    Attributes:
        blocks: of a product in tiles.
        warps: that do a row of a product with a vector each.
        threads: that do.
        terms: the fewest in a chunk of a sum by a block, a warp, and a thread.
        chunks: the most of a sum by a block, a warp, and a thread.
    """

    blocks: int = 128
    warps: int = 1024
    threads: int = 65536
    terms: tuple[int, int, int] = (256, 1024, 64)
    chunks: tuple[int, int, int] = (64, 256, 256)


_ENOUGH = Enough()


@dataclass(frozen=True, slots=True)
class Cut:
    """One launch: the stage, its blocks, and what its arguments are by their `source`.

    `area` is how many elements the argument called "parts" has; it belongs to the
    launches of this product.
    """

    stage: Stage
    blocks: int
    numbers: Mapping[str, int]
    area: int = 0


def cuts(
    gemm: Gemm,
    sizes: Mapping[str, Any],
    dtype: str,
    *,
    side: int = TILE,
    warp: int = 32,
    most: int = 4096,
    enough: Enough = _ENOUGH,
    epilogue: Epilogue | None = None,
) -> tuple[Cut, ...]:
    """The launches of a product of `dtype`, float32 or float64, one after another.

    The last one goes on with each element by the `epilogue`.  A block has
    ``side * side`` threads, in warps of `warp`; there are as many as it takes, but for
    `most` of those that only add up chunks.  A product without elements has no
    launches.
    """
    numbers = numbers_of(gemm, sizes)
    if not numbers["m"] * numbers["n"] * numbers["batch"]:
        return ()
    if 1 in (numbers["m"], numbers["n"]):
        cut = side * side, warp, most
        return _of_vector(gemm, numbers, dtype, cut, enough, epilogue)
    tile, chunks = tile_of(numbers, dtype, side, enough)
    numbers |= _chunked(numbers["k"], chunks)
    stage = product_text.tiled(
        dtype,
        tile,
        transposed=(gemm.transpose_lhs, gemm.transpose_rhs),
        accumulate=gemm.accumulate,
        chunked=numbers["chunks"] > 1,
        epilogue=epilogue if numbers["chunks"] == 1 else None,
    )
    blocks = _tiles(numbers, tile) * numbers["chunks"]
    return _all(stage, blocks, numbers, gemm, dtype, most, epilogue)


def numbers_of(gemm: Gemm, sizes: Mapping[str, Any]) -> dict[str, int]:
    """Extents, and the steps in memory from one row, column and matrix to the next."""
    m, n, k, batch = (size_of(e, sizes) for e in (gemm.m, gemm.n, gemm.k, gemm.batch))
    lhs = (1, m) if gemm.transpose_lhs else (k, 1)
    rhs = (1, k) if gemm.transpose_rhs else (n, 1)
    steps = (
        *(*lhs, m * k if gemm.lhs_batched else 0),
        *(*rhs, k * n if gemm.rhs_batched else 0),
    )
    values = (int(v) for v in (m, n, k, batch, *steps))
    return dict(zip(product_text.NUMBERS, values, strict=True))


def tile_of(
    numbers: Mapping[str, int],
    dtype: str,
    side: int = TILE,
    enough: Enough = _ENOUGH,
) -> tuple[Tile, int]:
    """The tile for these sizes, and how many chunks the sums are cut into.

    The largest tile of which there are enough; else one that fits, with the sums cut.
    """
    tiles = tiles_of(dtype, side)
    for tile in tiles:
        if _tiles(numbers, tile) >= enough.blocks:
            return tile, 1
    deep = min(numbers["k"] // enough.terms[0], enough.chunks[0])
    if deep < 2:
        return tiles[-1], 1
    fitting = [
        tile
        for tile in tiles[1:]
        if tile.height < 2 * numbers["m"] and tile.width < 2 * numbers["n"]
    ]
    tile = fitting[0] if fitting else tiles[-1]
    return tile, max(1, min(deep, enough.blocks // _tiles(numbers, tile)))


def tiles_of(dtype: str, side: int = TILE) -> tuple[Tile, ...]:
    """The tiles that there are for a dtype, the largest first."""
    each = (8, 4, 2, 1) if dtype == "float32" else (4, 2, 1)
    return tuple(
        Tile(side, count, _depth(side, count)) for count in each if count <= side
    )


def _depth(side: int, count: int) -> int:
    return side // 2 if count == 8 and side > 2 else side


def _tiles(numbers: Mapping[str, int], tile: Tile) -> int:
    down = -(-numbers["m"] // tile.height)
    return numbers["batch"] * down * -(-numbers["n"] // tile.width)


def _chunked(k: int, chunks: int) -> dict[str, int]:
    """The length of chunks, and how many there are, none of them empty."""
    length = max(1, -(-k // max(1, chunks)))
    return {"chunk": length, "chunks": max(1, -(-k // length))}


def _of_vector(
    gemm: Gemm,
    numbers: dict[str, int],
    dtype: str,
    cut: tuple[int, int, int],
    enough: Enough,
    epilogue: Epilogue | None,
) -> tuple[Cut, ...]:
    """A product of a matrix and a vector, whichever of the operands that is.

    `cut` has the threads of a block and a warp, and the most blocks.
    """
    threads, warp, most = cut
    table, vector = ("lhs", "rhs") if numbers["n"] == 1 else ("rhs", "lhs")
    along = {"lhs": ("row", "column"), "rhs": ("column", "row")}
    across, down = along[table]
    found = {
        "rows": numbers["m"] if table == "lhs" else numbers["n"],
        **{name: numbers[name] for name in ("k", "batch")},
        "table_row": numbers[f"{table}_{across}"],
        "table_column": numbers[f"{table}_{down}"],
        "table_matrix": numbers[f"{table}_matrix"],
        "vector_step": numbers[f"{vector}_{along[vector][1]}"],
        "vector_matrix": numbers[f"{vector}_matrix"],
    }
    by_warps = found["table_column"] == 1 and found["k"] > 1
    rows = found["rows"] * found["batch"]
    wanted = enough.warps if by_warps else enough.threads
    least, limit = (
        pair[1 if by_warps else 2] for pair in (enough.terms, enough.chunks)
    )
    found |= _chunked(found["k"], min(wanted // rows, found["k"] // least, limit))
    stage = product_text.of_vector(
        dtype,
        (table, vector),
        threads=threads,
        warp=warp if by_warps else 1,
        accumulate=gemm.accumulate,
        chunked=found["chunks"] > 1,
        epilogue=epilogue if found["chunks"] == 1 else None,
    )
    at_once = threads // warp if by_warps else threads
    blocks = -(-rows * found["chunks"] // at_once)
    return _all(stage, blocks, found | numbers | found, gemm, dtype, most, epilogue)


def _all(
    stage: Stage,
    blocks: int,
    numbers: dict[str, int],
    gemm: Gemm,
    dtype: str,
    most: int,
    epilogue: Epilogue | None,
) -> tuple[Cut, ...]:
    """The launch of `stage`, and the one that adds up its chunks' results."""
    count, chunks = numbers["batch"] * numbers["m"] * numbers["n"], numbers["chunks"]
    area = count * chunks if chunks > 1 else 0
    first = Cut(stage, blocks, numbers, area)
    if chunks == 1:
        return (first,)
    second = product_text.added_up(dtype, gemm.accumulate, stage.threads, epilogue)
    blocks = min(-(-count // second.threads), most)
    return first, Cut(second, blocks, numbers | {"count": count}, area)


def all_stages(
    gemm: Gemm, dtype: str, epilogue: Epilogue | None = None
) -> tuple[Stage, ...]:
    """What may be launched for a product of `dtype`, of whatever sizes.

    A product that is one with a vector, whatever its sizes, is no other.
    """
    threads = TILE * TILE
    found: list[Stage] = []
    for chunked in (False, True):
        then = None if chunked else epilogue
        if 1 in (gemm.m, gemm.n):
            operands = ("lhs", "rhs") if gemm.n == 1 else ("rhs", "lhs")
            found += [
                product_text.of_vector(
                    dtype,
                    operands,
                    threads=threads,
                    warp=warp,
                    accumulate=gemm.accumulate,
                    chunked=chunked,
                    epilogue=then,
                )
                for warp in (32, 1)
            ]
            continue
        flags = (gemm.transpose_lhs, gemm.transpose_rhs)
        found += [
            product_text.tiled(
                dtype,
                tile,
                transposed=flags,
                chunked=chunked,
                accumulate=gemm.accumulate,
                epilogue=then,
            )
            for tile in tiles_of(dtype, TILE)[chunked:]
        ]
    return *found, product_text.added_up(dtype, gemm.accumulate, threads, epilogue)

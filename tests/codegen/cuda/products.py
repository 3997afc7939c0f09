"""Every form of a matrix product, on a GPU or in numba's simulator, against NumPy.

As a script: ``NUMBA_ENABLE_CUDASIM=1 python -m tests.codegen.cuda.products``.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

from symgraph.codegen.cuda import product, product_text
from symgraph.codegen.cuda.kernels import kernel_cache
from symgraph.codegen.cuda.product import Enough
from symgraph.codegen.cuda.product_text import Tile
from symgraph.codegen.cuda.stage import Stage
from symgraph.codegen.program import Gemm

from ...device import real

#: Sizes that no tile divides, that are less than a tile, and nothing to sum.
SIZES = ((7, 9, 5, 2), (3, 1, 8, 1), (2, 3, 0, 1), (1, 5, 6, 2), (1, 1, 9, 1))
TILES = (Tile(2, 1, 2), Tile(2, 2, 2), Tile(4, 2, 2), Tile(4, 4, 4))
#: The side of a block of threads, and a warp, where the operand is a vector.
SIDE, WARP = 2, 2
if real():  # as they are there, too, where there are several of each
    SIZES = (*SIZES, (1, 150, 97, 2), (130, 67, 70, 2), (150, 1, 64, 3))
    TILES = (*TILES, *product.tiles_of("float32"))
    SIDE, WARP = product.TILE, 32


def launched(
    stage: Stage, blocks: int, numbers: dict[str, int], arrays: dict[str, Any]
) -> None:
    """Run a stage on arrays on the device; its results are in them."""
    from numba import cuda

    args = [
        arrays[a.source] if a.is_array else np.int64(numbers[a.source])
        for a in stage.arguments
    ]
    kernel_cache().launcher(cuda, stage, blocks)(*args)


def drawn(gemm: Gemm, numbers: dict[str, int], dtype: str) -> dict[str, np.ndarray]:
    """Flat operands, and a result that holds something."""
    rng = np.random.default_rng(0)
    m, n, k, batch = (numbers[name] for name in ("m", "n", "k", "batch"))
    lhs = batch * m * k if gemm.lhs_batched else m * k
    sizes = {"out": batch * m * n, "lhs": lhs, "rhs": batch * k * n}
    return {
        name: rng.uniform(-1, 1, max(1, size)).astype(dtype)
        for name, size in sizes.items()
    }


def wanted(gemm: Gemm, numbers: dict[str, int], arrays: Any) -> np.ndarray:
    """What NumPy makes of these arrays, flat, in float64."""
    m, n, k, batch = (numbers[name] for name in ("m", "n", "k", "batch"))
    count = batch if gemm.lhs_batched else 1
    lhs = arrays["lhs"][: count * m * k].astype("float64")
    rhs = arrays["rhs"][: batch * k * n].astype("float64")
    shape = (count, k, m) if gemm.transpose_lhs else (count, m, k)
    a = lhs.reshape(shape)
    a = a.swapaxes(1, 2) if gemm.transpose_lhs else a
    b = rhs.reshape((batch, n, k) if gemm.transpose_rhs else (batch, k, n))
    b = b.swapaxes(1, 2) if gemm.transpose_rhs else b
    found = (a @ b).reshape(-1)
    return found + arrays["out"] if gemm.accumulate else found


def same(
    gemm: Gemm, stages: list[tuple[Stage, int]], numbers: dict[str, int], dtype: str
) -> bool:
    """Whether the stages, each with its blocks, give what NumPy does."""
    from numba import cuda

    arrays = drawn(gemm, numbers, dtype)
    count = arrays["out"].size
    want = wanted(gemm, numbers, arrays)
    parts = np.full(count * numbers["chunks"], np.nan, dtype)
    there = {**arrays, "parts": parts}
    held = {name: cuda.to_device(array) for name, array in there.items()}
    for stage, blocks in stages:
        launched(stage, blocks, numbers | {"count": count}, held)
    return np.allclose(held["out"].copy_to_host(), want, rtol=1e-5, atol=1e-5)


def gemms(batched: bool) -> list[Gemm]:
    """Products of all transpositions, alone and added to what is there."""
    flags = itertools.product((False, True), repeat=3)
    return [
        Gemm("out", "lhs", "rhs", "m", "n", "k", left, right, "b", batched, True, added)
        for left, right, added in flags
    ]


def chunked(numbers: dict[str, int], chunks: int) -> dict[str, int]:
    length = max(1, -(-numbers["k"] // chunks))
    return numbers | {"chunk": length, "chunks": max(1, -(-numbers["k"] // length))}


def of_tiles(dtype: str, step: int) -> int:
    """How many products in tiles are wrong, of every `step`-th."""
    wrong, count = 0, itertools.count()
    for tile, size, chunks in itertools.product(TILES, SIZES[::2], (1, 3)):
        sizes = dict(zip("mnkb", size, strict=True))
        for gemm in gemms(batched=tile.each != 2):
            if next(count) % step:
                continue
            numbers = chunked(product.numbers_of(gemm, sizes), chunks)
            several = numbers["chunks"] > 1
            flags = gemm.transpose_lhs, gemm.transpose_rhs
            stage = product_text.tiled(
                dtype,
                tile,
                transposed=flags,
                accumulate=gemm.accumulate,
                chunked=several,
            )
            last = product_text.added_up(dtype, gemm.accumulate, tile.threads)
            m, n, _, batch = size
            blocks = -(-m // tile.height) * -(-n // tile.width) * batch
            stages = [(stage, blocks * numbers["chunks"]), (last, 3)]
            stages = stages if several else stages[:1]
            if not same(gemm, stages, numbers, dtype):
                wrong += 1
                print(tile, size, chunks, gemm)
    return wrong


def of_vectors(dtype: str, step: int) -> int:
    """How many products with a vector are wrong, cut as many ways as there are."""
    wrong, count = 0, itertools.count()
    for (m, n, k, batch), most in itertools.product(SIZES, (1, 2, 100)):
        if 1 not in (m, n):
            continue
        sizes = {"m": m, "n": n, "k": k, "b": batch}
        for gemm in gemms(batched=most != 2):
            if next(count) % step:
                continue
            cuts = product.cuts(
                gemm,
                sizes,
                dtype,
                side=SIDE,
                warp=WARP,
                enough=Enough(terms=(3, 3, 3), chunks=(most,) * 3),
            )
            stages = [(cut.stage, cut.blocks) for cut in cuts]
            if not same(gemm, stages, dict(cuts[0].numbers), dtype):
                wrong += 1
                print(sizes, most, gemm)
    return wrong


def main(step: int = 1) -> int:
    """Run all, or every `step`-th; returns how many are wrong."""
    wrong = sum(
        of(dtype, step) for of in (of_tiles, of_vectors) for dtype in ("float32",)
    )
    print(wrong, "wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) != 0)

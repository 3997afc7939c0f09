"""Occupancy: against registers and memory handed out warp by warp, block by block."""

from __future__ import annotations

import pytest

from symgraph.codegen.cuda.occupancy import LIMITS, Limits, limits_of, occupancy
from symgraph.codegen.errors import CompileError


def handed_out(has: Limits, threads: int, registers: int, shared: int) -> int:
    """How many blocks fit, by putting one after another on an SM until one does not."""
    warps = -(-threads // 32)
    per_warp = -(-registers * 32 // has.register_unit) * has.register_unit
    free = [has.registers // has.partitions] * has.partitions
    memory, placed, blocks = has.shared, 0, 0
    while blocks < has.blocks and placed + warps <= has.warps:
        memory -= -(-(shared + has.shared_kept) // has.shared_unit) * has.shared_unit
        if memory < 0:
            break
        for _ in range(warps):
            emptiest = max(range(has.partitions), key=lambda p: free[p])
            if free[emptiest] < per_warp:
                return blocks
            free[emptiest] -= per_warp
        blocks, placed = blocks + 1, placed + warps
    return blocks


@pytest.mark.parametrize("capability", LIMITS)
@pytest.mark.parametrize("threads", [32, 64, 96, 128, 160, 256, 512, 1024])
def test_as_many_blocks_as_can_be_placed(
    capability: tuple[int, int], threads: int
) -> None:
    for registers in (16, 24, 32, 33, 40, 48, 64, 96, 128, 255):
        for shared in (0, 1000, 16 * 1024, 48 * 1024, 160 * 1024):
            wanted = handed_out(LIMITS[capability], threads, registers, shared)
            if wanted == 0:
                with pytest.raises(CompileError, match="too little"):
                    occupancy(capability, threads, registers, shared)
            else:
                assert (
                    occupancy(capability, threads, registers, shared).blocks == wanted
                )


def test_what_limits_is_named() -> None:
    assert occupancy((8, 0), 256, 32, 0).limit == "warps"
    assert occupancy((8, 0), 32, 32, 0).limit == "blocks"
    assert occupancy((8, 0), 256, 64, 0).limit == "registers"
    assert occupancy((8, 0), 256, 32, 48 * 1024).limit == "shared memory"


def test_known_shares() -> None:
    """By hand: 64 registers leave room for 8 warps in each quarter of an SM."""
    assert occupancy((9, 0), 256, 32, 0).share == 1.0
    assert occupancy((9, 0), 256, 64, 0).share == 0.5
    assert occupancy((9, 0), 1024, 32, 0).warps == 64
    # 163 KiB and the one kept fill an A100's SM; an H100 has room for as little.
    assert occupancy((8, 0), 128, 32, 163 * 1024).warps == 4


@pytest.mark.parametrize("threads", [0, 1025])
def test_blocks_that_there_are_not(threads: int) -> None:
    with pytest.raises(CompileError, match="1 to 1024 threads"):
        occupancy((8, 0), threads, 32, 0)


def test_too_much_for_one_block() -> None:
    with pytest.raises(CompileError, match="registers"):
        occupancy((8, 0), 1024, 128, 0)
    with pytest.raises(CompileError, match="shared memory"):
        occupancy((8, 0), 128, 32, 164 * 1024)


def test_an_unknown_capability() -> None:
    with pytest.raises(CompileError, match=r"5\.2, only for 8\.0, 9\.0, 10\.0"):
        limits_of((5, 2))

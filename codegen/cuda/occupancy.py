"""Theoretical occupancy: how many of an SM's warps a kernel can fill.

The limits are those of the table "Technical Specifications per Compute Capability" in
NVIDIA's CUDA Programming Guide; how registers and shared memory are handed out (by warp
and by block, in what units, registers in four partitions of an SM) is what the header
``cuda_occupancy.h`` of the toolkit computes.  The kibibyte that the system keeps of
each block's shared memory is in the guide's sections on compute capability 8.x and
later.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CompileError

WARP = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What one streaming multiprocessor (SM) has; memory in bytes."""

    warps: int
    blocks: int
    registers: int
    shared: int
    shared_per_block: int
    threads_per_block: int = 1024
    registers_per_thread: int = 255
    register_unit: int = 256  # a warp's registers are a multiple
    shared_unit: int = 128
    shared_kept: int = 1024  # of each block, by the system
    partitions: int = 4


#: By compute capability: A100, H100 and H200, B200.
LIMITS: dict[tuple[int, int], Limits] = {
    (8, 0): Limits(64, 32, 65536, 164 * 1024, 163 * 1024),
    (9, 0): Limits(64, 32, 65536, 228 * 1024, 227 * 1024),
    (10, 0): Limits(64, 32, 65536, 228 * 1024, 227 * 1024),
}


@dataclass(frozen=True, slots=True)
class Occupancy:
    """`blocks` of a kernel fit an SM at once, with so many `warps` of `most`.

    `limit` is what there is too little of for more: "warps", "blocks", "registers" or
    "shared memory".
    """

    blocks: int
    warps: int
    most: int
    limit: str

    @property
    def share(self) -> float:
        """The share of the SM's warps, from 0 to 1."""
        return self.warps / self.most


def limits_of(capability: tuple[int, int]) -> Limits:
    """The limits of a compute capability; raises `CompileError` for an unknown one."""
    if capability not in LIMITS:
        known = ", ".join(f"{major}.{minor}" for major, minor in LIMITS)
        major, minor = capability
        raise CompileError(
            f"no limits are known for compute capability {major}.{minor}, "
            f"only for {known}"
        )
    return LIMITS[capability]


def occupancy(
    capability: tuple[int, int], threads: int, registers: int, shared: int
) -> Occupancy:
    """How a kernel with blocks of `threads` threads fills an SM.

    `registers` are a thread's, `shared` a block's bytes of shared memory.

    Raises:
        CompileError: no block fits at all, or the capability is not known.
    """
    has = limits_of(capability)
    warps = -(-threads // WARP)
    if not 0 < threads <= has.threads_per_block:
        raise CompileError(f"a block has 1 to {has.threads_per_block} threads")
    per_warp = _up(max(registers, 1) * WARP, has.register_unit)
    by_registers = has.registers // has.partitions // per_warp * has.partitions
    kept = _up(shared + has.shared_kept, has.shared_unit)
    fits = {
        "warps": has.warps // warps,
        "blocks": has.blocks,
        "registers": by_registers // warps,
        "shared memory": has.shared // kept,
    }
    if registers > has.registers_per_thread:
        fits["registers"] = 0
    if shared > has.shared_per_block:
        fits["shared memory"] = 0
    limit = min(fits, key=lambda name: fits[name])
    blocks = fits[limit]
    if not blocks:
        raise CompileError(f"one block of {threads} threads has too little {limit}")
    return Occupancy(blocks, blocks * warps, has.warps, limit)


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit

"""What the emitter and the compiler need to know about the machine they run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: What the system says of the cache that all processors share, and of what to take a
#: result for larger than it where it says nothing, or more than one process is given.
LAST_CACHE = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")
UNKNOWN_CACHE, MOST_CACHE = 1 << 25, 1 << 27


@dataclass(frozen=True, slots=True)
class Host:
    """A CPU as LLVM names it, and the bytes of its widest vector register.

    Two equal hosts compile a kernel to the same machine code, so the fields are part of
    the key under which compiled code is cached.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    #: Results of so many bytes are stored past the caches; 0: none are.
    streams: int = 0

    @property
    def masks(self) -> bool:
        """Whether a masked move costs no more than a whole one, as with AVX-512.

        AVX's masked stores are microcode on some CPUs; SSE and NEON have none, and LLVM
        writes a branch for each lane.
        """
        return self.vector_bytes == 64

    @property
    def permutes(self) -> bool:
        """Whether a register is permuted by another in one instruction: AVX-512."""
        return "+avx512f" in self.features.split(",")


def detect() -> Host:
    """The machine this process runs on.  Imports llvmlite (about 35 ms, once)."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    return Host(
        triple=triple,
        cpu=llvm.get_host_cpu_name(),
        features=features.flatten(),
        vector_bytes=vector_bytes({name for name, on in features.items() if on}),
        streams=last_cache(LAST_CACHE) if triple.startswith("x86_64") else 0,
    )


def last_cache(said: Path) -> int:
    """Bytes of the last cache that one process can count on, from what `said` holds."""
    try:
        size = int(said.read_text().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        size = UNKNOWN_CACHE
    return min(size, MOST_CACHE)


def vector_bytes(features: set[str]) -> int:
    """Bytes of the widest vector register, given LLVM's names of the CPU's features.

    16 is the floor: every x86-64 has SSE2, and every aarch64 has NEON.
    """
    if "avx512f" in features:
        return 64
    if "avx" in features:
        return 32
    return 16

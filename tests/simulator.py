"""Running a module in a process of its own, in which numba simulates CUDA or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def simulated(module: str, *args: object) -> str:
    """What ``python -m module args`` prints in numba's simulator; it must succeed."""
    return run(module, *args, simulator=True)


def run(module: str, *args: object, simulator: bool) -> str:
    """What ``python -m module args`` prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, args)],
        cwd=ROOT,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": str(int(simulator))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout

"""Every workload of `bench/gpu.py` at a tiny size: a step by symgraph and by CuPy.

It runs in numba's simulator, with NumPy standing in for CuPy, and prints what it did.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from symgraph.codegen.cuda import launch

from ..device import limits

BENCH = Path(__file__).resolve().parents[2] / "bench"

SIZES = {
    "black_scholes": {"SIZE": 3},
    "layernorm_softmax": {"SHAPE": (2, 3)},
    "log_softmax": {"SHAPE": (2, 3)},
    "distances": {"COUNT": 2},
    "logistic": {"EXAMPLES": 3, "FEATURES": 2},
    "mlp": {"SIZES": (2, 1, 1, 2), "BATCH": 1},
    "lstm": {"STEPS": 2, "BATCH": 1, "FEATURES": 1, "UNITS": 1},
    "lorenz": {"STEPS": 2},
    "hmm": {"STEPS": 2, "STATES": 2},
    "kalman": {"STEPS": 3},
    "exp_sigmoid": {"SIZE": 3},
}


def main() -> None:
    sys.path.insert(0, str(BENCH))
    import places
    import workloads
    from worker import check

    for name, sizes in SIZES.items():
        workload = workloads.find(name)
        assert all(hasattr(workload, size) for size in sizes), name
        vars(workload).update(sizes)
        for library in ("symgraph@cuda", "cupy@cuda"):
            if places.split(library)[0] not in workload.BUILDERS:
                continue
            job = places.build(workload.BUILDERS, library)
            job.step()
            check(job.results(), workload.reference(), workload.RTOL, workload.ATOL)
            print(name, library)


if __name__ == "__main__":
    launch.Limits = lambda: limits()[0]  # few threads, each of which is one of Python's
    import_module("cupy")  # the one of `stand_in/`: it must be there, and no real one
    main()

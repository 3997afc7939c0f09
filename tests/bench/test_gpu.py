"""`bench/gpu.py` without a GPU: numba's simulator, and stand-ins for other libraries.

CuPy's is NumPy, JAX and torch cannot be imported: see `stand_in/`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ..simulator import ROOT, simulated

BENCH = ROOT / "bench"
STAND_IN = Path(__file__).resolve().parent / "stand_in"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of `bench/`."""
    monkeypatch.syspath_prepend(str(BENCH))
    return import_module


def measured(page: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A run of the benchmark on the tiny workload."""
    words = f"--busy --rounds 1 --threads 1 --module tests.bench.tiny --write {page}"
    return subprocess.run(
        [sys.executable, str(BENCH / "gpu.py"), *words.split()],
        env=os.environ | {"PYTHONPATH": f"{STAND_IN}:{ROOT}"} | variables,
        capture_output=True,
        text=True,
    )


def test_from_end_to_end(tmp_path: Path) -> None:
    page = tmp_path / "GPU.md"
    done = measured(page, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    assert "numba's simulator, compute capability" in text
    run, compiled = (line for line in text.splitlines() if line.startswith("| exp(x)"))
    _, _, mine, peer, ratio, _ = run.split("|")
    assert mine.strip().endswith(" ms") and peer.strip() and "(cupy)" in ratio
    assert len(compiled.split("|")) == 5
    for name, module in (
        ("jax", "jax"),
        ("torch", "torch"),
        ("torch.compile", "torch"),
    ):
        assert f"- {name} was left out: ImportError: {module} is not here" in text


def test_nothing_is_measured_without_a_gpu(tmp_path: Path) -> None:
    page = tmp_path / "GPU.md"
    done = measured(page, NUMBA_ENABLE_CUDASIM="0", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1 and not page.exists()
    assert done.stderr.startswith("symgraph has no GPU here: ")
    assert "symgraph-compiler[cuda]" in done.stderr and "Traceback" not in done.stderr


def test_every_workload_takes_a_step_on_the_device(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{STAND_IN}:{ROOT}")
    steps = simulated("tests.bench.small").splitlines()
    names = bench("gpu").wanted("", None)
    assert {f"{name} symgraph@cuda" for name in names} <= set(steps)
    loops = {"lstm", "hmm", "kalman"}  # CuPy has none that stay on the GPU
    assert {f"{name} cupy@cuda" for name in names if name not in loops} <= set(steps)


def test_no_library_multiplies_in_tf32(bench: Callable[[str], Any]) -> None:
    found = {each.name: each.environment("folder") for each in bench("runner").ON_GPU}
    assert found["jax@cuda"]["JAX_DEFAULT_MATMUL_PRECISION"] == "highest"
    for name in ("torch@cuda", "torch.compile@cuda"):
        assert found[name]["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"] == "0"
    assert found["cupy@cuda"]["CUPY_TF32"] == "0"
    assert all(each["CUDA_CACHE_PATH"] == "folder/driver" for each in found.values())


def test_a_step_there_ends_with_waiting(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    places, workloads, told = bench("places"), bench("workloads"), []
    monkeypatch.setattr(places, "_wait", lambda name: lambda: told.append(name))
    job = workloads.Job(lambda: told.append("step"), list)
    for library in ("torch@cuda", "torch", "jax@cuda"):
        places.build(dict.fromkeys(("torch", "jax"), lambda: job), library).step()
    assert told == ["step", "torch", "step", "step"]  # JAX' jobs wait themselves


def test_what_fails_is_left_out_with_its_reason(
    bench: Callable[[str], Any],
) -> None:
    runner = bench("runner")
    written = "Traceback\n  x\nAssertionError: \nNot equal\n\nMismatched: 1"

    def run(name: str) -> dict[str, float]:
        if name == "jax@cuda":
            raise runner.WorkerError(name, "mlp", written)
        return {"step": 1.0}

    failed: dict[str, str] = {}
    found = runner.in_turn(2, ["symgraph@cuda", "jax@cuda"], run, failed)
    assert found == {"symgraph@cuda": {"step": (1.0, 1.0, 1.0)}}
    assert failed == {"jax@cuda": "AssertionError: Not equal Mismatched: 1"}
    with pytest.raises(SystemExit, match="jax@cuda, mlp: Traceback"):
        runner.in_turn(2, ["jax@cuda"], run)


def test_the_page(
    bench: Callable[[str], Any], golden: Callable[[str, str], None]
) -> None:
    gpu = bench("gpu")

    def entry(title: str, failed: dict[str, str], **steps: float) -> dict[str, Any]:
        cold = {
            name: {"step": (step, step, step), "first": (1.5, 1.0, 2.0)}
            for name, step in steps.items()
        }
        return {"title": title, "goal": 1.0, "cold": cold, "failed": failed}

    entries = [
        entry("softmax", {}, symgraph=2e-4, jax=4e-4, cupy=3e-4),
        entry("loop", {"jax": "ValueError: no"}, symgraph=2.0),
        entry("product", {"symgraph": "AssertionError: far"}, jax=1e-3, cupy=2e-3),
    ]
    libraries, missing = ("symgraph", "jax", "cupy"), {"torch": "ImportError: none"}
    run = gpu.Run(("A GPU.", "A machine."), libraries, missing, entries)
    golden("gpu.md", gpu.page(run))


@pytest.mark.parametrize(("name", "status"), [("symgraph", 1), ("jax", 0)])
def test_a_wrong_result_of_symgraph_fails_the_run(
    name: str,
    status: int,
    bench: Callable[[str], Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    gpu, page = bench("gpu"), tmp_path / "GPU.md"
    run = gpu.Run(("A GPU.",), ("symgraph", "jax"), {})
    entry = {"title": "loop", "cold": {}, "failed": {name: "AssertionError: far"}}
    words = ["gpu.py", "--module", "some.workload", "--write", str(page)]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(gpu, "chosen", lambda *_: None)
    monkeypatch.setattr(gpu, "looked", lambda _: (run, None))
    monkeypatch.setattr(gpu, "measured", lambda *_: entry)
    with pytest.raises(SystemExit) as ended:
        gpu.main()
    assert ended.value.code == status
    assert f"- {name} failed on loop: AssertionError: far" in page.read_text()


@pytest.mark.parametrize(
    ("words", "release"),
    [
        ("NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12", "535.183.01"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Re", "580.65.06"),
        ("", "of unknown release"),
    ],
)
def test_the_release_of_the_driver(
    bench: Callable[[str], Any], words: str, release: str
) -> None:
    assert bench("machine").release(words) == release

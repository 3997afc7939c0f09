"""Which transcendental or primitive of a kernel is wrong, each tried by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..check import agree
from ..codegen import ir
from ..codegen.expand import expand_kernel
from ..codegen.interpret import run_kernel
from ..codegen.program import Array, Launch, Program
from ..codegen.schedule import prepare
from .machine import Native
from .values import worst

#: Arguments of every kind: exact ones, ordinary ones, far ones, and the specials.
FLOATS = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 1e-9, -1e-5, 0.1, -0.3, 0.7, 1.3),
    *(-2.4, 3.7, 5.1, -7.9, 11.0, -19.0, 40.0, -80.0, 1e4, -1e8),
    *(np.inf, -np.inf, np.nan),
)
#: Results below this, sums that cancel, are not told from zero.
TINY = 1e-30
INTEGERS = (0, 1, 2, 3, 5, 7, 8, 64, 100, 127, -1, -2, -3, -7, -64, -128)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A function of one kernel that is wrong, and how."""

    part: str
    name: str
    wrong: str


def wrong_function(kernel: ir.Kernel) -> Wrong | None:
    """The first wrong formula or instruction among those that `kernel` uses."""
    for single in _singles(kernel):
        let = _let(single)
        if let.op in ir.TRANSCENDENTALS:
            wrong = _compare(single, expand_kernel(single))
            if wrong is not None:
                return Wrong("expansion", let.op, wrong)
    for single in _singles(prepare(kernel)):
        wrong = _emitted(single)
        if wrong is not None:
            return Wrong("code generation", _let(single).op, wrong)
    return None


def _let(kernel: ir.Kernel) -> ir.Let:
    return next(s for s, _ in ir.walk(kernel.body) if isinstance(s, ir.Let))


def _singles(kernel: ir.Kernel) -> Iterator[ir.Kernel]:
    """A kernel for each operation of `kernel`, applied to arrays elementwise."""
    kinds: dict[str, str] = dict.fromkeys(kernel.sizes, "int64")
    seen: set[tuple[str, ...]] = set()
    for statement, _ in ir.walk(kernel.body):
        match statement:
            case ir.Loop(axis=axis, carries=carries, state=state):
                kinds[axis] = "int64"
                kinds.update((c.name, c.dtype) for c in carries)
                kinds.update((s.name, s.dtype) for s in state)
                kinds.update((s.final, s.dtype) for s in state)
            case ir.Load(name=name, dtype=dtype):
                kinds[name] = dtype
            case ir.Let(name=name, op=op, args=args, dtype=dtype):
                kinds[name] = dtype
                of = [a.dtype if isinstance(a, ir.Const) else kinds[a] for a in args]
                key = (op, *of, dtype)
                if key not in seen:
                    seen.add(key)
                    yield _single(op, of, dtype)


def _single(op: str, operands: list[str], result: str) -> ir.Kernel:
    """``out[i] = op(a[i], ...)``, as a vector loop."""
    builder = ir.Builder()
    index = (ir.axis("i"),)
    buffers = [
        ir.Buffer(f"a{k}", dtype, ("n",), "in") for k, dtype in enumerate(operands)
    ]
    loaded = [builder.load(b, index) for b in buffers]
    value = builder.let(op, *loaded, dtype=result)
    body = (*builder.statements, ir.Store("out", index, value.atom))
    loop = ir.Loop("i", "n", "vector", body)
    out = ir.Buffer("out", result, ("n",), "out")
    return ir.Kernel(f"just_{op}", (*buffers, out), ("n",), (loop,))


def _arguments(kernel: ir.Kernel) -> dict[str, np.ndarray]:
    """All pairs of samples for the first two buffers read, any for the third."""
    reads = [b for b in kernel.buffers if b.mode == "in"]
    samples = [_samples(b.dtype) for b in reads]
    grid = np.meshgrid(*samples[:2], indexing="ij")
    flat = [np.ascontiguousarray(g.reshape(-1)) for g in grid]
    # Turned, so that operands of one type are not the same throughout.
    flat += [np.resize(np.roll(s, 1), flat[0].shape) for s in samples[2:]]
    return {b.name: a for b, a in zip(reads, flat, strict=True)}


def _samples(dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.array(FLOATS, dtype)
    if kind.kind == "b":
        return np.array([False, True])
    limits = np.iinfo(dtype)
    return np.array([n for n in INTEGERS if limits.min <= n <= limits.max], dtype)


def _interpreted(kernel: ir.Kernel, given: dict[str, np.ndarray]) -> np.ndarray:
    size = len(given["a0"])
    out = np.zeros(size, kernel.buffer("out").dtype)
    run_kernel(kernel, {**given, "out": out}, {"n": size})
    return out


def _compare(single: ir.Kernel, other: ir.Kernel) -> str | None:
    """How two kernels over samples differ, element by element; None: they agree."""
    given = _arguments(single)
    return _differs(_interpreted(single, given), _interpreted(other, given), given)


def _emitted(single: ir.Kernel) -> str | None:
    """How the machine code of one operation differs from what it means."""
    given = _arguments(single)
    arrays = tuple(
        Array(b.name, b.dtype, b.shape, "input" if b.mode == "in" else "output")
        for b in single.buffers
    )
    names = tuple(b.name for b in single.buffers)
    steps = (Launch(single, names, ("n",)),)
    program = Program(single.name, arrays, (), (), steps, ("out",))
    got = Native(program, ())(given)["out"]
    return _differs(_interpreted(single, given), got, given)


def _differs(
    old: np.ndarray, new: np.ndarray, given: dict[str, np.ndarray]
) -> str | None:
    """The first element that is wrong, each measured by itself."""
    for k in range(len(old)):
        a, b = old[k : k + 1], new[k : k + 1]
        if not (agree(a, b, "rounding", TINY) and _zero_signs(a, b)):
            of = ", ".join(str(x[k]) for x in given.values())
            return f"of {of} it gives {worst(a[0], b[0])}"
    return None


def _zero_signs(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether zeros have the same sign."""
    zero = (a == 0) & (b == 0)
    return a.dtype.kind != "f" or bool(
        np.array_equal(np.signbit(a[zero]), np.signbit(b[zero]))
    )

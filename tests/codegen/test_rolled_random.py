"""Random loops of small integer kernels give the same when they run in one kernel."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import numpy as np
import pytest

from symgraph.codegen.check import CheckError
from symgraph.codegen.ir import (
    Affine,
    Buffer,
    Carry,
    Const,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Store,
    axis,
)
from symgraph.codegen.program import Array, End, Launch, Program, Repeat, Row, Step
from symgraph.codegen.program_check import check_program
from symgraph.codegen.rolled import rolled
from symgraph.codegen.run import run_program

from .native import make

DTYPE = "int64"
AT, EACH = axis("i"), axis("j")


def copying(m: int) -> Kernel:
    """``b[i] = a[i]``."""
    body = (Load("v", "a", (AT,), DTYPE), Store("b", (AT,), "v"))
    buffers = (Buffer("a", DTYPE, (m,), "in"), Buffer("b", DTYPE, (m,), "out"))
    return Kernel("copy", buffers, (), (Loop("i", m, "vector", body),))


def counting(m: int) -> Kernel:
    """``b[i] = a``."""
    loop = Loop("i", m, "serial", (Store("b", (AT,), "v"),))
    buffers = (Buffer("a", DTYPE, (), "in"), Buffer("b", DTYPE, (m,), "out"))
    return Kernel("count", buffers, (), (Load("v", "a", (), DTYPE), loop))


def computing(rng: random.Random, reads: int, m: int) -> Kernel:
    """Some arithmetic on `reads` arrays, which may be reversed, shifted or summed."""
    names = [f"r{k}" for k in range(reads)]
    turned = rng.random() < 0.3
    index = Affine((("i", -1),), m - 1) if turned else AT
    body: list[Statement] = [Load(f"l{n}", n, (index,), DTYPE) for n in names]
    values = [f"l{n}" for n in names]
    before: tuple[Statement, ...] = ()
    if rng.random() < 0.3:
        body.append(Let("some", "gt", ("i", Const(0, DTYPE)), "bool"))
        body.append(Load("left", names[0], (AT + -1,), DTYPE, "some"))
        values.append("left")
    if rng.random() < 0.3:
        load = Load("each", names[0], (EACH,), DTYPE)
        carry = Carry("total", rng.choice(["sum", "max", "min"]), "each", DTYPE)
        before = (Loop("j", m, rng.choice(["serial", "vector"]), (load,), (carry,)),)
        values.append("total")
    for k in range(rng.randint(1, 4)):
        other = rng.choice([*values, Const(rng.randint(-3, 3), DTYPE), "i"])
        args = (rng.choice(values), other)
        op = rng.choice(["add", "sub", "mul", "xor", "min"])
        body.append(Let(f"x{k}", op, args, DTYPE))
        values.append(f"x{k}")
    body.append(Store("o", (AT,), values[-1]))
    buffers = [Buffer(n, DTYPE, (m,), "in") for n in names]
    buffers.append(Buffer("o", DTYPE, (m,), "out"))
    loop = Loop("i", m, "serial", tuple(body))
    return Kernel("compute", tuple(buffers), (), (*before, loop))


@dataclass
class Grower:
    """Grows a program over temporaries of `m` elements."""

    rng: random.Random
    m: int
    temps: list[str]
    arrays: list[Array] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    loops: int = 0

    def block(self, depth: int, defined: set[str], rows: list[str]) -> set[str]:
        """Some steps; what is defined after them, if `defined` is before."""
        defined = set(defined)
        for _ in range(self.rng.randint(2, 5)):
            if self.rng.random() < 0.35 and depth < 2 and len(defined) > 1:
                self.loop(depth, defined, rows)
            else:
                self.compute(defined, rows)
        return defined

    def compute(self, defined: set[str], rows: list[str]) -> None:
        known = sorted(defined) + rows
        reads = self.rng.sample(known, self.rng.randint(1, min(2, len(known))))
        out = self.rng.choice([t for t in self.temps if t not in reads])
        kernel = computing(self.rng, len(reads), self.m)
        self.steps.append(Launch(kernel, (*reads, out), ()))
        defined.add(out)

    def loop(self, depth: int, defined: set[str], rows: list[str]) -> None:
        rng = self.rng
        self.loops += 1
        counter, row = f"n{self.loops}", f"row{self.loops}"
        slot = 100 + self.loops
        self.arrays.append(Array(counter, DTYPE, (), "temp", slot))
        extent = rng.choice(["n", "n", 3])
        if extent == "n":
            which = Row(counter, 0, 1)
            self.arrays.append(
                Array(row, DTYPE, (self.m,), "row", target="x", row=which)
            )
            rows = [*rows, row]
        begin = len(self.steps)
        inside = self.block(depth + 1, defined, rows)
        if rng.random() < 0.5:
            self.number(counter, inside)
        sources = [t for t in self.temps if t in inside]
        targets = [t for t in self.temps if t in defined]
        rng.shuffle(sources)
        rng.shuffle(targets)
        pairs = zip(targets, sources, strict=False)
        moves = tuple((a, b) for a, b in pairs if a != b and rng.random() < 0.7)
        self.steps.insert(begin, Repeat(counter, extent, None, moves))
        self.steps.append(End())
        if rng.random() < 0.3:
            self.number(counter, defined)

    def number(self, counter: str, defined: set[str]) -> None:
        """Use how many rounds there were."""
        out = self.rng.choice(self.temps)
        self.steps.append(Launch(counting(self.m), (counter, out), ()))
        defined.add(out)


def grown(seed: int) -> Program:
    rng = random.Random(seed)
    m = rng.randint(1, 3)
    temps = [f"t{k}" for k in range(rng.randint(3, 7))]
    grower = Grower(rng, m, temps)
    grower.arrays = [
        Array("x", DTYPE, ("n", m), "input"),
        Array("c", DTYPE, (m,), "input"),
        *(Array(t, DTYPE, (m,), "temp", k) for k, t in enumerate(temps)),
    ]
    results = []
    for name in sorted(grower.block(0, {"c"}, [])):
        grower.arrays.append(Array(f"o{name}", DTYPE, (m,), "output"))
        grower.steps.append(Launch(copying(m), (name, f"o{name}"), ()))
        results.append(f"o{name}")
    arrays, steps = tuple(grower.arrays), tuple(grower.steps)
    return Program("grown", arrays, (), (), steps, tuple(results))


def well_formed(program: Program) -> bool:
    try:
        check_program(program)
    except CheckError:  # what a loop hands on is not always defined
        return False
    return any(isinstance(step, Repeat) for step in program.steps)


def given(program: Program, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    shapes = {a.name: a.shape for a in program.by_role("input")}
    return {
        name: rng.integers(-5, 5, [n if e == "n" else int(e) for e in shape])
        for name, shape in shapes.items()
    }


def programs(first: int, count: int) -> list[Program]:
    """The first well-formed programs with loops from a seed on."""
    made = map(grown, itertools.count(first))
    return list(itertools.islice(filter(well_formed, made), count))


def repeats(program: Program) -> int:
    return sum(isinstance(step, Repeat) for step in program.steps)


@pytest.mark.parametrize("seed", range(0, 8000, 1000))
def test_same_results(seed: int) -> None:
    before = after = 0
    for program in programs(seed, 20):
        made = rolled(program)
        check_program(made)
        before, after = before + repeats(program), after + repeats(made)
        for n in (0, 1, 4):
            args = given(program, n)
            slow = run_program(program, args).results
            for a, b in zip(slow, run_program(made, args).results, strict=True):
                np.testing.assert_array_equal(a, b)
    assert after < before / 2


@pytest.mark.parametrize("program", programs(10000, 20))
def test_native(program: Program) -> None:
    entry = make(program).entry
    for n in (0, 1, 4):
        args = given(program, n)
        fast = entry(*args.values())
        fast = list(fast) if isinstance(fast, list | tuple) else [fast]
        for a, b in zip(run_program(program, args).results, fast, strict=True):
            np.testing.assert_array_equal(a, b)

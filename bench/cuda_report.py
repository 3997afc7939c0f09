"""The CUDA kernels of the workloads, the examples and the tests' targets, assembled.

For each kernel and compute capability: registers, spills, memory, occupancy, and what
the checks of its PTX find; and whether any access of any launch races or leaves its
array, for small sizes.  No GPU is needed, but the extra `cuda` is.

    python bench/cuda_report.py --write build/cuda.md --summary bench/CUDA.md
    ... --only softmax --sm 90 --findings              # with what is excused

It fails on a fault of any kernel that is not excused.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import programs

if TYPE_CHECKING:
    from symgraph.codegen.cuda.assemble import Capability
    from symgraph.codegen.cuda.report import KernelText, Row
    from symgraph.function import Function

#: What stands above the table in a file.
HEAD = """\
# The CUDA kernels as machine code

Written by `bench/cuda_report.py`: what the toolkit's assembler says of each kernel of
the workloads, the examples and the tests' targets.  `spills`, `local`, `shared` and
`constant` are bytes; `occupancy` is the share of an SM's warps that registers and
shared memory leave room for.  A fault is float64 arithmetic in a float32 kernel, local
memory, a spill, an integer division in an inner loop, a product and a sum that are not
fused, or a contiguous map that moves one element at a time.

"""
#: What stands above the summary.
SUMMARY_HEAD = """\
# The CUDA kernels as machine code: a summary

Written by `make cuda-report ARGS="--summary bench/CUDA.md"`, which needs no GPU and
leaves the full table, a row for each kernel, in `build/cuda.md`: what the toolkit's
assembler says for sm_80, sm_90 and sm_100 of the kernels of each workload, example and
target of the tests.  A kernel that several of them have is counted for the first.

Of a program's kernels these are the most `registers` of a thread, bytes of `spills`,
of `local` memory and of `shared` memory, and the least `occupancy`, the share of an
SM's warps that registers and shared memory leave room for; three numbers are those of
the three capabilities in order.  `excused` kernels have something that a check finds
and that they cannot do without, such as `sin` of huge arguments, whose digits of pi lie
in local memory; `faults` counts kernels with any other finding: float64 arithmetic in a
float32 kernel, local memory, a spill, an integer division in an inner loop, a product
and a sum that are not fused, or a contiguous map that moves one element at a time.

"""
#: A size that is not known is this for the checker of races: no power of two, several
#: turns for some threads of `RACE_THREADS`, none for others.
SIZE, RACE_THREADS = 37, 8
SOURCES = (programs.of_workloads, programs.of_tests, programs.of_examples)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--only", default="", help="programs with this in their name")
    options.add_argument("--sm", action="append", help="80, 90 or 100; else all")
    options.add_argument("--findings", action="store_true", help="excused ones too")
    options.add_argument("--no-races", action="store_true", help="only assemble")
    options.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    options.add_argument("--write", help="a file for the table")
    options.add_argument("--summary", help="a file for a line for each program")
    given = options.parse_args()
    functions = [
        (name, function)
        for source in SOURCES
        for name, function in source()
        if given.only in name
    ]
    faults = 0
    if not given.no_races:
        faults = sum(races(name, function) for name, function in functions)
    from symgraph.codegen.cuda.report import table

    texts = list(distinct(functions))
    found = assembled(texts, given.sm, given.jobs)
    text = table(found) + totals(found)
    print(text)
    if given.write:
        Path(given.write).write_text(HEAD + text, encoding="utf-8")
    if given.summary:
        Path(given.summary).write_text(summed(found), encoding="utf-8")
    for row in found:
        major, minor = row.made.report.capability
        for finding in row.findings if given.findings else row.faults:
            print(f"{row.name}, sm_{major}{minor}: {finding}")
    sys.exit(1 if faults or any(row.faults for row in found) else 0)


def distinct(functions: list[tuple[str, Function]]) -> Iterator[KernelText]:
    """The kernels of all, each distinct text once, named for the first that has it."""
    from symgraph.codegen.cuda.texts import texts_of

    seen: set[str] = set()
    for name, function in functions:
        for text in texts_of(function.program):
            if text.source not in seen:
                seen.add(text.source)
                yield replace(text, name=f"{name}: {text.name}")


def assembled(texts: list[KernelText], only: list[str] | None, jobs: int) -> list[Row]:
    """The rows of the table, made by so many processes."""
    from symgraph.codegen.cuda.assemble import CAPABILITIES

    wanted = [c for c in CAPABILITIES if only is None or f"{c[0]}{c[1]}" in only]
    # Threads of this process have been started, which forked ones would lack.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        made = pool.map(rows_of, texts, [wanted] * len(texts), chunksize=4)
        return [row for rows in made for row in rows]


def rows_of(text: KernelText, capabilities: list[Capability]) -> list[Row]:
    """One kernel's rows."""
    from symgraph.codegen.cuda.report import rows

    return list(rows([text], capabilities))


def summed(found: list[Row]) -> str:
    """The page with a line for each program, workload or example."""
    from symgraph.codegen.cuda.report import summary

    lines = summary((program_of(row.name), row) for row in found)
    return SUMMARY_HEAD + lines + "\n" + totals(found)


def program_of(name: str) -> str:
    """The program of the kernel `name`, whose functions count as one program."""
    program = name.partition(": ")[0]
    return program if ".py:" in program else program.partition(".")[0]


def totals(found: list[Row]) -> str:
    """How many kernels there are, and how many have what should not be there."""
    kinds = Counter(kind for r in found for kind in {f.kind for f in r.findings})
    excused = Counter(
        kind for r in found for kind in {f.kind for f in r.findings if f.excuse}
    )
    faulty = sum(bool(row.faults) for row in found)
    lines = [f"{len(found)} rows, a kernel for a capability each; {faulty} with faults"]
    lines += [f"{n} with {kind} ({excused[kind]} excused)" for kind, n in kinds.items()]
    return "\n".join(lines) + "\n"


def races(name: str, function: Function) -> int:
    """Check the launches of `function` for small sizes; how many faults there are."""
    from symgraph.codegen.cuda.fused_model import modelled
    from symgraph.codegen.cuda.planned import by_plan
    from symgraph.codegen.cuda.program_races import still_faults

    program = modelled(function.program)
    ways = by_plan(RACE_THREADS, least=RACE_THREADS)
    checked = list(still_faults(program, sized(function), ways))
    faults = [str(fault) for each in checked for fault in each.faults]
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    skipped = sum(bool(each.needs) for each in checked)
    print(
        f"{name}: {len(checked) - skipped} launches checked, {len(faults)} faults, "
        f"{skipped} that depend on data left out"
    )
    return len(faults)


def sized(function: Function) -> dict[str, Any]:
    """Arrays of small sizes for the program of `function`."""
    from symgraph.samples import Samples

    samples = Samples(function.compilation, function.parameters, {})
    samples.default = min(samples.default, SIZE)
    values = next(iter(samples.ranges()))
    program, lowered = function.program, function.compilation.lowered
    given = dict(zip((a.name for a in program.by_role("input")), values, strict=True))
    shared = function.compilation.request.shared
    for array, leaf in zip(program.by_role("shared"), shared, strict=True):
        given[array.name] = np.asarray(leaf.op.storage.box[0])
    constants = zip(program.by_role("constant"), lowered.constants, strict=True)
    return given | {array.name: constant.data for array, constant in constants}


if __name__ == "__main__":
    main()

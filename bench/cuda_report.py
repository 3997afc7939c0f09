"""The CUDA kernels of the workloads, the examples and the tests' targets, assembled.

For each kernel and compute capability: registers, spills, memory, occupancy, and what
the checks of its PTX find; and whether any access of any launch races or leaves its
array, for small sizes.  No GPU is needed, but the extra `cuda` is.

    python bench/cuda_report.py                        # the table
    ... --only softmax --sm 90 --findings              # with each finding
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import programs

if TYPE_CHECKING:
    from symgraph.codegen.cuda.report import Row
    from symgraph.function import Function

#: A size that is not known is this for the checker of races: no power of two, several
#: turns for some threads of `RACE_THREADS`, none for others.
SIZE, RACE_THREADS = 37, 8
SOURCES = (programs.of_workloads, programs.of_tests, programs.of_examples)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--only", default="", help="programs with this in their name")
    options.add_argument("--sm", action="append", help="80, 90 or 100; else all")
    options.add_argument("--findings", action="store_true", help="print each finding")
    options.add_argument("--no-races", action="store_true", help="only assemble")
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

    found = list(assembled(functions, given.sm))
    print(table(found))
    if given.findings:
        for row in found:
            major, minor = row.made.report.capability
            for finding in row.findings:
                print(f"{row.name}, sm_{major}{minor}: {finding}")
    print(f"{len(found)} kernels, {sum(bool(r.findings) for r in found)} with findings")
    print(f"{sum(bool(r.made.report.spill_stores) for r in found)} spill")
    sys.exit(1 if faults else 0)


def assembled(
    functions: list[tuple[str, Function]], only: list[str] | None
) -> Iterator[Row]:
    """The rows of the table, each distinct text once for each capability."""
    from dataclasses import replace

    from symgraph.codegen.cuda.assemble import CAPABILITIES
    from symgraph.codegen.cuda.report import rows
    from symgraph.codegen.cuda.texts import texts_of

    wanted = [c for c in CAPABILITIES if only is None or f"{c[0]}{c[1]}" in only]
    seen: set[str] = set()
    for name, function in functions:
        for text in texts_of(function.program):
            if text.source not in seen:
                seen.add(text.source)
                named = replace(text, name=f"{name}: {text.name}")
                yield from rows([named], wanted)


def races(name: str, function: Function) -> int:
    """Check the launches of `function` for small sizes; how many faults there are."""
    from symgraph.codegen.cuda.planned import by_plan
    from symgraph.codegen.cuda.program_races import still_faults

    checked = list(
        still_faults(function.program, sized(function), by_plan(RACE_THREADS))
    )
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

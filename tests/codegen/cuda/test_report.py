"""The table of kernels, and what is said of code that is not as it should be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from symgraph.codegen.cuda.assemble import Assembled, Parameter, Report
from symgraph.codegen.cuda.occupancy import occupancy
from symgraph.codegen.cuda.report import (
    Finding,
    KernelText,
    Row,
    findings,
    rows,
    summary,
    table,
)

from .test_ptx import kernel

FLOATS = Parameter("float32", 1)
COPY = KernelText("copy", "", (FLOATS, FLOATS, Parameter("int64", None)), 256)
FINDINGS = Finding("spills", "a"), Finding("local memory", "b")
REPORT = Report((9, 0), 32, 0, 0, 0, 1024, 0, 1)


def found(text: KernelText, report: Report, *lines: str) -> list[str]:
    return [str(f) for f in findings(text, Assembled(kernel(*lines), b"", report))]


def test_nothing_is_wrong() -> None:
    assert not found(COPY, REPORT, "ld.global.b32 %r1, [%rd1];")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("add.f64 %rd1, %rd1, %rd1;", "float64: 11: add.f64 %rd1, %rd1, %rd1"),
        ("ld.local.b32 %r1, [%rd1];", "local memory: 11: ld.local.b32 %r1, [%rd1]"),
    ],
)
def test_an_instruction_that_should_not_be_there(line: str, said: str) -> None:
    assert found(COPY, REPORT, line) == [said]


def test_float64_where_it_is_expected() -> None:
    line = "add.f64 %rd1, %rd1, %rd1;"
    assert not found(replace(COPY, float64=True), REPORT, line)
    doubles = (*COPY.parameters, Parameter("float64", None))
    assert not found(replace(COPY, parameters=doubles), REPORT, line)


def test_spills_and_stack() -> None:
    spills = replace(REPORT, spill_stores=8, spill_loads=12, local=16)
    said = found(COPY, spills, "ld.global.b32 %r1, [%rd1];")
    wanted = ["spills: 8 bytes, 12 loaded", "local memory: 8 bytes"]
    assert said == wanted


def test_vectors_where_they_are_expected() -> None:
    wide = replace(COPY, vectors=("store",))
    single = "ld.global.b32 %r1, [%rd1];"
    said = ["no vectors: stores one element at a time"]
    assert found(wide, REPORT, single) == said
    assert not found(wide, REPORT, single, "st.global.v2.b32 [%rd1], {%r1, %r2};")
    both = replace(COPY, vectors=("load", "store"))
    vector = "st.global.v2.b32 [%rd1], {%r1, %r2};"
    said = ["no vectors: loads one element at a time"]
    assert found(both, REPORT, single, vector) == said


def test_an_excuse_is_told() -> None:
    text = replace(COPY, excused=(("local memory", "sin of huge arguments"),))
    made = Assembled(kernel("ld.local.b32 %r1, [%rd1];"), b"", REPORT)
    (finding,) = findings(text, made)
    assert finding.excuse == "sin of huge arguments" and finding.kind == "local memory"
    row = Row("sine", 256, made, occupancy((9, 0), 256, 32, 0), (finding,))
    assert not row.faults and "sin of huge arguments" in table([row])
    (other,) = findings(replace(text, excused=()), made)
    assert replace(row, findings=(other,)).faults == (other,)


def test_the_table() -> None:
    made = Assembled("", b"", REPORT)
    row = Row("copy", 256, made, occupancy((9, 0), 256, 32, 1024), FINDINGS)
    head, line, cells = table([row]).splitlines()
    assert len(head) == len(line) == len(cells)
    assert [c.strip() for c in cells.strip("|").split("|")] == [
        *(
            "copy",
            "90",
            "256",
            "32",
            "0",
            "0",
            "1024",
            "0",
            "8",
            "100 %",
            "warps",
            "",
            "2",
        )
    ]


def row_of(registers: int, capability: tuple[int, int], *found: Finding) -> Row:
    report = replace(REPORT, registers=registers, capability=capability)
    occupied = occupancy(capability, 256, registers, 1024)
    return Row("copy", 256, Assembled("", b"", report), occupied, found)


def test_the_summary() -> None:
    """The worst of each program's kernels, by capability where these differ."""
    excused = replace(FINDINGS[1], excuse="huge arguments")
    pairs = [
        ("one", row_of(32, (9, 0))),
        ("one", row_of(128, (9, 0), excused)),
        ("one", row_of(40, (8, 0))),
        ("one", row_of(64, (8, 0), excused)),
        ("two", row_of(24, (9, 0), *FINDINGS)),
        ("two", row_of(24, (8, 0), *FINDINGS)),
    ]
    head, line, *lines = summary(pairs).splitlines()
    assert {len(x) for x in (head, line)} == {len(x) for x in lines}
    assert [[c.strip() for c in x.strip("|").split("|")] for x in lines] == [
        ["one", "2", "64 / 128", "0", "0", "1024", "50 % / 25 %", "1", "0"],
        ["two", "1", "24", "0", "0", "1024", "100 %", "0", "1"],
        ["all", "3", "64 / 128", "0", "0", "1024", "50 % / 25 %", "1", "1"],
    ]


@pytest.mark.cuda
def test_rows_of_real_kernels() -> None:
    source = "from numba import cuda\n\n\ndef twice(x, y, n):\n"
    source += "    i = cuda.grid(1)\n    if i < n:\n        y[i] = x[i] * 0.1\n"
    text = replace(COPY, name="twice", source=source)
    made = list(rows([text]))
    assert [r.made.report.capability for r in made] == [(8, 0), (9, 0), (10, 0)]
    # For Python and numba 0.1 is a float64, and so is what it is multiplied with.
    assert all(any(f.kind == "float64" for f in r.faults) for r in made)
    single = replace(text, source=source.replace("0.1", "x[i]"))
    assert not [r.findings for r in rows([single]) if r.findings]

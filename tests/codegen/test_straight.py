"""The text of drivers: blocks of bounded length, however long the program is."""

from __future__ import annotations

import re

import numpy as np

import symgraph as sg
from symgraph.codegen.cpu.straight import LONGEST_BLOCK, Writer


def test_a_long_block_is_cut() -> None:
    out = Writer()
    for k in range(10 * LONGEST_BLOCK):
        out.let(f"add i64 {k}, 1")
    blocks = re.split(r"^\w+:$", "\n".join(out.lines), flags=re.MULTILINE)
    assert len(blocks) >= 10
    assert max(len(b.splitlines()) for b in blocks) < LONGEST_BLOCK + 5


def test_many_arrays_end_to_end() -> None:
    count = 300
    xs = [sg.vector(f"x{k}") for k in range(count)]
    f = sg.function(xs, [sg.concatenate(xs), sg.concatenate(xs).shape[0]])
    given = [np.full(k % 4, float(k)) for k in range(count)]
    joined, length = f(*given)
    np.testing.assert_array_equal(joined, np.concatenate(given))
    assert length == joined.size
    sums = [s for s in f.program.host if getattr(s, "op", "") == "add"]
    assert len(sums) < 2 * count

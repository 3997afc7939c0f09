"""What wrong programs get: one readable message, and nothing changed."""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import symgraph as sg
from symgraph.errors import ShapeError, SymgraphError
from symgraph.leaf import Shared

from .wrong_programs import PROGRAMS, Wrong

#: Programs that are wrong before there is any operand.
WITHOUT_OPERANDS = {
    *("negative_dimension", "dimension_of_another_kind", "half_precision", "objects"),
    *("no_such_dtype", "ragged_list", "masked_array", "axis_out_of_range"),
    *("number_as_input", "expression_as_input", "input_without_a_list"),
    *("string_as_output", "no_such_mode", "no_such_device", "gradient_for_a_number"),
    *("shared_value_of_another_dtype", "no_such_setting", "no_such_rule"),
    *("negative_size", "axis_given_twice", "axis_of_several_where_one_is_taken"),
    *("text_as_an_operand", "shape_that_is_a_number", "negative_number_of_rounds"),
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)
def test_wrong_programs_get_a_readable_message(
    program: Wrong, golden: Callable[[str, str], None]
) -> None:
    with pytest.raises(program.error) as caught:
        program.run()
    assert type(caught.value) is program.error
    what, *rest = str(caught.value).split("\n")
    labels = [line.strip().split(" ")[0] for line in rest]
    assert labels[-2:] == ["at", "help:"], str(caught.value)
    assert "operands:" in labels or program.name in WITHOUT_OPERANDS
    assert what and not what.startswith(" ")
    source, first = inspect.getsourcelines(program.run)
    place = re.search(r"at .*wrong_programs\.py:(\d+): (.*)", str(caught.value))
    assert place is not None, str(caught.value)
    assert first <= int(place[1]) < first + len(source)
    assert place[2] in {line.strip() for line in source}
    text = re.sub(
        r"at .*wrong_programs\.py:\d+", "at wrong_programs.py", str(caught.value)
    )
    kind = ", ".join(c.__name__ for c in program.error.__mro__[:3])
    golden(f"errors/{program.name}.txt", f"{kind}\n\n{text}")


def test_the_table_is_long_enough_and_without_repetition() -> None:
    names = [program.name for program in PROGRAMS]
    assert len(names) >= 36 and len(names) == len(set(names))


# -- failing calls ---------------------------------------------------------------------


def _failing(mode: str) -> Iterator[tuple[str, sg.Function, list[object]]]:
    """Functions that update `w` and `n`, with arguments that make a call fail."""
    x, y = sg.dvectors("x y")
    k, b = sg.lvector("k"), sg.lscalar("b")
    batch = sg.tensor("batch", shape=("rows", 3))
    target = sg.tensor("target", shape=("rows",))
    three = np.ones(3)
    cases: dict[str, tuple[list[sg.Variable], sg.Variable, list[object]]] = {
        "sizes differ": ([x, y], sg.exp(x) + y, [np.ones(4), np.ones(5)]),
        "index out of bounds": ([x, k], x[k], [three, np.array([1, 9])]),
        "another index": ([x, b], x[b], [three, 3]),
        "negative size": ([x, b], x + sg.sum(sg.zeros((b,))), [three, -1]),
        "negative power": ([x, k], k**k, [three, np.array([1, -1])]),
        "empty maximum": ([x], sg.max(x), [np.ones(0)]),
        "two sizes for a name": (
            [batch, target],
            sg.sum(batch, 1) - target,
            [np.ones((2, 3)), np.ones(4)],
        ),
        "wrong dtype": ([x, k], x[k], [three, np.ones(3)]),
        "wrong rank": ([x], x, [np.ones((3, 1))]),
        "missing": ([x, y], x + y, [three]),
        "update that does not fit": ([x], x * 2, [np.ones(5)]),
    }
    for name, (inputs, output, values) in cases.items():
        w = sg.shared(np.arange(3.0), name="w")
        n = sg.shared(7, name="n")
        new = w + x if name == "update that does not fit" else w * 2
        updates = [(w, sg.sin(new)), (n, n + sg.cast(sg.sum(output) * 0 + 1, "int64"))]
        f = sg.function(
            inputs, output, updates=updates, mode=mode, on_unused_input="ignore"
        )
        yield name, f, values


@pytest.mark.parametrize("mode", ["fast", "interpret", "debug"])
def test_a_call_that_fails_changes_no_shared_variable(mode: str) -> None:
    count = 0
    for name, f, values in _failing(mode):
        leaves = [n.op for n in f.graph.nodes if isinstance(n.op, Shared)]
        before = [op.storage.box[0].copy() for op in leaves]
        with pytest.raises(SymgraphError) as caught:
            f(*values)
        assert "help:" in str(caught.value), name
        for op, value in zip(leaves, before, strict=True):
            assert np.array_equal(op.storage.box[0], value), name
        assert len(leaves) == 2
        count += 1
    assert count == 11


# -- lines -----------------------------------------------------------------------------


def test_programs_without_a_file_get_messages_too() -> None:
    source = (
        "import symgraph as sg\nx = sg.tensor('x', shape=(2,))\ny = x + [1., 2., 3.]"
    )
    with pytest.raises(ShapeError) as caught:
        exec(compile(source, "<stdin>", "exec"), {})  # as in the REPL
    assert "at <stdin>:3\n" in str(caught.value)
    assert "add: cannot broadcast" in str(caught.value)


def test_cells_of_a_notebook_show_their_text() -> None:
    source = "import symgraph as sg\nx = sg.dvector('x')\nif x: pass\n"
    name = "<ipython-input-1-0a0b0c>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    try:
        with pytest.raises(SymgraphError, match=r"input-1-0a0b0c>:3: if x: pass"):
            exec(compile(source, name, "exec"), {})
    finally:
        del linecache.cache[name]


def test_numpys_operators_on_the_left_are_expressions() -> None:
    x = sg.fvector("x")
    value = np.array([1, 2, 3], "int16")
    for made, expected in (
        (value + x, "float32"),
        (np.float64(2) * x, "float64"),
        (np.ones((2, 3)) @ sg.dvector("d"), "float64"),
        (value > x, "bool"),
        (np.add(value, x), "float32"),
    ):
        assert isinstance(made, sg.Variable) and made.dtype == expected


def test_mistakes_of_numpys_names_are_told_apart() -> None:
    x = sg.dvector("x")
    for run, remedy in (
        (lambda: np.exp(x), "use sg.exp"),
        (lambda: np.shape(x), "use x.shape"),
        (lambda: np.sum([x, x]), "use symgraph's functions"),
        (lambda: np.add.reduce(x), "use sg.add"),
        (lambda: np.frexp(x), "symgraph has no frexp"),
        (lambda: np.linalg.norm(x), "help:"),
    ):
        with pytest.raises(SymgraphError, match=re.escape(remedy)):
            run()

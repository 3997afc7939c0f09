"""What wrong programs get: one readable message, and nothing changed."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

from .wrong_programs import PROGRAMS, Wrong

#: Programs that are wrong before there is any operand.
WITHOUT_OPERANDS = {
    *("negative_dimension", "dimension_of_another_kind", "half_precision", "objects"),
    *("no_such_dtype", "ragged_list", "masked_array", "axis_out_of_range"),
    *("number_as_input", "expression_as_input", "input_without_a_list"),
    *("string_as_output", "no_such_mode", "no_such_device", "gradient_for_a_number"),
    *("shared_value_of_another_dtype", "no_such_setting", "no_such_rule"),
    *("negative_size", "axis_given_twice"),
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

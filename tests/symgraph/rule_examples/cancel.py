"""Examples: differences that cancel, quotients that overflow, masks."""

from __future__ import annotations

from symgraph import ops

from .common import Example, column, row, truth, x, y

A = abs(x)
MASKED = ops.where(truth, x, 0)

EXAMPLES: dict[str, Example] = {
    "root_minus_one": Example(lambda: ops.sqrt(1 + x) - 1, lambda: ops.sqrt(2 + x) - 1),
    "root_plus_minus_one": Example(
        lambda: ops.sqrt(1 + x) + -1, lambda: ops.sqrt(1 + x) + 1
    ),
    "one_minus_root": Example(lambda: 1 - ops.sqrt(1 + x), lambda: 1 - ops.sqrt(2 + x)),
    "one_minus_root_of_difference": Example(
        lambda: 1 - ops.sqrt(1 - x), lambda: 1 - ops.sqrt(x - 1)
    ),
    "difference_of_roots": Example(
        lambda: ops.sqrt(A + 2) - ops.sqrt(A), lambda: ops.sqrt(A + y) - ops.sqrt(A)
    ),
    "root_of_square": Example(lambda: ops.sqrt(x * x), lambda: ops.sqrt(x * y)),
    "root_of_two_squares": Example(
        lambda: ops.sqrt(x * x + row * row), lambda: ops.sqrt(x * x + row * y)
    ),
    "log_of_root": Example(lambda: ops.log(ops.sqrt(x)), lambda: ops.log(x * x)),
    "difference_of_squares": Example(
        lambda: x * x - row * row, lambda: x * x - row * y
    ),
    "difference_of_reciprocals": Example(
        lambda: 1 / x - 1 / (x + 3), lambda: 1 / x - 1 / (x + y)
    ),
    "cos_minus_one": Example(lambda: ops.cos(x) - 1, lambda: ops.cos(x) - 2),
    "cos_plus_minus_one": Example(lambda: ops.cos(x) + -1, lambda: ops.cos(x) + 1),
    "one_minus_cos": Example(lambda: 1 - ops.cos(x), lambda: 1 - ops.sin(x)),
    "one_minus_square_of_cos": Example(
        lambda: 1 - ops.cos(x) * ops.cos(x), lambda: 1 - ops.cos(x) * ops.cos(y)
    ),
    "one_minus_square_of_sin": Example(
        lambda: 1 - ops.sin(x) * ops.sin(x), lambda: 1 - ops.sin(x) * ops.cos(x)
    ),
    "product_of_quotient": Example(lambda: x / y * y, lambda: row / x * x),
    "quotient_of_product": Example(lambda: x * y / y, lambda: row * x / x),
    "product_around_quotient": Example(
        lambda: x / y * column * y, lambda: x / y * column * x
    ),
    "product_of_masked": Example(
        lambda: MASKED * y, lambda: ops.where(truth, x, 1) * y
    ),
    "quotient_of_masked": Example(lambda: MASKED / y, lambda: y / MASKED),
}

"""Examples: softmax, cross-entropy and their gradients."""

from __future__ import annotations

from symgraph import ops
from symgraph.ops.softmax import SoftmaxGrad

from .common import E, Example, P, column, make, row, total, x, y

EXAMPLES: dict[str, Example] = {
    # softmax: the forward formulas
    "log_of_sum_of_exp": Example(
        lambda: ops.log(total(E)), lambda: ops.log(total(E * E))
    ),
    "softmax_of_ratio": Example(
        lambda: E / total(E), lambda: E / ops.sum(E, keepdims=True)
    ),
    "softmax_of_shifted": Example(
        lambda: ops.softmax(x - column, 1),
        lambda: ops.softmax(x - row, 1),
        huge=False,
    ),
    "log_softmax_of_shifted": Example(
        lambda: ops.log_softmax(x - column, 1),
        lambda: ops.log_softmax(x - row, 1),
        huge=False,
    ),
    "logsumexp_of_shifted": Example(
        lambda: ops.logsumexp(x - column, 1, keepdims=True) + column,
        lambda: ops.logsumexp(x - row, 1, keepdims=True) + row,
        huge=False,
    ),
    "minus_logsumexp": Example(
        lambda: x - ops.expand_dims(ops.logsumexp(x, 1), 1),
        lambda: x - ops.logsumexp(x, keepdims=True),
    ),
    "log_of_softmax": Example(lambda: ops.log(P), lambda: ops.log(P * P)),
    "log_of_moved_softmax": Example(
        lambda: ops.log(P.T[1]), lambda: ops.log((P * P).T[1])
    ),
    "exp_of_log_softmax": Example(
        lambda: ops.exp(ops.log_softmax(x, 1)),
        lambda: ops.exp(ops.log_softmax(x, 1)) * ops.log_softmax(x, 1),
    ),
    # softmax: gradients
    "softmax_grad_of_negative": Example(
        lambda: make(SoftmaxGrad(1), -y, P), lambda: make(SoftmaxGrad(1), y, P)
    ),
    "softmax_grad_of_log": Example(
        lambda: make(SoftmaxGrad(1), y / P, P), lambda: make(SoftmaxGrad(1), P / y, P)
    ),
    "softmax_grad_of_sum": Example(
        lambda: make(SoftmaxGrad(1), y / P - x, P),
        lambda: make(SoftmaxGrad(1), y - x, P),
    ),
    "exp_over_sum": Example(
        lambda: column / total(E) * E, lambda: column / total(E) * x
    ),
    "gradient_of_ratio": Example(
        lambda: E * (y / total(E) - total(y * P / total(E))),
        lambda: E * (y / total(E) - total(x * P / total(E))),
    ),
}

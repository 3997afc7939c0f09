"""Differentiation, graph to graph, to any order.

Bottom up: `reverse` (gradients and the products of cotangents with a Jacobian),
`forward` (the products of a Jacobian with tangents), `jacobian` (Jacobians and
Hessians, by batching either), `custom` (gradients of the user's own, checkpoints),
`verify` (comparison with differences).

Where a function has no derivative, one is chosen:

=============================== ======================================================
abs, sign                       0 at 0
maximum, minimum of two         half to each where they are equal
max, min along axes             equal shares where several elements are extreme
where                           to the operand that is chosen; none to the condition
floor, round, //, comparisons   0 everywhere: no gradient passes
remainder                       1 for the dividend, -floor(a / b) for the divisor
a ** b at a = 0                 that of b is 0, also where log(a) is infinite
sqrt, log, a / b at 0           infinite or NaN, as the formula has it
argmax, casts to integers       none: what depends on a variable only through them is
                                disconnected from it
=============================== ======================================================

relu as ``maximum(x, 0)`` has slope 1/2 at 0, and so has ``clip`` at its ends.

The gradient of ``where(x > 0, sqrt(x), 0)`` at 0 is ``where(x > 0, g, 0) / 0``.  In
compiled functions it is 0: masks are moved out of products and quotients (rules
`product_of_masked` and `quotient_of_masked`).  Of the graph as written, which
``mode="interpret"`` and :meth:`~symgraph.Variable.eval` compute, it is NaN, unless the
operand is masked too: ``where(x > 0, sqrt(where(x > 0, x, 1)), 0)``.
"""

from .custom import checkpoint, custom_vjp
from .forward import jvp
from .jacobian import hessian, hessian_vector_product, jacobian
from .reverse import grad, value_and_grad, vjp
from .verify import verify_grad

Lop = vjp
Rop = jvp

__all__ = [
    "Lop",
    "Rop",
    "checkpoint",
    "custom_vjp",
    "grad",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "jvp",
    "value_and_grad",
    "verify_grad",
    "vjp",
]

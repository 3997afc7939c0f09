"""Expressions that overflow, cancel or lose digits when evaluated as written.

Each is one Python function of a namespace (NumPy, JAX, symgraph, or numbers of a
thousand digits) and of arrays.  In `POINTWISE` every element is a hard point of its
own; in `JOINT` the elements of an array belong together, and each entry of `points` is
one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SMALL = (1e-3, 1e-6, 1e-10, 1e-15, 1e-20, -1e-5, -1e-12, 0.5)
BOTH = (
    -800.0,
    -745.0,
    -50.0,
    -37.0,
    -1.0,
    -1e-9,
    0.25,
    1e-12,
    17.0,
    40.0,
    709.0,
    900.0,
)
BELOW = (-800.0, -700.0, -50.0, -20.0, -1.0, -1e-3, -1e-9, -1e-17)
ABOVE = (800.0, 710.0, 50.0, 20.0, 1.0, 1e-3, 1e-9, 1e-17)
FAR = (
    (1000.0, -1000.0, 3.0),
    (1.0, 2.0, -700.0),
    (-900.0, -901.0, -905.0),
    (0.1, 0.2, 0.4),
)


@dataclass(frozen=True)
class Case:
    """An expression with the points where it is hard.

    Attributes:
        text: the expression, as people write it.
        build: called with a namespace and the operands.
        points: for pointwise cases a tuple of numbers for each operand; for joint ones
            a tuple of calls, each a tuple of numbers for each operand.
    """

    text: str
    build: Callable[..., Any]
    points: tuple[Any, ...]


def _log_softmax(m: Any, x: Any) -> Any:
    e = m.exp(x)
    return m.log(e / m.sum(e))


def _logistic_pdf(m: Any, x: Any) -> Any:
    e = m.exp(-x)
    return e / ((1 + e) * (1 + e))


def _binary_cross_entropy(m: Any, x: Any, t: Any) -> Any:
    p = m.sigmoid(x)
    return -(t * m.log(p) + (1 - t) * m.log(1 - p))


def _entropy(m: Any, x: Any) -> Any:
    p = m.softmax(x)
    return -m.sum(p * m.log(p))


LABELS = (0.0, 1.0, 0.0)
ROOT_2_PI = math.sqrt(2 * math.pi)

POINTWISE = (
    # logarithms and exponentials
    Case("log(1 + x)", lambda m, x: m.log(1 + x), (SMALL,)),
    Case("log(1 - x)", lambda m, x: m.log(1 - x), (SMALL,)),
    Case("exp(x) - 1", lambda m, x: m.exp(x) - 1, (SMALL,)),
    Case("1 - exp(x)", lambda m, x: 1 - m.exp(x), (SMALL,)),
    Case("1 - exp(-x)", lambda m, x: 1 - m.exp(-x), (SMALL,)),
    Case("(exp(x) - 1) / x", lambda m, x: (m.exp(x) - 1) / x, ((*SMALL, -40, 40),)),
    Case("(1 - exp(-x)) / x", lambda m, x: (1 - m.exp(-x)) / x, ((*SMALL, -40, 40),)),
    Case("x / (exp(x) - 1)", lambda m, x: x / (m.exp(x) - 1), ((*SMALL, -40, 40),)),
    Case("log(1 + exp(x))", lambda m, x: m.log(1 + m.exp(x)), (BOTH,)),
    Case("log(1 + exp(-x))", lambda m, x: m.log(1 + m.exp(-x)), (BOTH,)),
    Case("log(1 + exp(2*x)) / 2", lambda m, x: m.log(1 + m.exp(2 * x)) / 2, (BOTH,)),
    Case("log(1 - exp(x))", lambda m, x: m.log(1 - m.exp(x)), (BELOW,)),
    Case("log(1 - exp(-x))", lambda m, x: m.log(1 - m.exp(-x)), (ABOVE,)),
    Case("log(exp(x) - 1)", lambda m, x: m.log(m.exp(x) - 1), (ABOVE,)),
    Case("log(exp(x))", lambda m, x: m.log(m.exp(x)), (BOTH,)),
    Case(
        "log(exp(x) + exp(y))",
        lambda m, x, y: m.log(m.exp(x) + m.exp(y)),
        ((800.0, -800.0, 3.0, -3.0, 0.5), (790.0, -801.0, -900.0, 4.0, 900.0)),
    ),
    Case(
        "log(exp(x) - exp(y))",
        lambda m, x, y: m.log(m.exp(x) - m.exp(y)),
        ((800.0, -800.0, 3.0, 3.0, 2.0), (790.0, -801.0, -900.0, 2.9999999, 1.0)),
    ),
    Case(
        "exp(x) / exp(y)",
        lambda m, x, y: m.exp(x) / m.exp(y),
        ((800.0, -800.0, 3.0, -700.0), (799.0, -801.0, 4.0, -20.0)),
    ),
    Case(
        "exp(x) * exp(y)",
        lambda m, x, y: m.exp(x) * m.exp(y),
        ((800.0, -800.0, 3.0, 400.0), (-799.0, 801.0, 4.0, 300.0)),
    ),
    Case(
        "exp(x) / (exp(x) + exp(y))",
        lambda m, x, y: m.exp(x) / (m.exp(x) + m.exp(y)),
        ((800.0, -800.0, 3.0, -3.0, 0.5), (790.0, -801.0, -700.0, 4.0, 900.0)),
    ),
    Case("1 - exp(-exp(x))", lambda m, x: 1 - m.exp(-m.exp(x)), ((-40, -10, -1, 1),)),
    Case(
        "log(1 - exp(-exp(x)))",
        lambda m, x: m.log(1 - m.exp(-m.exp(x))),
        ((-700, -40, -10, -1, 1, 3, 6),),
    ),
    Case(
        "log(exp(-exp(-x)))", lambda m, x: m.log(m.exp(-m.exp(-x))), ((-7, -1, 2, 40),)
    ),
    Case("log(x**2)", lambda m, x: m.log(x**2), ((1e200, 1e-200, -3.0, 0.75),)),
    Case("log(1 / x)", lambda m, x: m.log(1 / x), ((1e-310, 3.0, 1e300, 0.75),)),
    Case("log(sqrt(x))", lambda m, x: m.log(m.sqrt(x)), ((1e-310, 3.0, 1e300, 0.75),)),
    Case(
        "log((1 + x) / (1 - x)) / 2",
        lambda m, x: m.log((1 + x) / (1 - x)) / 2,
        ((*SMALL, 0.999, -0.75),),
    ),
    Case(
        "log(x + sqrt(x**2 + 1))",
        lambda m, x: m.log(x + m.sqrt(x**2 + 1)),
        ((*SMALL, -1e3, -1e9, 1e3, 1e200),),
    ),
    Case(
        "log(exp(-x**2 / 2) / sqrt(2 pi))",
        lambda m, x: m.log(m.exp(-(x**2) / 2) / ROOT_2_PI),
        ((0.5, 10.0, 40.0, -50.0),),
    ),
    Case(
        "log(exp(x) / (1 + exp(x)))",
        lambda m, x: m.log(m.exp(x) / (1 + m.exp(x))),
        (BOTH,),
    ),
    # the logistic function
    Case("1 / (1 + exp(-x))", lambda m, x: 1 / (1 + m.exp(-x)), (BOTH,)),
    Case("1 / (1 + exp(x))", lambda m, x: 1 / (1 + m.exp(x)), (BOTH,)),
    Case("exp(x) / (1 + exp(x))", lambda m, x: m.exp(x) / (1 + m.exp(x)), (BOTH,)),
    Case("x / (1 + exp(-x))", lambda m, x: x / (1 + m.exp(-x)), (BOTH,)),
    Case("1 - sigmoid(x)", lambda m, x: 1 - m.sigmoid(x), (BOTH,)),
    Case("1 - 1 / (1 + exp(-x))", lambda m, x: 1 - 1 / (1 + m.exp(-x)), (BOTH,)),
    Case("log(sigmoid(x))", lambda m, x: m.log(m.sigmoid(x)), (BOTH,)),
    Case("log(1 - sigmoid(x))", lambda m, x: m.log(1 - m.sigmoid(x)), (BOTH,)),
    Case("log(1 / (1 + exp(-x)))", lambda m, x: m.log(1 / (1 + m.exp(-x))), (BOTH,)),
    Case(
        "sigmoid(x) / (1 - sigmoid(x))",
        lambda m, x: m.sigmoid(x) / (1 - m.sigmoid(x)),
        ((-700.0, -40.0, -1.0, 0.25, 17.0, 40.0, 700.0),),
    ),
    Case(
        "log(sigmoid(x) / (1 - sigmoid(x)))",
        lambda m, x: m.log(m.sigmoid(x) / (1 - m.sigmoid(x))),
        (BOTH,),
    ),
    Case("exp(-x) * sigmoid(x)", lambda m, x: m.exp(-x) * m.sigmoid(x), (BOTH,)),
    Case("exp(-x) / (1 + exp(-x))**2", _logistic_pdf, (BOTH,)),
    Case(
        "sigmoid(x) * (1 - sigmoid(x))",
        lambda m, x: m.sigmoid(x) * (1 - m.sigmoid(x)),
        (BOTH,),
    ),
    Case(
        "cross entropy of sigmoid",
        _binary_cross_entropy,
        ((-800.0, -40.0, -1.0, 2.0, 40.0, 800.0), (1.0, 0.5, 0.0, 1.0, 0.25, 0.0)),
    ),
    Case(
        "x * tanh(log(1 + exp(x)))",
        lambda m, x: x * m.tanh(m.log(1 + m.exp(x))),
        (BOTH,),
    ),
    # hyperbolic functions
    Case(
        "1 - tanh(x)", lambda m, x: 1 - m.tanh(x), ((-40, -1, 0.5, 8.0, 25.0, 300.0),)
    ),
    Case(
        "1 + tanh(x)", lambda m, x: 1 + m.tanh(x), ((40, 1, -0.5, -8.0, -25.0, -300.0),)
    ),
    Case(
        "1 - tanh(x)**2", lambda m, x: 1 - m.tanh(x) ** 2, ((0.5, -8.0, 25.0, 300.0),)
    ),
    Case(
        "log(1 - tanh(x)**2)",
        lambda m, x: m.log(1 - m.tanh(x) ** 2),
        ((0.5, -8.0, 25.0, 300.0),),
    ),
    Case(
        "(exp(x) - exp(-x)) / (exp(x) + exp(-x))",
        lambda m, x: (m.exp(x) - m.exp(-x)) / (m.exp(x) + m.exp(-x)),
        ((*SMALL, 10.0, -15.0, 800.0),),
    ),
    Case(
        "(exp(2*x) - 1) / (exp(2*x) + 1)",
        lambda m, x: (m.exp(2 * x) - 1) / (m.exp(2 * x) + 1),
        ((*SMALL, 10.0, -15.0, 800.0),),
    ),
    Case(
        "log((exp(x) + exp(-x)) / 2)",
        lambda m, x: m.log((m.exp(x) + m.exp(-x)) / 2),
        ((0.5, -2.0, 30.0, 800.0, -900.0),),
    ),
    # powers and roots
    Case("sqrt(1 + x) - 1", lambda m, x: m.sqrt(1 + x) - 1, ((*SMALL, 3.0, 1e200),)),
    Case("1 - sqrt(1 - x)", lambda m, x: 1 - m.sqrt(1 - x), (SMALL,)),
    Case(
        "sqrt(x + 1) - sqrt(x)",
        lambda m, x: m.sqrt(x + 1) - m.sqrt(x),
        ((0.5, 1e3, 1e8, 1e15, 1e30),),
    ),
    Case("sqrt(x**2)", lambda m, x: m.sqrt(x**2), ((1e200, -1e-200, -3.0, 0.75),)),
    Case(
        "sqrt(x**2 + y**2)",
        lambda m, x, y: m.sqrt(x**2 + y**2),
        ((3e200, 1e-200, 3.0, -1e-170), (4e200, 1e-201, -4.0, 2e-170)),
    ),
    Case(
        "x**2 - y**2",
        lambda m, x, y: x**2 - y**2,
        ((1.0, 1e8, 3.0), (1.0 + 1e-12, 1e8 + 1e-7, 2.0)),
    ),
    Case(
        "1 / x - 1 / (x + 1)",
        lambda m, x: 1 / x - 1 / (x + 1),
        ((0.5, 1e5, 1e12, 1e30),),
    ),
    Case("x**2 / x", lambda m, x: x**2 / x, ((1e200, 1e-200, 3.0),)),
    Case("exp(log(x))", lambda m, x: m.exp(m.log(x)), ((1e200, 1e-300, 3.0),)),
    # trigonometry
    Case("1 - cos(x)", lambda m, x: 1 - m.cos(x), ((1e-3, 1e-6, 1e-9, -1e-4, 0.5),)),
    Case("cos(x) - 1", lambda m, x: m.cos(x) - 1, ((1e-3, 1e-6, 1e-9, -1e-4, 0.5),)),
    Case("1 - cos(x)**2", lambda m, x: 1 - m.cos(x) ** 2, ((1e-3, 1e-6, 1e-9, 0.5),)),
    # choice
    Case(
        "where(x > 1, log(x), 0) at x <= 0",
        lambda m, x: m.where(x > 1, m.log(x), 0),
        ((0.0, 2.0, 1e300),),
    ),
    Case(
        "where(x > 1, sqrt(x - 1), 0) at 1",
        lambda m, x: m.where(x > 1.0625, m.sqrt(x - 1), 0),
        ((1.0, 2.0, 0.0),),
    ),
)

JOINT = (
    Case(
        "log(sum(exp(x)))",
        lambda m, x: m.log(m.sum(m.exp(x))),
        tuple((f,) for f in FAR),
    ),
    Case(
        "log(mean(exp(x)))",
        lambda m, x: m.log(m.sum(m.exp(x)) / 3),
        tuple((f,) for f in FAR[:3]),
    ),
    Case(
        "x - log(sum(exp(x)))",
        lambda m, x: x - m.log(m.sum(m.exp(x))),
        tuple((f,) for f in FAR),
    ),
    Case(
        "t * exp(x) / sum(exp(x))",
        lambda m, x, t: t * (m.exp(x) / m.sum(m.exp(x))),
        tuple((f, (1.0, 2.0, 4.0)) for f in FAR),
    ),
    Case("log(softmax(x))", lambda m, x: m.log(m.softmax(x)), tuple((f,) for f in FAR)),
    Case("log(exp(x) / sum(exp(x)))", _log_softmax, tuple((f,) for f in FAR)),
    Case(
        "-sum(t * log(softmax(x)))",
        lambda m, x, t: -m.sum(t * m.log(m.softmax(x))),
        tuple((f, LABELS) for f in FAR),
    ),
    Case("entropy of softmax(x)", _entropy, (((1.0, 2.0, -30.0),), ((3.0, 2.0, 2.5),))),
    Case(
        "log(prod(x))",
        lambda m, x: m.log(m.prod(x)),
        (((1e200, 1e200, 1e-3),), ((1e-200, 1e-150, 0.5),), ((2.0, 3.0, 4.0),)),
    ),
    Case(
        "sqrt(sum(x**2))",
        lambda m, x: m.sqrt(m.sum(x**2)),
        (((3e200, 4e200, 0.0),), ((3e-170, 4e-180, 1e-171),), ((3.0, -4.0, 12.0),)),
    ),
)

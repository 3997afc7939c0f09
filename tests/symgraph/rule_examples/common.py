"""What the examples of rules are made of: inputs, and nodes without simplification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symgraph import ops
from symgraph.declare import tensor
from symgraph.graph import intern
from symgraph.op import Op
from symgraph.variable import Variable, constant

x = tensor("x", "float64", ("n", 4))
y = tensor("y", "float64", ("n", 4))
z = tensor("z", "float32", (3, 4))
u = tensor("u", "float64", (None, 4))
v = tensor("v", "float64", (3,))
w = tensor("w", "float64", (None, 4))
s = tensor("s", "float64")
i = tensor("i", "int64", ("n",))
k = tensor("k", "int64")
natural = tensor("natural", "uint8", ("n",))
row = tensor("row", "float64", (1, 4))
column = tensor("column", "float64", ("n", 1))
truth = tensor("truth", "bool", ("n", 4))
other = tensor("other", "bool", ("n", 4))
a = tensor("a", "float64", (3, 5))
b = tensor("b", "float64", (5, 2))
cube = tensor("cube", "float64", (2, 3, 4))


@dataclass(frozen=True)
class Example:
    """Where a rule applies, and something like it where it must not.

    `huge` tells whether to try huge numbers: in x - m they drown the others before the
    rule, and in extended precision too, so that nothing says what is right.
    """

    yes: Callable[[], Variable]
    no: Callable[[], Variable]
    huge: bool = True


def make(op: Op, *inputs: Variable) -> Variable:
    """A node that the functions of `ops` would have simplified at once."""
    return Variable(intern(op, tuple(i.node for i in inputs)))


def c(value: float, dtype: str = "float64") -> Variable:
    return constant(value, dtype)


def total(of: Variable, keepdims: bool = True) -> Variable:
    return ops.sum(of, 1, keepdims=keepdims)


E, F = ops.exp(x), ops.exp(y)
P = ops.softmax(x, 1)
S, R = ops.sigmoid(x), ops.sigmoid(-x)
AB = ops.matmul(a, b)

"""Patterns: expressions with wildcards, compiled into matchers.

A pattern is written with the library's own operators, ``lambda x: log(1 + x)``.  It is
compiled into steps over *registers*, which hold nodes: the root is the first, and each
node that a step opens adds its inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import TypeAlias

import numpy as np

from .graph import Node, intern, toposort
from .leaf import Constant, Leaf
from .op import Elemwise, Op
from .types import TensorType, tensor
from .variable import Variable


class Wild(Leaf):
    """Stands for any node in a pattern."""

    def __init__(self, label: str) -> None:
        self.label = label

    def infer(self) -> TensorType:
        return tensor("float64", ())


class Like(Op):
    """Stands for any node of an op class in a pattern; made by :func:`like`."""

    def __init__(self, cls: type[Op], label: str | None) -> None:
        self.cls = cls
        self.label = label

    def infer(self, *inputs: Node) -> TensorType:
        return tensor("float64", ())


def like(cls: type[Op], *inputs: Variable, name: str | None = None) -> Variable:
    """In a pattern: any node whose op is a `cls`, whatever its parameters.

    Without `inputs`, its inputs may be anything.  The rule gets the node as the
    argument `name`.
    """
    return Variable(intern(Like(cls, name), tuple(v.node for v in inputs)))


@dataclass(frozen=True, slots=True)
class Open:
    """Require an op at a register and append its inputs to the registers."""

    register: int
    cls: type[Op]
    op: Op | None
    arity: int | None


@dataclass(frozen=True, slots=True)
class Value:
    """Require a scalar constant of this value (and sign) at a register."""

    register: int
    value: float


@dataclass(frozen=True, slots=True)
class Same:
    """Require the same node at two registers."""

    register: int
    other: int


Step: TypeAlias = "Open | Value | Same"


@dataclass(frozen=True, slots=True)
class Miss:
    """How far a node matches a pattern, and what differs first.

    Attributes:
        matched: how many of the pattern's parts match.
        parts: how many there are.
        at: the node that differs.
        kind: "op", "parameters", "operands", "constant" or "same".
        wanted: what the pattern has there.
    """

    matched: int
    parts: int
    at: Node
    kind: str
    wanted: str

    @property
    def plausible(self) -> bool:
        """Whether it is about what stands there: a number where another is wanted."""
        return (self.kind == "constant") == isinstance(self.at.op, Constant)


def _difference(
    step: Step, at: Node, registers: Sequence[Node | None]
) -> tuple[str, str] | None:
    """What keeps `at` from matching a step: its kind, and what is wanted there."""
    match step:
        case Open(cls=cls, op=op, arity=arity):
            title = cls.__name__.lower() if op is None else op.name
            if type(at.op) is not cls:
                return "op", title
            if op is not None and op != at.op:
                return "parameters", repr(op)
            if arity is not None and len(at.inputs) != arity:
                return "operands", f"{title} of {arity}"
        case Same(other=other):
            if registers[other] is not None and at is not registers[other]:
                return "same", "the same expression twice"
        case Value(value=value):
            if not has_value(at, value):
                return "constant", f"the constant {value}"
    return None


@dataclass(frozen=True, slots=True)
class Variant:
    """A pattern in one order of its commutative operands, as steps of a matcher."""

    steps: tuple[Step, ...]
    names: dict[str, int]

    def match(self, node: Node) -> dict[str, Node] | None:
        """What the names stand for where `node` matches."""
        registers = self._registers(node)
        if registers is None:
            return None
        return {name: registers[k] for name, k in self.names.items()}

    def opened(self, node: Node) -> tuple[Node, ...] | None:
        """The nodes whose ops and inputs were looked at where `node` matches."""
        registers = self._registers(node)
        if registers is None:
            return None
        steps = (s for s in self.steps if type(s) is Open)
        return tuple(dict.fromkeys(registers[s.register] for s in steps))

    def miss(self, node: Node) -> Miss | None:
        """How far `node` matches, and the first thing that differs; None: nothing.

        Below a node that differs nothing is looked at.
        """
        registers: list[Node | None] = [node]
        matched, first = 0, None
        for step in self.steps:
            at = registers[step.register]
            problem = None if at is None else _difference(step, at, registers)
            if at is not None and problem is None:
                matched += 1
            elif at is not None and first is None:
                assert problem is not None
                first = (at, *problem)
            if type(step) is Open and step.arity is not None:
                known = at is not None and problem is None
                registers += at.inputs if known else [None] * step.arity  # type: ignore[union-attr]
        return None if first is None else Miss(matched, len(self.steps), *first)

    def _registers(self, node: Node) -> list[Node] | None:
        """All nodes that the matcher has seen, if it matches."""
        registers = [node]
        for step in self.steps:
            at = registers[step.register]
            if type(step) is Open:
                op = at.op
                if type(op) is not step.cls or not (step.op is None or op == step.op):
                    return None
                if step.arity is not None:
                    if len(at.inputs) != step.arity:
                        return None
                    registers.extend(at.inputs)
            elif type(step) is Same:
                if at is not registers[step.other]:
                    return None
            elif not has_value(at, step.value):  # type: ignore[union-attr]
                return None
        return registers


def has_value(node: Node, value: float) -> bool:
    """Whether `node` is a scalar constant equal to `value`, the sign of zero included.

    Larger constants are opaque: compiled code is cached without looking at their
    values.
    """
    op = node.op
    if type(op) is not Constant or op.data.ndim or op.data.dtype.kind == "c":
        return False
    element = op.data.item()
    return bool(element == value and np.signbit(element) == np.signbit(value))


def root_of(pattern: Callable[..., Variable]) -> Node:
    """The node at the root of a pattern."""
    names = parameters(pattern)
    return pattern(*(Variable(intern(Wild(name), ())) for name in names)).node


def class_of(root: Node) -> type[Op]:
    """The op class of what matches the root of a pattern."""
    return root.op.cls if isinstance(root.op, Like) else type(root.op)


def variants_of(root: Node) -> tuple[Variant, ...]:
    """The matchers of a pattern, one for each order of commutative operands."""
    swappable = [
        n
        for n in toposort([root])
        if isinstance(n.op, Elemwise)
        and n.op.commutative
        and n.inputs[0] is not n.inputs[1]
    ]
    return tuple(
        _variant(root, {n for n, swap in zip(swappable, choice, strict=True) if swap})
        for choice in itertools.product((False, True), repeat=len(swappable))
    )


def _variant(root: Node, swapped: set[Node]) -> Variant:
    """The matcher for `root` with the operands of `swapped` nodes exchanged."""
    steps: list[Step] = []
    names: dict[str, int] = {}
    first: dict[Node, int] = {}
    queue = [root]
    for register, node in enumerate(queue):  # the queue grows while it is walked
        if node in first:
            steps.append(Same(register, first[node]))
            continue
        first[node] = register
        op, inputs = node.op, node.inputs[:: -1 if node in swapped else 1]
        match op:
            case Wild():
                names[op.label] = register
                continue
            case Constant():
                steps.append(Value(register, op.data.item()))
                continue
            case Like():
                steps.append(Open(register, op.cls, None, len(inputs) or None))
                if op.label:
                    names[op.label] = register
            case _:
                steps.append(Open(register, type(op), op, len(inputs)))
        queue.extend(inputs)
    return Variant(tuple(steps), names)


def parameters(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a function's parameters."""
    assert isinstance(function, FunctionType)
    code = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

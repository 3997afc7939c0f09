"""Ops made of a graph: a body of other ops under one name, on given parameters.

A :class:`Body` is that graph as plain data: hashable, compared by its ops and wiring,
pickled with the node that has it.  :func:`trace` makes one from a Python function, and
:class:`Composite` is the op that stands for its result.  Rewriting puts the body in its
place first of all, so that a composite costs nothing in compiled code; it is there for
what happens before: gradients and batching by rules of its own, names in dumps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .errors import ArgumentError, refuse
from .graph import Node, Site, here, intern, rebuild, toposort
from .leaf import Constant, Parameter
from .op import Array, Expanded, Op, by_expansion, op
from .types import TensorType
from .variable import Variable, as_tensor

#: One step of a body: an op and the numbers of its operands.
Step = tuple[Op, tuple[int, ...]]


class Body:
    """Outputs as a function of parameters, in plain data.

    The first `count` numbers are the parameters', the next those of `steps` in order.
    """

    __slots__ = ("_hash", "count", "digest", "kinds", "outputs", "sites", "steps")

    count: int
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    digest: str
    kinds: frozenset[type]
    #: The lines that wrote the steps; not part of what a body is.
    sites: tuple[Site | None, ...]

    def __init__(
        self,
        count: int,
        steps: Iterable[Step],
        outputs: Iterable[int],
        sites: Iterable[Site | None] = (),
    ) -> None:
        self.count = count
        self.steps = tuple(steps)
        self.outputs = tuple(outputs)
        self.sites = tuple(sites)
        self._hash = hash((self.count, self.steps, self.outputs))
        #: The classes of all ops in it, those of bodies within bodies too.
        self.kinds = self._kinds()
        lines = [f"{_text(made)} {inputs}" for made, inputs in self.steps]
        text = "\n".join([str(self.count), *lines, str(self.outputs)])
        self.digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _kinds(self) -> frozenset[type]:
        kinds = {type(made) for made, _ in self.steps}
        for made, _ in self.steps:
            for body in bodies_of(made):
                kinds |= body.kinds
        return frozenset(kinds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Body) and (
            self is other
            or (self.count, self.outputs, self.steps)
            == (other.count, other.outputs, other.steps)
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        """By digest: the text of an op is part of cache keys."""
        return f"Body({self.count}, {len(self.steps)} steps, {self.digest})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Body, (self.count, self.steps, self.outputs)

    def nodes(self, *inputs: Node) -> tuple[Node, ...]:
        """The outputs' nodes where the parameters are `inputs`."""
        made = list(inputs)
        sites = self.sites or (here(),) * len(self.steps)
        for (applied, places), site in zip(self.steps, sites, strict=True):
            made.append(intern(applied, tuple(made[k] for k in places), site))
        return tuple(made[k] for k in self.outputs)

    def __call__(self, *inputs: Variable) -> tuple[Variable, ...]:
        """The outputs where the parameters are `inputs`."""
        return tuple(Variable(n) for n in self.nodes(*(v.node for v in inputs)))

    def ref(self, *arrays: Array) -> tuple[Array, ...]:
        """The outputs' values where the parameters are `arrays`, each op by its ref."""
        values = list(arrays)
        for applied, places in self.steps:
            if isinstance(applied, Constant):
                values.append(applied.data)
            else:
                values.append(applied.ref(*(values[k] for k in places)))
        return tuple(values[k] for k in self.outputs)


def _text(made: Op) -> str:
    """An op for the digest: constants in a body are small, and count by their bytes."""
    if isinstance(made, Constant):
        return f"Constant {made.dtype} {made.shape} {made.key.hex()}"
    return f"{type(made).__module__}.{type(made).__qualname__} {made!r}"


def bodies_of(made: Op) -> tuple[Body, ...]:
    """The bodies among an op's parameters."""
    return tuple(v for v in vars(made).values() if isinstance(v, Body))


def parameter(like: Variable) -> Variable:
    """A fresh input of exactly the type of `like`, symbolic dimensions included."""
    return of_type(like.type)


def of_type(kind: TensorType) -> Variable:
    """A fresh input of exactly this type, symbolic dimensions included."""
    return Variable(intern(Parameter(kind), ()))


def capture(
    outputs: Sequence[Variable],
    parameters: Sequence[Variable],
    inner: Callable[[Node], bool] = lambda _: False,
) -> tuple[Body, tuple[Variable, ...]]:
    """`outputs` as a body over `parameters` and what else they depend on.

    Returns:
        The body, and what its further parameters stand for: the largest expressions
        that depend on none of `parameters`.  Constants of one element, and what is made
        of them alone, are part of the body, and so is what `inner` tells.
    """
    roots = [v.node for v in outputs]
    given = {v.node: k for k, v in enumerate(parameters)}
    order = toposort(roots, lambda node: () if node in given else node.inputs)
    inside, closed = set(given), set[Node]()
    for node in order:
        if node in inside:
            continue
        if any(i in inside for i in node.inputs):
            inside.add(node)
        elif _small(node) or (node.inputs and closed.issuperset(node.inputs)):
            closed.add(node)
    inside |= closed
    needed = dict.fromkeys(roots)
    for node in order:
        if node in inside and node not in given:
            needed.update(dict.fromkeys(node.inputs))
    for node in reversed(order):
        if node in needed and node not in inside and node.inputs and inner(node):
            inside.add(node)
            needed.update(dict.fromkeys(node.inputs))
    outer = [n for n in needed if n not in inside]
    number = given | {n: len(given) + k for k, n in enumerate(outer)}
    count = len(number)
    steps: list[Step] = []
    sites: list[Site | None] = []
    for node in order:
        if node in needed and node not in number:
            number[node] = count + len(steps)
            steps.append((node.op, tuple(number[i] for i in node.inputs)))
            sites.append(node.site)
    body = Body(count, steps, (number[n] for n in roots), sites)
    return body, tuple(Variable(n) for n in outer)


def _small(node: Node) -> bool:
    return isinstance(node.op, Constant) and node.op.small


def trace(
    fn: Callable[..., Any], args: Sequence[Variable]
) -> tuple[Body, tuple[Variable, ...], bool]:
    """What `fn` makes of variables of the types of `args`.

    Returns:
        Its body, what it uses besides its arguments (:func:`capture`), and whether it
        returns one variable (not a sequence of them).

    Raises:
        SymgraphError: it returns something else.
    """
    parameters = [parameter(v) for v in args]
    made = fn(*parameters)
    single = not isinstance(made, tuple | list)
    outputs = [as_tensor(v) for v in ([made] if single else made)]
    if not outputs:
        refuse(
            ArgumentError,
            "a function returned no outputs",
            remedy="return at least one variable",
        )
    body, captured = capture(outputs, parameters)
    return body, captured, single


@op
class Composite(Expanded):
    """Output `index` of a body; inputs are its parameters, and maybe more after them.

    Without a `vjp` of its own (subclasses may have one), it is differentiated and
    batched through its body.
    """

    body: Body
    index: int = 0
    label: str = ""

    parts = by_expansion

    @property
    def name(self) -> str:
        return self.label or super().name

    def infer(self, *inputs: Node) -> TensorType:
        return self.body.nodes(*inputs[: self.body.count])[self.index].type

    def ref(self, *arrays: Array) -> Array:
        return self.body.ref(*arrays[: self.body.count])[self.index]

    def expand(self, *inputs: Variable) -> Variable:
        return self.body(*inputs[: self.body.count])[self.index]


def written_out(roots: Sequence[Node]) -> tuple[Node, ...]:
    """`roots` with what composites are made of in their place, all the way down."""

    def expand(node: Node, inputs: tuple[Node, ...]) -> Node:
        if isinstance(node.op, Composite):
            return node.op.expand(*(Variable(i) for i in inputs)).node
        return intern(node.op, inputs, node.site)

    found = tuple(roots)
    while any(isinstance(node.op, Composite) for node in toposort(found)):
        found = rebuild(found, expand)
    return found


__all__ = [
    "Body",
    "Composite",
    "bodies_of",
    "capture",
    "of_type",
    "parameter",
    "trace",
    "written_out",
]

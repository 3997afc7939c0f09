"""Nodes and graphs: immutable, interned, walked without recursion.

A :class:`Node` applies an op to nodes.  Nodes are interned, weakly and under a lock:
building the same expression twice gives the same object, so common subexpressions are
shared from the start and equality is identity.
"""

from __future__ import annotations

import functools
import linecache
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from .op import Op
    from .types import TensorType

#: Where a node was made: the user's code object and the instruction in it.
Site = tuple[CodeType, int]


class Node:
    """``op`` applied to ``inputs``, of ``type``; made by :func:`intern` alone.

    ``site`` is where the expression was first written, and ``also`` are other lines
    that wrote it, the latest few; they take no part in identity.
    """

    __slots__ = ("__weakref__", "also", "inputs", "op", "site", "type")

    op: Op
    inputs: tuple[Node, ...]
    type: TensorType
    site: Site | None
    also: tuple[Site, ...]

    def __repr__(self) -> str:
        arguments = ", ".join(str(i.type) for i in self.inputs)
        return f"{self.op}({arguments}): {self.type}"

    def __reduce__(self) -> str:
        raise TypeError(
            "nodes are pickled with their graph: pickle a Graph or function"
        )

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self


_table: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()
_lock = threading.Lock()


def intern(op: Op, inputs: tuple[Node, ...], site: Site | None = None) -> Node:
    """The node that applies `op` to `inputs`; its type is inferred when first made.

    Raises:
        ShapeError, DTypeError: from the op's type inference.
    """
    key = (op, inputs)
    node = _table.get(key)
    if node is not None:
        if site is not None and site != node.site and inputs:
            _written_again(node, site)
        return node
    node = Node()
    node.op, node.inputs, node.site, node.also = op, inputs, site, ()
    node.type = op.infer(*inputs)
    with _lock:
        return _table.setdefault(key, node)


_FOLDER = str(Path(__file__).parent) + "/"
#: Where frames are not the user's; caches of what is made once are called in between.
_NOT_USERS = (_FOLDER, str(functools.__file__))
#: The demo is a user's program.
_DEMO = _FOLDER + "demo.py"
#: What calls these is not a user's program either.
_COMMANDS = _FOLDER + "cli/"
#: Where nodes are made by the compiler, on behalf of nodes that the user wrote.
_COMPILER = tuple(
    _FOLDER + name
    for name in ("passes.py", "rewrite.py", "lower/", "function.py", "graphs.py")
)

#: The latest so many lines that wrote a node again are remembered.
MOST_LINES = 8


def here() -> Site | None:
    """The innermost frame outside symgraph: the user's line.

    There is none in what a command does by itself.
    """
    frame = sys._getframe(1)
    while frame is not None and (name := frame.f_code.co_filename).startswith(
        _NOT_USERS
    ):
        if name == _DEMO:
            break
        if name.startswith(_COMMANDS):
            return None
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else (frame.f_code, frame.f_lasti)


def _written_again(node: Node, site: Site) -> None:
    """Remember another line that wrote `node`, unless the compiler made it anew."""
    frame = sys._getframe(2)
    while frame is not None and (name := frame.f_code.co_filename).startswith(
        _NOT_USERS
    ):
        if name.startswith(_COMPILER) or name == _DEMO:
            break
        frame = frame.f_back  # type: ignore[assignment]
    if frame is not None and name.startswith(_COMPILER):
        return
    if site not in node.also:
        node.also = (*node.also, site)[-MOST_LINES:]


def line_of(site: Site) -> tuple[str, int]:
    """The file and the line of a site."""
    code, instruction = site
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= instruction < end and number is not None:
            line = number
    return code.co_filename, line


def describe_site(site: Site | None) -> str | None:
    """``file:line: text`` of a site, or None."""
    if site is None:
        return None
    file, line = line_of(site)
    source = linecache.getline(file, line).strip()
    return f"{file}:{line}" + (f": {source}" if source else "")


def describe_node(node: Node) -> str:
    """A node in messages, as a variable without a name of its own is shown."""
    return f"<{getattr(node.op, 'label', None) or node.op.name}: {node.type}>"


def toposort(
    outputs: Iterable[Node],
    inputs_of: Callable[[Node], Sequence[Node]] = attrgetter("inputs"),
) -> list[Node]:
    """Every node that `outputs` depend on, inputs before users, each once.

    `inputs_of` says which inputs count, where not all do.
    """
    order: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(n, False) for n in reversed(list(outputs))]
    while stack:
        node, ready = stack.pop()
        if ready:
            order.append(node)
        elif node not in done:
            done.add(node)
            stack.append((node, True))
            sources = reversed(inputs_of(node))
            stack.extend((i, False) for i in sources if i not in done)
    return order


def users(
    order: Sequence[Node],
    inputs_of: Callable[[Node], Sequence[Node]] = attrgetter("inputs"),
) -> dict[Node, list[Node]]:
    """For each node of `order`, the nodes in it that read it (once a use)."""
    index: dict[Node, list[Node]] = {node: [] for node in order}
    for node in order:
        for source in inputs_of(node):
            index[source].append(node)
    return index


def leaves(outputs: Iterable[Node]) -> Iterator[Node]:
    """The inputs, shared variables and constants under `outputs`."""
    return (node for node in toposort(outputs) if not node.inputs)


def rebuild(
    outputs: Sequence[Node],
    replace: dict[Node, Node] | Callable[[Node, tuple[Node, ...]], Node],
) -> tuple[Node, ...]:
    """`outputs` with nodes replaced, everything above them made anew.

    `replace` maps nodes to what stands in for them (whose own inputs are left as they
    are), or is called with each node and its new inputs.
    """
    mapping: dict[Node, Node] = {}
    fixed: dict[Node, Node] = {} if callable(replace) else replace
    for node in toposort(outputs, lambda n: () if n in fixed else n.inputs):
        if node in fixed:
            mapping[node] = fixed[node]
            continue
        inputs = tuple(mapping[i] for i in node.inputs)
        if callable(replace):
            mapping[node] = replace(node, inputs)
        elif inputs == node.inputs:
            mapping[node] = node
        else:
            mapping[node] = intern(node.op, inputs, node.site)
    return tuple(mapping[n] for n in outputs)

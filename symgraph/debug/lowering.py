"""Which op's loops compute something else than its `ref`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..codegen.program import (
    Call,
    Gemm,
    Launch,
    Program,
    Step,
    arrays_of,
    written_by,
)
from ..codegen.run import GuardError, check_guards, outer, run_program, walk_program
from ..codegen.text import print_item
from ..errors import DebugError, SymgraphError, message
from ..graph import Node, describe_site, intern, toposort
from ..leaf import Constant, Input
from ..lower import Lowered, Request, lower
from ..op import Array, Opaque
from ..types import TensorType
from ..variable import Variable, constant
from .values import Given, differ, floor_of, summary, unstable, values_of, worst

#: The loop interpreter takes about a second for this many elements.
MOST_ELEMENTS = 20_000


def called(lowered: Lowered) -> dict[str, Callable[..., bool]]:
    """The functions that the program calls, for the interpreter."""
    from ..codegen.cpu.callback import over_arrays

    pairs = zip(lowered.program.functions, lowered.functions, strict=True)
    return {name: over_arrays(function) for name, function in pairs}


def step_name(step: Step) -> str:
    """The kernel of a step, or what is called."""
    match step:
        case Launch(kernel=kernel):
            return kernel.name
        case Call(function=function):
            return f"the call of {function}"
        case Gemm(out=out):
            return f"the product {out}"
    return print_item(step)


def last_writes(program: Program) -> Iterator[tuple[int, Step, str]]:
    """Each array with the step that writes it for the last time, in order.

    Not those that loops write row by row.
    """
    written = {n for step in program.steps for n in written_by(step)}
    stacks = {row.target for row in program.by_role("row") if row.name in written}
    last = {n: k for k, step in enumerate(program.steps) for n in written_by(step)}
    for number, step in enumerate(program.steps):
        for name in written_by(step):
            if last[name] == number and name not in stacks:
                yield number, step, name


def array_values(lowered: Lowered, given: Given) -> dict[str, Array]:
    """What each array that a program makes should hold, by `ref`."""
    made = {n: lowered.nodes[n] for _, _, n in last_writes(lowered.program)}
    values = values_of(made.values(), given)
    return {name: values[node] for name, node in made.items() if node in values}


def arguments(lowered: Lowered, given: Given) -> dict[str, Array]:
    """The arrays that a program is called with, by name."""
    program = lowered.program
    named = {
        a.name: np.asarray(given[lowered.nodes[a.name]])
        for a in program.by_role("input", "shared")
    }
    held = zip(program.by_role("constant"), lowered.constants, strict=True)
    return named | {array.name: op.data for array, op in held}


def small_enough(lowered: Lowered, given: Given) -> bool:
    """Whether the loop interpreter can be expected to finish soon."""
    values = array_values(lowered, given)
    return sum(a.size for a in (*values.values(), *given.values())) <= MOST_ELEMENTS


def fits(lowered: Lowered, given: Given) -> bool:
    """Whether these arguments are for this version of a program."""
    try:
        check_guards(lowered.program, arguments(lowered, given))
    except (ValueError, OverflowError):
        return False
    return True


def blame_preparing(
    lowered: Lowered, roots: Sequence[Node], given: Given
) -> DebugError | None:
    """The error for the first op that is wrong in the form that lowering gives it."""
    for node in toposort(roots):
        inputs = tuple(Variable(i) for i in node.inputs)
        other = node.op.settled(lowered.classes.same, *inputs)
        if other is None and isinstance(node.op, Opaque):
            other = node.op.plain(*inputs)
        if other is None or other.node is node:
            continue
        values = values_of([node, other.node], given)
        old, new = values.get(node), values.get(other.node)
        if old is not None and differ(old, new, "rounding", floor_of(given, [node])):
            what = (
                f"{node.op.name} is prepared for lowering as something else: "
                f"{worst(old, new)}"
            )
            return _told(what, node, None)
    return None


def blame_lowering(
    lowered: Lowered, given: Given, wanted: int | None = None
) -> DebugError | None:
    """The error for the first kernel whose loops compute something else than `ref`.

    With `wanted`, only step number `wanted` is looked at.
    """
    expected = array_values(lowered, given)
    floor = floor_of(given, list(lowered.nodes.values()))
    made: dict[int, list[str]] = {}
    for number, _, name in last_writes(lowered.program):
        made.setdefault(number, []).append(name)
    reached = 0
    try:
        for number, memory, status in walk_program(
            lowered.program, arguments(lowered, given), called(lowered)
        ):
            reached, step = number + 1, lowered.program.steps[number]
            if status:
                return _failed(lowered, status, step)
            for name in made.get(number, ()):
                if name not in expected:  # inside a loop
                    continue
                old, new = expected[name], outer(lowered.program, memory, name)
                right = not differ(old, new, "rounding", floor)
                if right or wanted not in (None, number):
                    continue
                error = _blame(lowered, step, name, given, new, floor)
                if error is not None:
                    return error
    except GuardError as error:
        return _failed(lowered, error.code, None)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        step = lowered.program.steps[reached]
        return _outside(lowered, step, given, str(error))
    return None


def _failed(lowered: Lowered, code: int, step: Step | None) -> DebugError:
    """A check fails in loops although `ref` computes a value."""
    failure = lowered.failures.get(code)
    node = None if failure is None else failure.node
    reason = "sizes that must be equal differ" if failure is None else failure.reason
    kernel = None if step is None else step_name(step)
    of = "" if node is None else f"{node.op.name}: "
    return _told(f"{of}loops refuse what is right ({reason})", node, kernel)


def _outside(lowered: Lowered, step: Step, given: Given, reason: str) -> DebugError:
    """The loops of a step touch what does not exist."""
    for name in written_by(step):
        for node in _members(lowered, step, name):
            wrong = _alone(node, given)
            if wrong is not None:
                return _lowered_wrong(node, step, wrong, given)
    node = lowered.nodes[written_by(step)[0]]
    return _told(f"the loops of {node.op.name} fail: {reason}", node, step_name(step))


def _blame(
    lowered: Lowered, step: Step, name: str, given: Given, new: Array, floor: float
) -> DebugError | None:
    """The op that is wrong in a kernel whose array `name` is."""
    for node in _members(lowered, step, name):
        wrong = _alone(node, given)
        if wrong is not None:
            return _lowered_wrong(node, step, wrong, given)
    node = lowered.nodes[name]
    old = values_of([node], given)[node]
    if unstable(node, old, new, given):
        return None
    what = (
        f"the loops of {node.op.name}, fused with what it reads, differ from its "
        f"meaning: {worst(old, new)}"
    )
    return _told(what, node, step_name(step))


def _members(lowered: Lowered, step: Step, name: str) -> Sequence[Node]:
    """The nodes computed in a step on the way to array `name`, operands first."""
    used = arrays_of(step)
    written = written_by(step)
    held = {lowered.nodes[n] for n in used if n not in written}
    root = lowered.nodes[name]
    order = toposort([root], lambda n: () if n in held and n is not root else n.inputs)
    return [n for n in order if n.inputs and (n is root or n not in held)]


def _alone(node: Node, given: Given) -> str | None:
    """How the loops of one op, given right operands, differ from its `ref`."""
    values = values_of([*node.inputs, node], given)
    if len(values) < len({*node.inputs, node}):
        return None
    floor = floor_of({i: values[i] for i in node.inputs})
    for fixed in (False, True):
        got = _lowered_alone(node, values, fixed)
        if isinstance(got, str):
            return got
        if got is not None and differ(values[node], got, "rounding", floor):
            return worst(values[node], got)
    return None


def _lowered_alone(
    node: Node, values: dict[Node, Array], fixed: bool
) -> Array | str | None:
    """The value of one op by its loops; what is wrong with them; None: it has none.

    With `fixed`, integer scalars are constants, as they are where they are sizes.
    """
    leaves: dict[Node, Node] = {}
    for source in node.inputs:
        array = values[source]
        whole = array.ndim == 0 and array.dtype.kind in "iub"
        if isinstance(source.op, Constant):
            leaves[source] = source
        elif fixed and whole:
            leaves[source] = constant(array, source.type.dtype).node
        else:
            kind = TensorType(source.type.dtype, array.shape)
            leaves[source] = intern(Input(kind), ())
    try:
        made = intern(node.op, tuple(leaves[i] for i in node.inputs), node.site)
        inputs = {leaf: s for s, leaf in leaves.items() if isinstance(leaf.op, Input)}
        request = Request(tuple(inputs), (), (made,))
        lowered = lower(request, request, node.op.name)
        given = {leaf: np.ascontiguousarray(values[s]) for leaf, s in inputs.items()}
        given = {n: a.reshape(n.type.dims) for n, a in given.items()}  # type: ignore[arg-type]
    except SymgraphError:
        return None
    try:
        result = run_program(
            lowered.program, arguments(lowered, given), called(lowered)
        )
    except GuardError:
        return None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        return str(error)
    if result.status:
        return f"a check fails: {lowered.failures[result.status].reason}"
    return result.results[0]


def _lowered_wrong(node: Node, step: Step, wrong: str, given: Given) -> DebugError:
    values = values_of(node.inputs, given)
    shown = "; ".join(summary(values[i]) for i in node.inputs)
    what = (
        f"the lowering of {node.op.name} differs from its meaning: {wrong}\n"
        f"  op: {node}\n  operands hold: {shown}"
    )
    return _told(what, node, step_name(step))


def _told(what: str, node: Node | None, kernel: str | None) -> DebugError:
    text = message(
        f"mode='debug': {what}" + (f"\n  kernel: {kernel}" if kernel else ""),
        operands=() if node is None else tuple(i.type for i in node.inputs),
        line=None if node is None else describe_site(node.site),
        remedy="this is a bug of symgraph (or of a user's op): report it; "
        "mode='interpret' does not use loops",
    )
    return DebugError(text, part="lowering", node=node, kernel=kernel)

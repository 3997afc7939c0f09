"""``sg.function``: a graph as a callable."""

from __future__ import annotations

import contextlib
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .arguments import REQUIRED, Parameter, check_declared, convert, gather
from .codegen.program import Program
from .compiler import Compilation, Report, graph_of
from .cuts import WHOLE, Cuts, without_cuts
from .errors import (
    ArgumentError,
    MissingInputError,
    UnsupportedError,
    UnusedInputError,
    message,
    refuse,
)
from .explored import Explored
from .graph import Node, describe_node, toposort
from .graphs import Graph, unflatten
from .graphs import flatten as flat_graph
from .leaf import Input, Shared
from .lengths import whole_lengths
from .lower import Request, check_sizes
from .mode import Mode, as_mode
from .op import Array
from .shared import fit, locks_of, storage_of
from .tree import Structure, flatten
from .updates import Updates, pairs_of, updated
from .variable import Variable, as_tensor, substitute
from .versions import Version

if TYPE_CHECKING:
    from .inspect.cost import Cost
    from .inspect.provenance import Provenance
    from .profile import Profiler
    from .rewrite import Trace


@dataclass(frozen=True, eq=False)
class In:
    """An input with options.

    Attributes:
        variable: the input.
        value: a default, used where the call gives none; None for no default.
        name: by which calls name it, where this is not the variable's name.
        mutable, borrow: accepted for compatibility; inputs are never written.
    """

    variable: Variable
    value: Any = None
    name: str | None = None
    mutable: bool = False
    borrow: bool = False


@dataclass(frozen=True, eq=False)
class Spec:
    """All that defines a function: enough to make it again in another process."""

    parameters: tuple[Parameter, ...]
    shared: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...]
    structure: Structure
    name: str
    mode: Mode
    cuts: Cuts = WHOLE

    @property
    def request(self) -> Request:
        """What is to be computed."""
        inputs = tuple(p.node for p in self.parameters)
        return Request(inputs, self.shared, self.outputs, self.updates)


class Function(Explored):
    """A compiled graph; call it with arrays.

    Results come in the structure of the outputs: arrays, or NumPy scalars for 0-d
    values.  They never share memory with arguments, each other or shared variables.
    A call that fails leaves every shared variable as it was.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._compilation = Compilation(spec.request, spec.mode.pipeline, spec.name)
        self._plain = spec.structure.kind == "leaf" and not spec.cuts
        self._locks = locks_of(spec.shared)
        self._generic: Version | None = None
        self._entry: Callable[..., Any]
        match spec.mode.target:
            case "interpret":
                check_sizes(spec.request.roots)
                self._entry = self._interpret
            case "debug":
                from .debug import Debugger

                self._entry = self._debug
                self._debugger = Debugger(spec.request, spec.mode.pipeline, spec.name)
            case _:
                self._fast = self._version(self._compilation, self._slow)
                self._entry = self._fast.entry

    # -- calling -----------------------------------------------------------------------

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs for arrays given by position or by name."""
        held = 0
        try:
            for lock in self._locks:
                lock.acquire()
                held += 1
            result = self._entry(*args, **kwargs)
        finally:
            for lock in self._locks[:held]:
                lock.release()
        return result if self._plain else self._nested(result)

    def _held(self) -> contextlib.ExitStack:
        """The shared variables' locks, taken in an order that all functions share."""
        with contextlib.ExitStack() as held:
            for lock in self._locks:
                held.enter_context(lock)
            return held.pop_all()

    def _nested(self, result: Any) -> Any:
        """The native result, one object or a list, in the structure of the outputs."""
        leaves = result if len(self._spec.outputs) != 1 else [result]
        leaves = self._spec.cuts.applied(leaves)
        return self._spec.structure.build(iter(leaves))

    def _version(self, compilation: Compilation, declined: Any) -> Version:
        boxes = [storage_of(n).box for n in self._spec.shared]
        return Version(compilation, boxes, declined)

    def _slow(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls that the fast version declines.

        Their arguments are converted; what it declines then goes to the generic version
        where all that is asked for is broadcasting.
        """
        arrays = self._arrays(args, kwargs)
        if len(args) == len(arrays) and all(map(operator.is_, args, arrays)):
            return self._other(arrays).entry(*arrays)
        return self._fast.entry(*arrays)

    def _other(self, arrays: list[Array]) -> Version:
        """The generic version, made when a call first needs it."""
        if self._generic is None:
            if not self._fast.stretches(arrays):
                self._fast.refuse(arrays)
            compilation = self._compilation.generic()
            # Two threads may come here at once: both make the same code.
            self._generic = self._version(compilation, self._refuse)
        return self._generic

    def _refuse(self, /, *arrays: Array) -> NoReturn:
        """Calls that the generic version declines as well."""
        assert self._generic is not None
        self._generic.refuse(list(arrays))

    def _arrays(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Array]:
        parameters = self._spec.parameters
        values = gather(parameters, args, kwargs, self.name)
        pairs = enumerate(zip(values, parameters, strict=True))
        return [
            convert(value, parameter, number, self.name)
            for number, (value, parameter) in pairs
        ]

    def _interpret(self, /, *args: Any, **kwargs: Any) -> Any:
        """Each op's NumPy reference on the graph as written."""
        from .evaluate import evaluate

        spec = self._spec
        arrays = self._arrays(args, kwargs)
        given = {p.node: a for p, a in zip(spec.parameters, arrays, strict=True)}
        check_declared(list(given), arrays, self.name)
        values = evaluate(list(spec.request.roots), given)
        count = len(spec.outputs)
        return self._finished(values[:count], values[count:])

    def _debug(self, /, *args: Any, **kwargs: Any) -> Any:
        """Native code, checked against each op's NumPy reference."""
        arrays = self._arrays(args, kwargs)
        shared = [storage_of(leaf).box[0] for leaf in self._spec.shared]
        results, updates = self._debugger(arrays, shared)
        return self._finished([r if r.ndim else r[()] for r in results], updates)

    def _finished(self, results: list[Any], updates: list[Any]) -> Any:
        """`results` as native code returns them, once the updates are made."""
        pairs = zip(self._spec.updates, updates, strict=True)
        made = [
            (storage_of(leaf), np.array(value, dtype=leaf.type.dtype, order="C"))
            for (leaf, _), value in pairs
        ]
        for storage, value in made:
            storage.box[0] = value
        return results[0] if len(results) == 1 else results

    # -- looking inside ----------------------------------------------------------------

    @property
    def name(self) -> str:
        """The function's name in messages and dumps."""
        return self._spec.name

    @property
    def compilation(self) -> Compilation:
        """The way from the graph to native code, for those who look at its stages."""
        return self._compilation

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The inputs, with names and defaults."""
        return self._spec.parameters

    @property
    def graph(self) -> Graph:
        """The graph as it was written."""
        return self._compilation.graph

    @property
    def optimized(self) -> Graph:
        """The graph after the pipeline."""
        return graph_of(self._compilation.rewritten[0])

    @property
    def trace(self) -> Trace:
        """What the rules did, with the history of what became of each node."""
        return self._compilation.traced[1]

    @property
    def program(self) -> Program:
        """The kernels, library calls and memory plan."""
        return self._compilation.lowered.program

    @property
    def report(self) -> Report:
        """What the compiler did and how long it took."""
        if self._spec.mode.target != "cpu":
            refuse(
                UnsupportedError,
                f"{self.name} has no report: its mode is {self._spec.mode.target!r}",
                remedy="compile it with mode='fast'",
            )
        return self._fast.report

    @property
    def versions(self) -> dict[str, Report]:
        """What has been compiled: "fast", and "generic" once a call has needed it.

        The generic version broadcasts sizes that turn out to be 1.
        """
        if self._spec.mode.target != "cpu":
            return {}
        found = {"fast": self._fast.report}
        if self._generic is not None:
            found["generic"] = self._generic.report
        return found

    @property
    def profile(self) -> Profiler:
        """How long compiling took; ``f.profile.calls(20, x)`` also runs it, measured.

        `str()` of it, and of what it returns, is text, ``.json()`` plain data.

        Raises:
            UnsupportedError: the function's mode does not compile.
        """
        from .profile import Profiler

        self.report  # noqa: B018 - refuses the other modes
        made = {"fast": self._fast, "generic": self._generic}
        versions = {name: version for name, version in made.items() if version}
        return Profiler(
            self._compilation, versions, self._arrays, self._stored, self._nested
        )

    def _stored(self) -> list[Array]:
        """The values of the shared variables, as one moment has them."""
        with self._held():
            return [storage_of(leaf).box[0] for leaf in self._spec.shared]

    def provenance(self) -> Provenance:
        """Where each node and kernel comes from, and what became of each line.

        Rewriting and lowering are done again under watch, which takes as long as they
        did; nothing is compiled or run.

        >>> import symgraph as sg
        >>> x = sg.dvector("x")
        >>> f = sg.function([x], sg.log(1 + x))
        >>> found = f.provenance()
        >>> [(step.rule, found.text(k).after) for k, step in enumerate(found.steps)]
        [('constant_last', 'x + 1.0'), ('log_of_one_plus', 'log1p(x)')]
        >>> [kernel.name for kernel in found.kernels]
        ['k0_log1p']
        """
        from .inspect.provenance import Provenance

        return Provenance(self._compilation)

    def cost(self, /, *args: Any, **kwargs: Any) -> Cost:
        """What a call with such arguments costs, step by step; nothing is computed.

        Arguments are given as in a call; anything with a `shape`, and perhaps a
        `dtype`, will do.  Without any, amounts are formulas of the sizes.

        Work is counted in scalar additions.  A kernel is cut into chunks of about
        400,000 of these, which threads share; below twice that it runs serially.  See
        `symgraph.inspect.cost.Cost`.

        Raises:
            SymgraphError, OverflowError: what such a call would raise at its start.
            ArgumentError: a scalar whose value is a size has a shape only.
        """
        from .estimate import estimate

        parameters = self._spec.parameters
        return estimate(self._compilation, parameters, self._stored(), args, kwargs)

    @property
    def from_cache(self) -> bool:
        """Whether the code came from the cache on disk."""
        return self._spec.mode.target == "cpu" and self._fast.from_cache

    def source(self, stage: str = "loops") -> str:
        """The program's text at a stage: "loops", "llvm", "asm" or "cuda".

        Raises:
            UnsupportedError: another stage.
        """
        from .codegen.cpu.build import assembly, llvm_text
        from .codegen.cuda.listing import cuda_text
        from .codegen.text import print_program
        from .compiler import host

        match stage:
            case "loops":
                return print_program(self.program)
            case "llvm":
                return str(llvm_text(self.program, host()))
            case "asm":
                return assembly(self.program, host())
            case "cuda":
                return cuda_text(self.program)
        known = "there are 'loops', 'llvm', 'asm' and 'cuda'"
        refuse(UnsupportedError, f"there is no source at stage {stage!r}", remedy=known)

    def trim(self) -> None:
        """Give back the memory kept between calls.

        That is what temporaries lie in, and, for all functions, that of large results
        which nobody holds any more.
        """
        if self._spec.mode.target == "cpu":
            self._fast.native.trim()
        if self._generic is not None:
            self._generic.native.trim()

    def __repr__(self) -> str:
        parameters = (f"{p.name or '_'}: {p.node.type}" for p in self._spec.parameters)
        return f"<function {self.name}({', '.join(parameters)})>"

    # -- copying -----------------------------------------------------------------------

    def copy(self) -> Function:
        """Another function over the same graph and the same shared variables."""
        return Function(self._spec)

    __copy__ = copy

    def with_mode(self, mode: str | Mode) -> Function:
        """The same, carried out in another way."""
        return Function(replace(self._spec, mode=as_mode(mode)))

    def __deepcopy__(self, memo: dict[int, Any]) -> Function:
        import pickle

        return pickle.loads(pickle.dumps(self))  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, ...]:
        spec = self._spec
        # Shared variables are listed as outputs too: an update may name one that
        # nothing reads.
        roots = (*spec.request.roots, *spec.shared)
        graph = Graph([p.node for p in spec.parameters], roots)
        position = {leaf: k for k, leaf in enumerate(spec.shared)}
        parameters = [(p.name, _plain_default(p), p.downcast) for p in spec.parameters]
        targets = [position[leaf] for leaf, _ in spec.updates]
        count = len(spec.outputs)
        with self._held():  # a call's updates are in the copy together, or not at all
            data = flat_graph(graph)
        state = (data, count, parameters, targets, spec.structure, spec.name, spec.mode)
        return _restore, state


def _plain_default(parameter: Parameter) -> tuple[Any, ...]:
    return () if parameter.default is REQUIRED else (parameter.default,)


def _restore(
    data: dict[str, Any],
    count: int,
    parameters: list[tuple[str | None, tuple[Any, ...], bool | None]],
    targets: list[int],
    structure: Structure,
    name: str,
    mode: Mode,
) -> Function:
    """A pickled function, compiled again (from the cache, as a rule)."""
    graph = unflatten(data)
    roots = tuple(v.node for v in graph.outputs)
    pairs = zip(graph.inputs, parameters, strict=True)
    made = tuple(
        Parameter(leaf.node, label, default[0] if default else REQUIRED, downcast)
        for leaf, (label, default, downcast) in pairs
    )
    end = count + len(targets)
    shared = roots[end:]
    changed = zip(targets, roots[count:end], strict=True)
    updates = tuple((shared[target], root) for target, root in changed)
    return Function(Spec(made, shared, roots[:count], updates, structure, name, mode))


# -- making one ------------------------------------------------------------------------


def function(
    inputs: Sequence[Variable | In],
    outputs: Any = None,
    updates: Updates | None = None,
    givens: Updates | None = None,
    name: str | None = None,
    on_unused_input: str = "raise",
    allow_input_downcast: bool | None = None,
    mode: str | Mode | None = None,
    device: str | None = None,
) -> Function:
    """Compile `outputs` as a function of `inputs`.

    Args:
        inputs: input variables, or :class:`In` for options.
        outputs: a variable, or lists, tuples and dicts of variables; results come back
            in the same structure.  None: the function only updates.
        updates: new values of shared variables, set together when a call has succeeded.
            A variable that is read and not named here takes its `default_update`.
        givens: variables to replace by others in the graph.
        name: for messages and dumps.
        on_unused_input: "raise", "warn" or "ignore".
        allow_input_downcast: convert arguments even where that can lose information.
        mode: "fast" (the default), "interpret" (each op's NumPy reference), "debug"
            (both, compared at every step) or a :class:`Mode`.
        device: None or "cpu".

    Raises:
        MissingInputError: an output depends on a variable that is not an input.
        UnusedInputError: an input plays no part.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> f = sg.function([x], (x * x).sum())
    >>> f([1.0, 2.0, 3.0])
    np.float64(14.0)
    """
    _check_request(inputs, device)
    label = str(name or "function")
    parameters = tuple(
        _parameter(given, number, allow_input_downcast, label)
        for number, given in enumerate(inputs)
    )
    leaves, structure = _flatten_outputs(outputs)
    replaced = {
        old.node: fit(new, old, "givens").node
        for old, new in pairs_of(givens, "givens")
    }
    results = substitute([v.node for v in leaves], replaced)
    changed = updated(updates, results, replaced)
    shared = _check_leaves(parameters, results, changed, on_unused_input)
    count = len(results)
    settled = whole_lengths([*results, *(value for _, value in changed)])
    changed = tuple(
        (leaf, value) for (leaf, _), value in zip(changed, settled[count:], strict=True)
    )
    whole, cuts = without_cuts(settled[:count])
    return Function(
        Spec(parameters, shared, whole, changed, structure, label, as_mode(mode), cuts)
    )


def _check_request(inputs: object, device: str | None) -> None:
    if device not in (None, "cpu"):
        refuse(
            UnsupportedError,
            f"device {device!r} is not supported",
            remedy="there is 'cpu'",
        )
    if isinstance(inputs, Variable | In | None):
        refuse(
            ArgumentError,
            f"inputs are a list of variables, not {inputs!r}",
            remedy="put it in a list: sg.function([x], ...)",
        )


def _parameter(
    given: Variable | In, number: int, downcast: bool | None, what: str
) -> Parameter:
    option = given if isinstance(given, In) else In(given)
    variable = option.variable
    if not isinstance(variable, Variable) or not isinstance(variable.node.op, Input):
        refuse(
            ArgumentError,
            f"input {number} of a function must be a declared variable, not "
            f"{variable!r}",
            remedy="declare it with sg.tensor, sg.vector, ...; shared variables are no "
            "inputs; to replace an expression, use givens",
        )
    name = option.name or variable.name or variable.node.op.label
    made = Parameter(variable.node, name, REQUIRED, downcast)
    if option.value is None:
        return made
    # Now, so that a wrong default is not found by the first call that needs it.
    default = np.array(convert(option.value, made, number, what))
    return replace(made, default=default)


def _flatten_outputs(outputs: Any) -> tuple[list[Variable], Structure]:
    def is_leaf(value: object) -> bool:
        return isinstance(value, Variable | np.ndarray | np.generic | int | float)

    leaves, structure = flatten(outputs, is_leaf)
    return [as_tensor(leaf) for leaf in leaves], structure


def _check_leaves(
    parameters: Sequence[Parameter],
    results: Sequence[Node],
    updates: Sequence[tuple[Node, Node]],
    on_unused: str,
) -> tuple[Node, ...]:
    """Check that inputs and graph fit together; returns the shared leaves."""
    if on_unused not in ("raise", "warn", "ignore"):
        refuse(
            ArgumentError,
            f"on_unused_input cannot be {on_unused!r}",
            remedy="it is 'raise', 'warn' or 'ignore'",
        )
    inputs = [p.node for p in parameters]
    if len(set(inputs)) != len(inputs):
        twice = next(p for p in parameters if inputs.count(p.node) > 1)
        refuse(
            ArgumentError,
            "an input is listed twice",
            f"<{twice.name or '_'}: {twice.node.type}>",
            remedy="list each input once; for two arguments, declare two variables",
        )
    nodes = toposort([*results, *(value for _, value in updates)])
    known = set(inputs)
    for node in nodes:
        if isinstance(node.op, Input) and node not in known:
            label = node.op.label or "an unnamed input"
            refuse(
                MissingInputError,
                f"the outputs depend on {label}, which is not among the inputs",
                describe_node(node),
                site=node.site,
                remedy="add it to inputs, or replace it with givens",
            )
    used = set(nodes)
    for parameter in parameters:
        if parameter.node not in used:
            _unused(parameter, on_unused)
    shared = [n for n in nodes if isinstance(n.op, Shared)]
    shared += [t for t, _ in updates if t not in used]
    return tuple(dict.fromkeys(shared))


def _unused(parameter: Parameter, policy: str) -> None:
    what = f"input {parameter.name or '_'} plays no part in the outputs"
    shown = f"<{parameter.name or '_'}: {parameter.node.type}>"
    remedy = "remove it, or pass on_unused_input='ignore'"
    if policy == "raise":
        refuse(UnusedInputError, what, shown, remedy=remedy)
    if policy == "warn":
        warnings.warn(message(what, operands=(shown,), remedy=remedy), stacklevel=4)


__all__ = ["Function", "In", "Mode", "Spec", "function"]

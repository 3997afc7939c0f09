"""A compiled graph as a callable: what ``sg.function`` gives."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from .arguments import REQUIRED, Parameter, check_declared, convert, gather
from .codegen.program import Program
from .compiler import Compilation, Report, graph_of
from .cuts import WHOLE, Cuts
from .device import OnHost, as_on_host, known_device
from .errors import UnsupportedError, refuse
from .explored import Explored
from .graph import Node
from .graphs import Graph, unflatten
from .graphs import flatten as flat_graph
from .lower import Request, check_sizes
from .mode import Mode, as_mode
from .op import Array
from .shared import locks_of, storage_of
from .tree import Structure
from .versions import Version

if TYPE_CHECKING:
    from .inspect.cost import Cost
    from .inspect.provenance import Provenance
    from .on_device import OnDevice
    from .profile import Profiler
    from .rewrite import Trace


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
    device: str = "cpu"
    on_host: OnHost = False

    @property
    def request(self) -> Request:
        """What is to be computed."""
        inputs = tuple(p.node for p in self.parameters)
        return Request(inputs, self.shared, self.outputs, self.updates)


class Function(Explored):
    """A compiled graph; call it with arrays.

    Results come in the structure of the outputs: arrays, or NumPy scalars for 0-d
    values; with ``device="cuda"`` arrays on the GPU, :class:`DeviceArray`, for all.
    They never share memory with arguments, each other or shared variables.  A call that
    fails leaves every shared variable as it was.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._compilation = Compilation(spec.request, spec.mode.pipeline, spec.name)
        self._plain = spec.structure.kind == "leaf" and not spec.cuts
        self._locks = locks_of(spec.shared)
        self._generic: Version | None = None
        self._on_device: OnDevice | None = None
        self._entry: Callable[..., Any]
        match spec.mode.target:
            case "cpu" if spec.device == "cuda":
                from .on_device import OnDevice

                self._on_device = OnDevice(
                    self._compilation, spec.parameters, spec.shared, spec.on_host
                )
                self._entry = self._far
            case "cpu":
                self._fast = self._version(self._compilation, self._slow)
                self._entry = self._fast.entry
            case target if spec.device == "cuda":
                _refuse_mode(spec.name, target)
            case "interpret":
                check_sizes(spec.request.roots)
                self._entry = self._interpret
            case _:
                from .debug import Debugger

                self._entry = self._debug
                self._debugger = Debugger(spec.request, spec.mode.pipeline, spec.name)

    # -- calling -----------------------------------------------------------------------

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Compute the outputs for arrays given by position or by name."""
        if self._locks:
            result = self._locked(args, kwargs)
        elif kwargs:
            result = self._entry(*args, **kwargs)
        else:  # without a dictionary to merge
            result = self._entry(*args)
        return result if self._plain else self._nested(result)

    def _locked(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The native result, while no other function has the shared variables."""
        held = 0
        try:
            for lock in self._locks:
                lock.acquire()
                held += 1
            return self._entry(*args, **kwargs)
        finally:
            for lock in self._locks[:held]:
                lock.release()

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

    def _far(self, /, *args: Any, **kwargs: Any) -> Any:
        """A call on the device."""
        assert self._on_device is not None
        values = gather(self._spec.parameters, args, kwargs, self.name)
        results = self._on_device(values)
        return results[0] if len(results) == 1 else results

    def _slow(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls that the fast version declines.

        Shared variables whose values are on a GPU are brought home, and arguments are
        converted; what it declines then goes to the generic version where all that is
        asked for is broadcasting.
        """
        moved = [storage_of(leaf).come_home() for leaf in self._spec.shared]
        arrays = self._arrays(args, kwargs)
        same = len(args) == len(arrays) and all(map(operator.is_, args, arrays))
        if same and not any(moved):
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
        for leaf in self._spec.shared:
            storage_of(leaf).come_home()
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
    def device(self) -> str:
        """Where it runs: "cpu" or "cuda"."""
        return self._spec.device

    @property
    def on_host(self) -> tuple[str, ...]:
        """With ``device="cuda"``, the ops that run on the host, by name.

        They are the functions of yours that :func:`symgraph.function` was allowed, by
        its `on_host`, to call there.
        """
        if self._on_device is None:
            return ()
        from .on_device import host_names

        return tuple(dict.fromkeys(host_names(self._compilation).values()))

    @property
    def report(self) -> Report:
        """What the compiler did and how long it took.

        Kernels for a GPU are compiled when they are first launched, which is not in it.
        """
        if not self.versions:
            refuse(
                UnsupportedError,
                f"{self.name} has no report: its mode is {self._spec.mode.target!r}",
                remedy="compile it with mode='fast'",
            )
        return self.versions["fast"]

    @property
    def versions(self) -> dict[str, Report]:
        """What has been compiled: "fast", and "generic" once a call has needed it.

        The generic version broadcasts sizes that turn out to be 1.
        """
        if self._on_device is not None:
            made = self._on_device.versions
            return {name: version.report for name, version in made.items()}
        return {name: version.report for name, version in self._native().items()}

    def _native(self) -> dict[str, Version]:
        """The versions that are native code."""
        if self._spec.mode.target != "cpu" or self._on_device is not None:
            return {}
        made = {"fast": self._fast, "generic": self._generic}
        return {name: version for name, version in made.items() if version}

    @property
    def profile(self) -> Profiler:
        """How long compiling took; ``f.profile.calls(20, x)`` also runs it, measured.

        `str()` of it, and of what it returns, is text, ``.json()`` plain data.

        Raises:
            UnsupportedError: the function's mode does not compile, or it runs on a GPU.
        """
        from .profile import Profiler

        self.report  # noqa: B018 - refuses the other modes
        if self._on_device is not None:
            refuse(
                UnsupportedError,
                f"{self.name} runs on a GPU, where steps are not timed",
                remedy="profile f.copy(device='cpu'), or use NVIDIA's Nsight Systems",
            )
        return Profiler(
            self._compilation, self._native(), self._arrays, self._stored, self._nested
        )

    def _stored(self) -> list[Array]:
        """The values of the shared variables, as one moment has them."""
        with self._held():
            return [storage_of(leaf).on_host() for leaf in self._spec.shared]

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

        Work is counted in additions of float32, of which one of float64 is two.  A
        kernel is cut into chunks of up to 400,000 of these, an even number that threads
        share; below that it runs serially.  See `symgraph.inspect.cost.Cost`.

        With ``device="cuda"`` it has the kernels too, with their registers, memory and
        occupancy, where CUDA's compilers are installed: they are compiled for that,
        which takes a second for each.

        Raises:
            SymgraphError, OverflowError: what such a call would raise at its start.
            ArgumentError: a scalar whose value is a size has a shape only.
        """
        found = self._estimated(args, kwargs)
        if self._on_device is None:
            return found
        from .inspect.occupied import occupied

        return replace(found, kernels=occupied(self.program))

    def _estimated(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Cost:
        """What a call costs by the program's own account."""
        from .estimate import estimate

        with self._held():
            storages = [storage_of(leaf) for leaf in self._spec.shared]
            shared = [storage.outline() for storage in storages]
        return estimate(self._compilation, self._spec.parameters, shared, args, kwargs)

    @property
    def from_cache(self) -> bool:
        """Whether the code came from the cache on disk."""
        fast = self._native().get("fast")
        return fast is not None and fast.from_cache

    def source(self, stage: str = "loops") -> str:
        """The program's text at a stage: "loops", "llvm", "asm", "cuda" or "ptx".

        PTX is made for the GPU at hand, or else for compute capability 8.0.

        Raises:
            UnsupportedError: another stage; a function of the user's, which a GPU
                cannot call and `on_host` does not name; or CUDA's compilers are
                missing, for "ptx".

        >>> import symgraph as sg
        >>> x = sg.dvector("x")
        >>> ordered = sg.from_numpy_function(np.sort)
        >>> f = sg.function([x], ordered(x), on_host=["sort"])
        >>> print(f.source("cuda"))
        # on the host: sort
        #     copied to the host: x0 float64[n0] (8 * n0 bytes)
        #     copied back: y0 float64[n0] (8 * n0 bytes)
        """
        from .sources import source_of

        return source_of(self._compilation, stage, self._spec.on_host)

    def trim(self) -> None:
        """Give back the memory kept between calls.

        That is what temporaries lie in, and, for all functions, that of large results
        which nobody holds any more; on a GPU, what constants lie in, and copies of
        shared variables that live on the host.
        """
        for version in self._native().values():
            version.native.trim()
        if self._on_device is not None:
            self._on_device.trim()

    def __repr__(self) -> str:
        parameters = (f"{p.name or '_'}: {p.node.type}" for p in self._spec.parameters)
        where = "" if self.device == "cpu" else f" on {self.device}"
        if self.on_host:
            where += f", {', '.join(self.on_host)} on the host"
        return f"<function {self.name}({', '.join(parameters)}){where}>"

    # -- copying -----------------------------------------------------------------------

    def copy(
        self,
        device: str | None = None,
        on_host: bool | str | Iterable[str] | None = None,
    ) -> Function:
        """Another function over the same graph and the same shared variables.

        It is compiled for `device`, "cpu" or "cuda"; None for the same.  `on_host`
        likewise, as for :func:`symgraph.function`.

        Raises:
            UnsupportedError: no such device, or none at hand; or one on which the
                function cannot run.
        """
        where = self.device if device is None else known_device(device)
        chosen = self._spec.on_host if on_host is None else as_on_host(on_host)
        return Function(replace(self._spec, device=where, on_host=chosen))

    def __copy__(self) -> Function:
        return self.copy()

    def with_mode(self, mode: str | Mode) -> Function:
        """The same, carried out in another way.

        Raises:
            UnsupportedError: no such mode; or, for a function with ``device="cuda"``,
                one that is not compiled.
        """
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
        rest = spec.structure, spec.name, spec.mode, spec.cuts
        where = spec.device, spec.on_host
        state = (data, count, parameters, targets, (*rest, *where))
        return _restore, state


def _plain_default(parameter: Parameter) -> tuple[Any, ...]:
    return () if parameter.default is REQUIRED else (parameter.default,)


def _restore(
    data: dict[str, Any],
    count: int,
    parameters: list[tuple[str | None, tuple[Any, ...], bool | None]],
    targets: list[int],
    rest: tuple[Any, ...],
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
    return Function(Spec(made, shared, roots[:count], updates, *rest))


def _refuse_mode(name: str, target: str) -> NoReturn:
    refuse(
        UnsupportedError,
        f"{name}: mode {target!r} runs on the host, not with device='cuda'",
        remedy="leave out the mode, or compile with device='cpu'",
    )


__all__ = ["Function", "Spec"]

"""From a request to native code: rewrite, lower, build, keep on disk, link.

The cache is keyed by the graph as it was written, so a hit skips rewriting as well; the
rewritten graph and the program are then made only when something asks for them.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .codegen.cache import (
    Cache,
    Entry,
    default_directory,
    fingerprint,
    sources_digest,
)
from .composite import bodies_of
from .config import config
from .errors import NotFoundError, message
from .graph import Node
from .graphs import Graph, structure_key
from .history import History
from .leaf import Constant, Shared
from .lower import Lowered, Request, Watch, lower
from .op import Array
from .passes import Pipeline, run
from .rewrite import Trace
from .variable import Variable

if TYPE_CHECKING:
    from .codegen.cpu.host import Host
    from .codegen.cpu.link import NativeFunction
    from .codegen.program import HostFunction


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Report:
    """What the compiler did with a function, for people.

    Times are in seconds, of when the code was made, even where it comes from the cache.

    Attributes:
        nodes_before, nodes_after: of the graph, as written and after the pipeline.
        rules: how often each rule fired.
        kernels, library_calls: the program's steps.
        rewrite_time, lower_time, build_time: from graph to graph, to program, to code.
        pass_times: of `rewrite_time`, each pass's, with its name.
        emit_time: of `build_time`, to write the text that LLVM compiles, which it
            begins to do while more is written.
    """

    nodes_before: int
    nodes_after: int
    rules: dict[str, int]
    kernels: int
    library_calls: int
    rewrite_time: float
    lower_time: float
    build_time: float
    pass_times: tuple[tuple[str, float], ...]
    emit_time: float

    @property
    def compile_time(self) -> float:
        """Seconds from graph to object code."""
        return self.rewrite_time + self.lower_time + self.build_time

    @property
    def llvm_time(self) -> float:
        """Seconds that LLVM took beyond `emit_time`."""
        return self.build_time - self.emit_time


@dataclass(slots=True)
class Stopwatch(Iterator[Item]):
    """What `items` yields, with the seconds that making it has taken."""

    items: Iterator[Item]
    seconds: float = 0.0

    def __next__(self) -> Item:
        start = time.perf_counter()
        try:
            return next(self.items)
        finally:
            self.seconds += time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class Compiled:
    """Object code with what is needed to link it."""

    object: bytes
    constants: tuple[Array, ...]
    report: Report
    from_cache: bool
    functions: tuple[HostFunction, ...] = ()


class Compilation:
    """One request on its way to native code; each stage is made when asked for.

    `fast` is None for the fast version, and for the generic one the other's
    compilation, with which it shares the rewritten graph.  `plain` is None but for code
    that measures its steps: then it is the compilation of the same code without that.
    """

    def __init__(
        self,
        request: Request,
        pipeline: Pipeline,
        name: str,
        fast: Compilation | None = None,
        plain: Compilation | None = None,
    ) -> None:
        self.request = request
        self.pipeline = pipeline
        self.name = name
        self._fast = fast
        self._plain = plain

    def timed(self) -> Compilation:
        """The same code, which also measures its steps: see `codegen.cpu.timing`."""
        return Compilation(self.request, self.pipeline, self.name, self._fast, self)

    def through(self, pipeline: Pipeline) -> Compilation:
        """The same request on its way through another pipeline."""
        return Compilation(self.request, pipeline, self.name)

    def generic(self) -> Compilation:
        """The version that broadcasts sizes which turn out to be 1."""
        return Compilation(self.request, self.pipeline, self.name, self)

    @functools.cached_property
    def graph(self) -> Graph:
        """The graph as it was written."""
        other = self._plain or self._fast
        return other.graph if other else graph_of(self.request)

    @functools.cached_property
    def rewritten(self) -> tuple[Request, Trace]:
        """The request after all passes, and what the rules did."""
        if other := self._plain or self._fast:
            return other.rewritten
        trace = Trace()
        roots = run(self.graph.output_nodes, self.pipeline, trace)
        return self.request.with_roots(roots), trace

    def after(self, name: str) -> Graph:
        """The graph as the pass called `name` leaves it.

        Raises:
            NotFoundError: the pipeline has no such pass.
        """
        names = [step.name for step in self.pipeline]
        if name not in names:
            remedy = f"its passes are: {', '.join(names)}"
            what = f"the pipeline of {self.name} has no pass {name!r}"
            raise NotFoundError(message(what, remedy=remedy))
        steps = tuple(self.pipeline)[: names.index(name) + 1]
        return graph_of(self.request.with_roots(run(self.request.roots, steps)))

    @functools.cached_property
    def traced(self) -> tuple[Request, Trace]:
        """The same as `rewritten`, done again with a history of the nodes."""
        history = History(self.request.roots)
        trace = Trace(history=history)
        roots = run(self.request.roots, self.pipeline, trace, history.reached)
        return self.request.with_roots(roots), trace

    @functools.cached_property
    def watched(self) -> tuple[Lowered, Watch]:
        """The same as `lowered`, done again under watch; `traced` has the rewriting."""
        rewritten, trace = self.traced
        assert trace.history is not None
        watch, generic = Watch(trace.history), self._fast is not None
        return (
            lower(self.request, rewritten, self.name, generic=generic, watch=watch),
            watch,
        )

    @functools.cached_property
    def lowered(self) -> Lowered:
        """The program."""
        if self._plain is not None:
            return self._plain.lowered
        generic = self._fast is not None
        return lower(self.request, self.rewritten[0], self.name, generic=generic)

    @functools.cached_property
    def key(self) -> str:
        """What the compiled code depends on, as a digest."""
        digest = hashlib.blake2b(digest_size=32)
        digest.update(structure_key(self.graph).encode())
        position = {leaf: k for k, leaf in enumerate(self.request.shared)}
        layout = (
            len(self.request.outputs),
            [_declared(leaf) for leaf in self.request.shared],
            [position[leaf] for leaf, _ in self.request.updates],
            repr(self.pipeline),
            "fast" if self._fast is None else "generic",
            "plain" if self._plain is None else "timed",
        )
        digest.update(repr(layout).encode())
        digest.update(sources_digest(Path(__file__).parent).encode())
        digest.update(fingerprint(host()).encode())
        return digest.hexdigest()

    def compiled(self) -> Compiled:
        """Object code, from the cache where it holds this request."""
        cache = self._cache()
        entry = cache.get(self.key) if cache else None
        return self.recompiled() if entry is None else self._from_entry(entry)

    def recompiled(self) -> Compiled:
        """Object code made anew, which takes the place of what the cache holds."""
        made = self._build()
        cache = self._cache()
        if cache is not None:
            cache.put(self.key, self._entry(made))
        return made

    def _cache(self) -> Cache | None:
        """The cache on disk, unless it is off.

        What a user's own op, function or pass takes part in is not kept: the key covers
        the sources of this package, not theirs.
        """
        package = __name__.partition(".")[0]
        kinds: set[type] = {type(node.op) for node in self.graph.nodes}
        bodies = (bodies_of(node.op) for node in self.graph.nodes)
        kinds |= {kind for found in bodies for body in found for kind in body.kinds}
        kinds |= {type(step) for step in self.pipeline}
        own = all(kind.__module__.partition(".")[0] == package for kind in kinds)
        foreign = any(getattr(kind, "foreign", False) for kind in kinds)
        return disk_cache() if config.cache and own and not foreign else None

    def prepared(self) -> tuple[float, float]:
        """Make the program; the seconds that rewriting took, and those of lowering."""
        start = time.perf_counter()
        self.rewritten  # noqa: B018 - makes it
        middle = time.perf_counter()
        self.lowered  # noqa: B018 - makes it
        return middle - start, time.perf_counter() - middle

    def reported(
        self, rewriting: float, lowering: float, build: float, emit: float
    ) -> Report:
        """What was done with the function, where this took so many seconds."""
        rewritten, trace = self.rewritten
        steps = self.lowered.program.steps
        kernels = sum(type(s).__name__ == "Launch" for s in steps)
        return Report(
            nodes_before=len(self.graph),
            nodes_after=len(graph_of(rewritten)),
            rules=dict(trace.counts()),
            kernels=kernels,
            library_calls=len(steps) - kernels,
            rewrite_time=rewriting,
            lower_time=lowering,
            build_time=build,
            pass_times=tuple(trace.times.items()),
            emit_time=emit,
        )

    def _build(self) -> Compiled:
        from .codegen.cpu.build import begin, modules, object_code

        begin(host())
        rewriting, lowering = self.prepared()
        start = time.perf_counter()
        lowered = self.lowered
        timed = self._plain is not None
        written = Stopwatch(modules(lowered.program, host(), timed))
        code = object_code(written, host())
        build = time.perf_counter() - start
        report = self.reported(rewriting, lowering, build, written.seconds)
        constants = tuple(c.data for c in lowered.constants)
        functions = lowered.functions
        return Compiled(code, constants, report, from_cache=False, functions=functions)

    def _entry(self, made: Compiled) -> Entry:
        """The cache entry: constants that stand in the written graph are not copied."""
        written = self._written_constants()
        places: list[dict[str, Any]] = []
        blobs: dict[str, bytes] = {}
        for number, constant in enumerate(self.lowered.constants):
            if constant in written:
                places.append({"leaf": written.index(constant)})
                continue
            blobs[f"c{number}"] = constant.data.tobytes()
            places.append({"dtype": constant.dtype, "shape": list(constant.shape)})
        header = {"report": asdict(made.report), "constants": places}
        return Entry(made.object, header, blobs)

    def _from_entry(self, entry: Entry) -> Compiled:
        written = self._written_constants()
        constants: list[Array] = []
        for number, place in enumerate(entry.header["constants"]):
            if "leaf" in place:
                constants.append(written[place["leaf"]].data)
                continue
            raw = np.frombuffer(entry.blobs[f"c{number}"], place["dtype"])
            constants.append(np.array(raw.reshape(place["shape"])))
        facts = dict(entry.header["report"])
        facts["pass_times"] = tuple((name, s) for name, s in facts["pass_times"])
        report = Report(**facts)
        return Compiled(entry.object, tuple(constants), report, from_cache=True)

    def _written_constants(self) -> list[Constant]:
        ops = (node.op for node in self.graph.nodes)
        return [op for op in ops if isinstance(op, Constant) and not op.small]


def _declared(leaf: Node) -> str:
    assert isinstance(leaf.op, Shared)
    return repr(leaf.op.declared)


def graph_of(request: Request) -> Graph:
    """A request as a graph over its inputs; shared leaves belong to it."""
    return Graph(
        [Variable(n) for n in request.inputs], [Variable(n) for n in request.roots]
    )


def link(
    compiled: Compiled,
    shared: Sequence[list[Any]],
    slow: Callable[..., Any],
    fail: Callable[[int], Any],
    name: str,
) -> NativeFunction:
    """The compiled code as a callable in this process."""
    from .codegen.cpu import link as linker

    return linker.link(
        compiled.object,
        shared=shared,
        constants=compiled.constants,
        functions=compiled.functions,
        slow=slow,
        fail=fail,
        name=name,
    )


@functools.cache
def host() -> Host:
    """The machine that code is made for."""
    from .codegen.cpu.host import detect

    return detect()


def disk_cache() -> Cache:
    """The cache in the directory that the environment names."""
    return _cache_at(default_directory())


@functools.cache
def _cache_at(directory: Path) -> Cache:
    return Cache(directory)

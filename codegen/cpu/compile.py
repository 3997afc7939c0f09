"""LLVM IR text to machine code."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import CompileError
from .host import Host


@dataclass(frozen=True, slots=True)
class Module:
    """A module's text; `fast`: it should be there soon, and need not run fast."""

    text: str
    fast: bool = False


@dataclass(slots=True)
class _Job:
    """A module that waits for its machine code, and what that is or why there is none.

    Its context and target machine belong to no other, so that threads may work on
    several.  The module is closed as soon as it is compiled: it must be before its
    context is, and nobody says in what order both are collected.
    """

    machine: Any
    module: Any
    code: bytes = b""
    fault: str = "nobody has compiled it"


def compile_modules(
    modules: Iterable[Module], host: Host, threads: int = 1
) -> list[bytes]:
    """Object files for `host` that define the modules' external functions.

    Modules are taken one by one, while others are compiled by so many `threads` in all.

    Raises `CompileError`, with LLVM's message and the module's text as its note, if one
    is malformed; compiling it unverified would abort the process.
    """
    crew = _Crew(threads - 1)
    with _loops_as_written():
        try:
            for module in modules:
                crew.give(_optimized(module, host))
        finally:
            crew.finish()
    for job in crew.jobs:
        if job.fault:
            raise CompileError(f"LLVM cannot compile a module: {job.fault}")
    return [job.code for job in crew.jobs]


def compile_module(text: str, host: Host) -> bytes:
    """The object file of one module: see `compile_modules`."""
    return compile_modules([Module(text)], host)[0]


class Kept:
    """A module that many programs share, compiled once: see `kept`."""

    __slots__ = ("_host", "_job", "_module", "_thread")

    def __init__(self, module: Module, host: Host) -> None:
        self._module, self._host = module, host
        self._job: _Job | None = None
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Have it compiled by a thread of its own, beside what the caller does."""
        if self._job is None:
            self._job = _optimized(self._module, self._host)
            self._thread = threading.Thread(
                target=_emit, args=(self._job,), daemon=True
            )
            self._thread.start()

    def code(self) -> bytes:
        """The object file; raises `CompileError`."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        # In a forked child the thread may never have come to an end.
        if self._job is None or not self._job.code:
            self._job = _optimized(self._module, self._host)
            _emit(self._job)
        if self._job.fault:
            raise CompileError(f"LLVM cannot compile a module: {self._job.fault}")
        return self._job.code


@functools.cache
def kept(module: Module, host: Host) -> Kept:
    """A module whose object file is kept as long as the process lives."""
    return Kept(module, host)


def compile_assembly(module: Module, host: Host) -> str:
    """The machine code of a module as assembly text, for reading."""
    job = _optimized(module, host)
    with job.module, _loops_as_written():
        return str(job.machine.emit_assembly(job.module))


#: The last release of LLVM of which it is known that it takes `_STRENGTH_REDUCTION`:
#: it ends the process where it does not know an option.
_LAST_LLVM = 22
_STRENGTH_REDUCTION = "-disable-lsr={}"


@contextlib.contextmanager
def _loops_as_written() -> Iterator[None]:
    """LLVM's strength reduction in loops is off meanwhile.

    It takes a third of the time that a kernel with several loops needs (32 ms instead
    of 21), and ours, of which the emitter has already moved out what does not change,
    run no faster with it.  The switch is the process's: others who compile meanwhile
    get right code without that pass.
    """
    import llvmlite.binding as llvm

    known = llvm.llvm_version_info[0] <= _LAST_LLVM
    if known:
        llvm.set_option("symgraph", _STRENGTH_REDUCTION.format("true"))
    try:
        yield
    finally:
        if known:
            llvm.set_option("symgraph", _STRENGTH_REDUCTION.format("false"))


@dataclass(slots=True)
class _Crew:
    """Threads that make machine code of modules, as those come; `helpers` at the most.

    A thread ends when nothing waits, and another one begins with the next module.
    """

    helpers: int
    jobs: list[_Job] = field(default_factory=list)
    waiting: deque[_Job] = field(default_factory=deque)
    threads: list[threading.Thread] = field(default_factory=list)

    def give(self, job: _Job) -> None:
        """Have a helper begin with `job`, or leave it to whoever is free first."""
        self.jobs.append(job)
        self.waiting.append(job)
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        if len(self.threads) < self.helpers:
            thread = threading.Thread(target=self.work, daemon=True)
            self.threads.append(thread)
            thread.start()

    def work(self) -> None:
        """Take what waits, until nothing does."""
        while True:
            try:
                job = self.waiting.popleft()
            except IndexError:
                return
            _emit(job)

    def finish(self) -> None:
        """Work, too, until all is done."""
        self.work()
        for thread in self.threads:
            thread.join()


def _emit(job: _Job) -> None:
    """Have LLVM make the machine code of a module."""
    from llvmlite.binding import ffi

    with job.module, ffi.OutputString() as fault:
        held = _unlocked_emission()(job.machine, job.module, 1, fault)
        if not held:
            job.fault = str(fault) or "no reason given"
            return
    try:
        start = ffi.lib.LLVMPY_GetBufferStart(held)
        job.code = ctypes.string_at(start, ffi.lib.LLVMPY_GetBufferSize(held))
        job.fault = ""
    finally:
        ffi.lib.LLVMPY_DisposeMemoryBuffer(held)


@functools.cache
def _unlocked_emission() -> Callable[..., Any]:
    """llvmlite's function that makes machine code, without llvmlite's lock.

    That lock lets one thread at a time into LLVM, which itself asks for contexts and
    target machines of one's own only.
    """
    from llvmlite.binding import ffi

    library = ctypes.CDLL(ffi.lib._name, handle=ffi.lib._handle)
    emit = library.LLVMPY_TargetMachineEmitToMemory
    emit.argtypes = ffi.lib.LLVMPY_TargetMachineEmitToMemory.argtypes
    emit.restype = ffi.lib.LLVMPY_TargetMachineEmitToMemory.restype
    return emit


def _optimized(written: Module, host: Host) -> _Job:
    """A module after the few passes that pay, with a target machine for `host`.

    The emitter leaves little to do: vectors, unrolling, common subexpressions and
    loop-invariant code are as they should be, and instruction selection folds the rest.
    LLVM's -O1 pipeline more than doubles the time to compile (a layernorm + softmax
    kernel took 52 ms instead of 20) for code that runs no faster.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        module = llvm.parse_assembly(written.text, llvm.create_context())
        with contextlib.ExitStack() as opened:
            opened.push(module)
            module.verify()
            opened.pop_all()
    except RuntimeError as error:
        failure = CompileError(f"LLVM rejects a module: {error}")
        failure.add_note(written.text)
        raise failure from error
    target = llvm.Target.from_triple(host.triple)
    machine = target.create_target_machine(
        cpu=host.cpu,
        features=host.features,
        opt=0 if written.fast else 2,
        codemodel="jitdefault",
        jit=True,
    )
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_module_pass_manager()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    return _Job(machine, module)

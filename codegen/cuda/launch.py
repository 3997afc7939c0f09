"""Programs run through numba.cuda: on a GPU, or in numba's simulator.

What a program works on is flat memory on the device: its arguments, which are copied
there unless they are there already; one arena with all temporaries, which is kept for
the next call; and new memory for its results, which stay there.  Views and rows are the
same memory.  What a call launches for given sizes is worked out once, and kernels are
compiled when first launched.  Failed checks are read once, at the end; how loops and
conditions are run, `control` says.

The simulator is numba's own: ``NUMBA_ENABLE_CUDASIM=1``, set before numba is imported.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import DeviceError, UnsupportedHostError
from ..program import Array, Program, ReadScalar
from ..run import HostFunction, ProgramResult, check_guards
from .call_plan import CallPlan, Made, Planner
from .control import control_of
from .fusion import fusions_of
from .geometry import Limits
from .helpers import NUMBERS
from .host_calls import refuse_calls
from .kernels import KernelCache, Prepares, Stream, kernel_cache
from .memory import Device, Memory
from .plan import Kind
from .recent import Recent
from .steps import Run

#: The most patterns of calls, by the arguments' shapes, that are kept.
MOST_PATTERNS = 64
#: The most tables of `NUMBERS` numbers that are kept.
MOST_TABLES = 16


@dataclass(frozen=True, slots=True)
class DeviceResult:
    """What a call leaves on the device.

    Attributes:
        status: 0, or the code of the first failed check; then there are no results and
            no updates.
        results: the returned arrays in order, in their shapes: memory nobody else
            holds.
        updates: the new values of shared arrays, by the names of the update arrays.
    """

    status: int
    results: tuple[Device, ...]
    updates: Mapping[str, Device]


class CudaProgram:
    """A program that can be run on a device, again and again.

    Several threads may call it at once.  Between calls it keeps the memory of its
    temporaries and its constants on the device, which :meth:`trim` gives back.

    Args:
        limits: how launches are cut.
        kernels: where compiled kernels are looked up; else the process's own cache.
        functions: those of the host that the program calls, as for `run_program`.

    Raises:
        CompileError: it calls another function of the host, or is ill-formed.
        UnsupportedHostError: there is neither a GPU nor a simulator.
    """

    def __init__(
        self,
        program: Program,
        limits: Limits | None = None,
        kernels: KernelCache | None = None,
        functions: Mapping[str, HostFunction] | None = None,
    ) -> None:
        self._functions = functions or {}
        refuse_calls(program, self._functions)
        self.program = program
        self.limits = limits or Limits()
        self.memory = Memory(numba_cuda(), program.name)
        self._control = control_of(program)
        self._fusions = fusions_of(program)
        self._prepares = Prepares(self.limits)
        # An empty cache is false.
        self._cache = kernel_cache() if kernels is None else kernels
        self._plans: Recent[CallPlan] = Recent(MOST_PATTERNS)
        self._numbers: Recent[_Numbers] = Recent(MOST_TABLES)
        self._given = program.by_role("input", "shared", "constant")
        reads = (s for s in program.host if isinstance(s, ReadScalar))
        self._read = frozenset(statement.array for statement in reads)
        self._constants: dict[str, tuple[Any, Device]] = {}
        self._lock = threading.Lock()

    def call(self, given: Mapping[str, Any], stream: Stream = 0) -> DeviceResult:
        """Run the program on `stream`; its results stay on the device.

        `given` are its inputs, shared arrays and constants by name: NumPy arrays, which
        are copied to the device, or numba's arrays there in C order, which are used in
        place and only read.  A constant is copied once, as long as it is the same
        object.

        Raises:
            KeyError: an array is missing.
            TypeError, ValueError, OverflowError: what `run_program` raises for shapes
                and dtypes; arrays on the device that are not in C order.
            IndexError: an array has not the row that a loop asks for.
            DeviceMemoryError: the device has too little memory.
            DeviceError: the device broke off.
        """
        try:
            return self._called(given, stream)
        except self.memory.failures as error:
            raise DeviceError(
                f"{self.program.name}: the device failed: {error}; what was computed "
                "on it may be lost, and the process may have to be started again"
            ) from error

    def run(self, arrays: Mapping[str, Any]) -> ProgramResult:
        """What `run_program` gives for these arrays, computed on the device.

        The code of a failed check is that of the first launch in which one failed, and
        the least code of those that did; then there are no results.  Raises what `call`
        raises.
        """
        done = self.call(arrays)
        results = [array.copy_to_host() for array in done.results]
        updates = {
            str(array.target): done.updates[array.name].copy_to_host()
            for array in self.program.by_role("update")
            if not done.status
        }
        return ProgramResult(results, updates, done.status)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """How each kernel of the calls so far is spread over threads."""
        return self._prepares.kinds

    def trim(self) -> int:
        """Give back the memory that is kept between calls; how many bytes it was."""
        with self._lock:
            count = sum(int(held.nbytes) for _, held in self._constants.values())
            self._constants = {}
        self._plans.clear()
        self._numbers.clear()
        return count + self.memory.trim()

    # -- a call ------------------------------------------------------------------------

    def _called(self, given: Mapping[str, Any], stream: Stream) -> DeviceResult:
        values = {a.name: _value(a, given[a.name], stream) for a in self._given}
        plan = self._pattern(values, stream)
        made = {m.name: self.memory.empty(max(m.length, 1), m.dtype) for m in plan.made}
        with self.memory.lent(plan.layout, stream) as arena:
            memory = {**arena.arrays, **made}
            for array in self._given:
                self._pass(array, given[array.name], values[array.name], memory, stream)
            run = Run(
                self.program,
                self._control,
                plan,
                arena,
                memory,
                lambda number: self._number(number, plan),
            )
            run.steps()
            status = run.status()
        if status:
            return DeviceResult(status, (), {})
        shaped = {m.name: self._shaped(m, made[m.name]) for m in plan.made}
        updates = {a.name: shaped[a.name] for a in self.program.by_role("update")}
        results = tuple(shaped[name] for name in self.program.results)
        return DeviceResult(0, results, updates)

    def _pattern(self, values: Mapping[str, Any], stream: Stream) -> CallPlan:
        """What is done for such arguments, whose guards hold."""
        key: list[Any] = [stream]
        shown = dict(values)
        for name, value in values.items():
            there = is_on_device(value)
            key.append((tuple(value.shape), value.dtype, there))
            if name in self._read:
                shown[name] = _fetched(value, stream) if there else value
                key.append(shown[name].item() if shown[name].size == 1 else None)
            elif there:
                # As much of it as guards and sizes need.
                zero = np.zeros((), value.dtype)
                shown[name] = np.broadcast_to(zero, tuple(value.shape))

        def made() -> CallPlan:
            sizes = check_guards(self.program, shown)
            host = {
                a.name
                for a in self._given
                if a.role != "constant" and not is_on_device(values[a.name])
            }
            planner = Planner(
                self.program,
                self._control,
                self._prepares,
                self._cache,
                self.memory.cuda,
                stream,
                sizes,
                self._fusions,
                self._functions,
            )
            return planner.planned(frozenset(host))

        return self._plans.get(tuple(key), made)

    def _pass(
        self,
        array: Array,
        given: Any,
        value: Any,
        memory: dict[str, Device],
        stream: Stream,
    ) -> None:
        """Have an argument on the device, under its name."""
        if not value.size:
            return
        if is_on_device(value):
            memory[array.name] = _flat(array, value)
        elif array.role == "constant":
            memory[array.name] = self._constant(array, given, value, stream)
        else:
            memory[array.name].copy_to_device(_flat(array, value), stream=stream)

    def _constant(
        self, array: Array, given: Any, value: np.ndarray, stream: Stream
    ) -> Device:
        """A constant on the device, copied there once."""
        with self._lock:
            kept = self._constants.get(array.name)
        if kept is None or kept[0] is not given:
            flat = _flat(array, value)
            held = self.memory.empty(flat.size, array.dtype)
            held.copy_to_device(flat, stream=stream)
            if stream:  # the next call may be on another one
                stream.synchronize()
            kept = given, held
            with self._lock:
                self._constants[array.name] = kept
        return kept[1]

    def _shaped(self, made: Made, flat: Device) -> Device:
        """What a call has made, as the caller sees it."""
        if not made.length:
            return self.memory.empty(made.outer_shape, made.outer_dtype)
        if made.outer_dtype != made.dtype:
            flat = flat.view(np.dtype(made.outer_dtype))
        return flat.reshape(made.outer_shape)

    def _number(self, number: int, plan: CallPlan) -> Device:
        """An array without axes that holds `number`; nobody writes it."""
        part = number // NUMBERS
        key = plan.stream, part
        table = self._numbers.get(key, lambda: _Numbers(self.memory, plan, part))
        return table.one(number % NUMBERS)


class _Numbers:
    """`NUMBERS` numbers on the device, from a multiple of as many on."""

    def __init__(self, memory: Memory, plan: CallPlan, part: int) -> None:
        self._table = memory.empty(NUMBERS, "int64")
        plan.helpers.number_rounds(self._table, np.int64(part * NUMBERS))
        self._ones: dict[int, Device] = {}

    def one(self, place: int) -> Device:
        """One of them."""
        if place not in self._ones:
            self._ones[place] = self._table[place : place + 1]
        return self._ones[place]


def is_on_device(value: Any) -> bool:
    """Whether `value` is an array of numba's on the device."""
    return bool(getattr(value, "__cuda_ndarray__", False))


def _value(array: Array, given: Any, stream: Stream) -> Any:
    """An argument as an array, here or there."""
    if not is_on_device(given):
        return np.asarray(given)
    if not given.is_c_contiguous():
        raise ValueError(
            f"{array.name} is on the device, and not in C order: copy it there first"
        )
    return given


def _fetched(value: Device, stream: Stream) -> np.ndarray:
    """An array on the host, for which the device is waited for."""
    found: np.ndarray = value.copy_to_host(stream=stream)
    if stream:
        stream.synchronize()
    return found


def _flat(array: Array, value: Any) -> Any:
    """An array with elements as one flat one, complex numbers as pairs of floats."""
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value)
    flat = value.reshape(int(value.size))
    return flat.view(np.dtype(array.dtype)) if array.paired else flat


def numba_cuda() -> Any:
    """``numba.cuda``, with a GPU or as the simulator.

    Raises UnsupportedHostError where it has neither.
    """
    remedy = "install the extra: pip install 'symgraph-compiler[cuda]'"
    try:
        from numba import cuda
    except ImportError as error:
        raise UnsupportedHostError(f"numba-cuda is missing; {remedy}") from error
    simulated = import_module("numba.core.config").ENABLE_CUDASIM
    if not simulated and not cuda.is_available():
        raise UnsupportedHostError(
            "no NVIDIA GPU can be used here: its driver or numba-cuda is missing; with "
            f"a GPU and its driver, {remedy}"
        )
    return cuda


__all__ = [
    *("CudaProgram", "DeviceResult", "Limits"),
    *("is_on_device", "numba_cuda", "refuse_calls"),
]

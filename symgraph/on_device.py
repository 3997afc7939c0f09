"""A function's versions on a GPU: the fast one first, the generic one after it.

What `versions` is for native code this is for ``device="cuda"``: the fast version is
valid while all sizes that meet are equal, and where its guards do not hold and all that
is asked for is broadcasting, the generic one is made and runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from .arguments import Parameter, convert
from .codegen.errors import DeviceError, DeviceMemoryError
from .codegen.program import Call
from .compiler import Compilation, Report
from .device import OnHost
from .device_array import DeviceArray, as_device_array, gpu, require_type
from .errors import BrokenDeviceError, UnsupportedError, refuse
from .graph import Node, describe_node, toposort
from .op import Array
from .shared import resident, storage_of
from .versions import check_guards, raise_failure, raise_own, stretches

if TYPE_CHECKING:
    from .codegen.cuda.launch import DeviceResult

#: An argument, or the value of a shared variable, on either side.
Value: TypeAlias = Array | DeviceArray


def given_values(
    values: Sequence[Any], parameters: Sequence[Parameter], name: str
) -> list[Value]:
    """What a call is given, of the parameters' types: on the host or on the device.

    Raises:
        DTypeError, ShapeError: a value does not fit its parameter's type.
    """
    made: list[Value] = []
    for number, (value, parameter) in enumerate(zip(values, parameters, strict=True)):
        described = f"{name}: {parameter.describe(number)}"
        there = as_device_array(value, described)
        if there is None:
            made.append(convert(value, parameter, number, name))
            continue
        require_type(there, parameter.node.type, described)
        made.append(there)
    return made


def host_ops(compilation: Compilation) -> Iterator[tuple[Call, Node]]:
    """The steps that have no form for a device, and the ops that they are."""
    lowered = compilation.lowered
    for step in lowered.program.steps:
        if isinstance(step, Call):
            yield step, lowered.failures[step.code].node


def host_names(compilation: Compilation, on_host: OnHost = True) -> dict[str, str]:
    """The functions of the host that a program calls, and the names of their ops.

    `on_host` are those that may be.

    Raises:
        UnsupportedError: it calls another one; or an op is named that is none of these.
    """
    found: dict[str, str] = {}
    for step, node in host_ops(compilation):
        found[step.function] = node.op.name
        if on_host is not True and node.op.name not in (on_host or ()):
            _refuse_op(compilation.name, node)
    if not isinstance(on_host, bool):
        _refuse_names(compilation, set(on_host) - set(found.values()))
    return found


def _refuse_op(name: str, node: Node) -> NoReturn:
    """Refuse what has no kernel on a device, by line."""
    refuse(
        UnsupportedError,
        f"{name}: {node.op.name} is a function of the host, which a GPU cannot call",
        *(describe_node(i) for i in node.inputs),
        site=node.site,
        remedy=f"let it run on the host, on_host=[{node.op.name!r}] or on_host=True: "
        "each time its operands are copied there, and its result back; or compute "
        "that part in a function of its own with device='cpu', and pass its result on",
    )


def _refuse_names(compilation: Compilation, names: set[str]) -> None:
    """Refuse to have ops on the host that are not its functions.

    Names of no op at all are right: rewriting may have removed it.
    """
    ops = {node.op.name for node in toposort(compilation.request.roots)}
    wrong = sorted(names & ops)
    if wrong:
        refuse(
            UnsupportedError,
            f"{compilation.name}: {wrong[0]} runs on the GPU, and not on the host",
            remedy=f"leave {wrong[0]!r} out of on_host: it names functions of yours, "
            "which have no kernel",
        )


class DeviceVersion:
    """One version of a function on the device; `on_host` is the function's."""

    def __init__(self, compilation: Compilation, on_host: OnHost) -> None:
        from .codegen.cpu.callback import over_arrays
        from .codegen.cuda.launch import CudaProgram

        gpu(compilation.name)
        rewriting, lowering = compilation.prepared()
        host_names(compilation, on_host)
        start = time.perf_counter()
        self.compilation = compilation
        lowered = compilation.lowered
        self.program = lowered.program
        pairs = zip(self.program.functions, lowered.functions, strict=True)
        called = {name: over_arrays(function) for name, function in pairs}
        self._whole = CudaProgram(self.program, functions=called)
        self._names = [a.name for a in self.program.by_role("input", "shared")]
        constants = zip(
            self.program.by_role("constant"), lowered.constants, strict=True
        )
        self._constants = {array.name: held.data for array, held in constants}
        made = time.perf_counter() - start
        self.report: Report = compilation.reported(rewriting, lowering, made, made)

    def call(self, values: Sequence[Value]) -> DeviceResult:
        """Run the program on arguments and the values of shared variables.

        Raises:
            ValueError, OverflowError: a guard does not hold, or sizes do not fit.
            MemoryError: the device has too little memory.
            SymgraphError: the device broke off.
        """
        given: dict[str, Any] = dict(self._constants)
        for name, value in zip(self._names, values, strict=True):
            given[name] = value.held if isinstance(value, DeviceArray) else value
        try:
            return self._whole.call(given)
        except DeviceMemoryError as error:
            raise MemoryError(str(error)) from None
        except DeviceError as error:
            refuse(BrokenDeviceError, str(error), remedy="look at what the driver says")

    def fail(self, status: int) -> NoReturn:
        """Raise the error of a check, or what a function of the host raised."""
        raise_own(self.compilation.lowered.functions)
        raise_failure(self.compilation, status)

    def trim(self) -> None:
        """Give back the memory of temporaries and constants."""
        self._whole.trim()


class OnDevice:
    """What a function with ``device="cuda"`` runs.

    `shared` are its shared variables' nodes, whose locks a call holds; `on_host` says
    which ops run on the host, where they have no kernel.

    Raises:
        UnsupportedError: there is no GPU, or the function calls another of the host.
    """

    def __init__(
        self,
        compilation: Compilation,
        parameters: Sequence[Parameter],
        shared: Sequence[Node],
        on_host: OnHost = False,
    ) -> None:
        self._parameters = parameters
        self._on_host = on_host
        self.storages = [storage_of(leaf) for leaf in shared]
        self.fast = DeviceVersion(compilation, on_host)
        self.generic: DeviceVersion | None = None

    @property
    def versions(self) -> dict[str, DeviceVersion]:
        """Those that there are, by name."""
        made = {"fast": self.fast, "generic": self.generic}
        return {name: version for name, version in made.items() if version}

    def __call__(self, values: Sequence[Any]) -> list[DeviceArray]:
        """The results for arguments in order; shared variables have their new values.

        Raises:
            SymgraphError: the values do not fit, or a check failed; shared variables
                are as they were.
        """
        name = self.fast.compilation.name
        given = given_values(values, self._parameters, name)
        whole = [*given, *(resident(storage) for storage in self.storages)]
        version, result = self._run(whole)
        if result.status:
            version.fail(result.status)
        made = [DeviceArray.of(held) for held in result.results]
        self._update(version, result.updates)
        return made

    def _run(self, values: Sequence[Value]) -> tuple[DeviceVersion, DeviceResult]:
        """The result of the version that takes the values."""
        try:
            return self.fast, self.fast.call(values)
        except (ValueError, OverflowError):
            outlines = [_outline(value) for value in values]
            if not stretches(self.fast.compilation, outlines):
                check_guards(self.fast.compilation, outlines)
                raise  # for another reason
        if self.generic is None:
            self.generic = DeviceVersion(self.fast.compilation.generic(), self._on_host)
        try:
            return self.generic, self.generic.call(values)
        except (ValueError, OverflowError):
            stretches(self.generic.compilation, outlines)
            check_guards(self.generic.compilation, outlines)
            raise

    def _update(self, version: DeviceVersion, updates: Mapping[str, Any]) -> None:
        """Give shared variables their new values, which stay on the device."""
        program = version.program
        names = (array.name for array in program.by_role("shared"))
        storages = dict(zip(names, self.storages, strict=True))
        for array in program.by_role("update"):
            storage = storages[str(array.target)]
            storage.twin = storage.lent = None
            storage.box[0] = DeviceArray.of(updates[array.name])

    def trim(self) -> None:
        """Give back memory that is kept on the device between calls.

        That is what temporaries and constants lie in, and copies of what lives on the
        host.
        """
        for version in self.versions.values():
            version.trim()
        for storage in self.storages:
            with storage.lock:
                storage.twin = None


def _outline(value: Value) -> Array:
    """What is needed of a value to say what is wrong with it."""
    return value if isinstance(value, np.ndarray) else value.outline()


__all__ = ["DeviceVersion", "OnDevice", "given_values", "host_names"]

"""What can go wrong between a Program and a callable.

Errors *inside* a compiled call (a bad argument, an index out of range) are the
caller's: they come from the `slow` and `fail` callables given to `cpu.link.link`.
"""


class CodegenError(Exception):
    """The base of this package's errors."""


class CompileError(CodegenError):
    """A Program cannot be turned into machine code: it is ill-formed or unsupported."""


class LinkError(CodegenError):
    """Machine code cannot be loaded here: it is damaged, foreign or unresolved."""


class UnsupportedHostError(CodegenError):
    """This interpreter, NumPy or platform is not one that native code knows."""


class DeviceError(CodegenError):
    """A device broke off what it was doing: the driver says so."""


class DeviceMemoryError(DeviceError):
    """A device has not the memory that was asked for, of `bytes` bytes."""

    def __init__(self, message: str, bytes: int) -> None:
        super().__init__(message)
        self.bytes = bytes

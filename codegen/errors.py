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

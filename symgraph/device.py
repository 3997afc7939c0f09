"""Which device functions are compiled for: ``sg.device("cuda")``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

from .errors import UnsupportedError, refuse

#: What a function may be compiled for.
DEVICES = ("cpu", "cuda")

#: The device of the ``with`` block around the caller, in this thread and context.
_CHOSEN: ContextVar[str] = ContextVar("symgraph device", default="cpu")


def device(name: str) -> AbstractContextManager[None]:
    """What is compiled inside the ``with`` block is compiled for this device.

    That is what :func:`function` makes there, and what :func:`jit` traces there, unless
    they name a device themselves.  Other threads are not concerned.

    Args:
        name: "cpu" or "cuda".

    Raises:
        UnsupportedError: there is no such device.

    >>> import symgraph as sg
    >>> x = sg.dvector("x")
    >>> with sg.device("cpu"):
    ...     f = sg.function([x], x + 1)
    >>> f.device
    'cpu'
    """
    return _inside(known_device(name))


@contextmanager
def _inside(name: str) -> Iterator[None]:
    before = _CHOSEN.set(name)
    try:
        yield
    finally:
        _CHOSEN.reset(before)


def chosen(name: str | None) -> str:
    """The device called `name`; for None, that of the ``with`` block around the caller.

    Raises:
        UnsupportedError: there is no such device.
    """
    return _CHOSEN.get() if name is None else known_device(name)


def known_device(name: object) -> str:
    """`name`, if it is a device's.

    Raises:
        UnsupportedError: it is not.
    """
    if name not in DEVICES:
        refuse(
            UnsupportedError,
            f"device {name!r} is not supported",
            remedy=f"there are {', '.join(map(repr, DEVICES))}",
        )
    return str(name)


__all__ = ["DEVICES", "chosen", "device", "known_device"]

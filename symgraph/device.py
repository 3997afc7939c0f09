"""Which device functions are compiled for: ``sg.device("cuda")``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from .errors import ArgumentError, UnsupportedError, refuse

#: What a function may be compiled for.
DEVICES = ("cpu", "cuda")

#: Which ops without a form for the device run on the host: all, or those so named.
OnHost: TypeAlias = bool | tuple[str, ...]

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


def as_on_host(given: bool | str | Iterable[str] | None) -> OnHost:
    """Which ops run on the host, as a function's `on_host` says.

    Raises:
        ArgumentError: it is neither a bool nor names.
    """
    if given is None or isinstance(given, bool):
        return bool(given)
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, Iterable):
        names = (names,)
    found = tuple(dict.fromkeys(names))
    for name in found:
        if not isinstance(name, str):
            refuse(
                ArgumentError,
                f"on_host cannot be {given!r}",
                remedy="it is True, or the names of ops, as in on_host=['sort']",
            )
    return found


__all__ = ["DEVICES", "OnHost", "as_on_host", "chosen", "device", "known_device"]

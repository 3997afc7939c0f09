"""``sg.jit``: a Python function over arrays, compiled when called, once per types."""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .config import config
from .declare import tensor
from .device import as_on_host, chosen, known_device
from .device_array import DeviceArray, as_device_array, is_device_array
from .errors import ArgumentError, SymgraphError, refuse
from .function import Function, Mode, function
from .tree import Structure, flatten
from .variable import Variable

#: What a compiled function is kept under: device, types and structure of arguments.
Key: TypeAlias = tuple[Any, ...]

#: Arguments of these classes need no sorting out.
_TYPED = (np.ndarray, DeviceArray)


class CacheInfo(NamedTuple):
    """How often a call found a compiled function, or had to make one, and how many."""

    hits: int
    misses: int
    currsize: int


@dataclass(slots=True)
class _Cache:
    """The compiled functions of a plain function, or of one object's method."""

    functions: dict[Key, Function] = field(default_factory=dict)
    #: The same by the arrays' types alone, for calls that need no sorting out.
    quick: dict[Key, Function] = field(default_factory=dict)
    hits: int = 0
    misses: int = 0
    #: The object, where it must be kept alive since it cannot be referred to weakly.
    owner: Any = None


@dataclass(frozen=True, slots=True)
class _Call:
    """One call's arguments: arrays, and what is fixed when compiling."""

    device: str
    leaves: Sequence[Any]
    key: Key
    #: Puts other values in the arrays' places: arguments by position and by name.
    rebuild: Callable[[list[Any]], tuple[tuple[Any, ...], dict[str, Any]]]
    names: Callable[[], list[str]]


class Jit:
    """What :func:`jit` makes of a function; call it as the function itself.

    Calls from several threads are safe; two that need the same new types compile once.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        static: Iterable[str],
        name: str | None,
        mode: str | Mode | None,
        device: str | None,
        on_host: bool | str | Iterable[str] | None = None,
    ) -> None:
        functools.update_wrapper(self, fn)
        self._fn = fn
        self._name = str(name or getattr(fn, "__name__", "function"))
        self._mode = mode
        self._device = None if device is None else known_device(device)
        self._on_host = as_on_host(on_host)
        self._signature = inspect.signature(fn)
        self._static = frozenset(static)
        unknown = self._static.difference(self._signature.parameters)
        if unknown:
            refuse(
                ArgumentError,
                f"jit: {self._name} has no parameter {sorted(unknown)[0]!r}",
                remedy=f"its parameters are {', '.join(self._signature.parameters)}",
            )
        kinds = [p.kind for p in self._signature.parameters.values()]
        fixed = all(kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
        #: How many arrays a call without names has where nothing needs sorting out.
        self._simple = len(kinds) if fixed and not self._static else -1
        self._lock = threading.RLock()
        self._caches: dict[int | None, _Cache] = {None: _Cache()}

    # -- calling -----------------------------------------------------------------------

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._run((), args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else Method(self, instance)

    def _run(
        self, owner: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        cache = self._cache(owner)
        quick: Key | None = None
        simple = len(owner) + len(args) == self._simple and not kwargs
        if simple and all(type(a) in _TYPED for a in args):
            types = ((a.dtype, a.ndim) for a in args)
            quick = (chosen(self._device), *types)
            known = cache.quick.get(quick)
            if known is not None:
                cache.hits += 1
                return known(*args)
        call = self._sorted(owner, args, kwargs)
        if call is None:  # traced by another function: part of its graph
            return self._fn(*owner, *args, **kwargs)
        found = self._find(owner, call)
        if quick is not None:
            cache.quick[quick] = found
        return found(*call.leaves)

    def function(self, /, *args: Any, **kwargs: Any) -> Function:
        """The compiled function that a call with these arguments runs.

        It takes the arrays in `args` and `kwargs` one by one.
        """
        return self._function((), args, kwargs)

    lower = function

    def _function(
        self, owner: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Function:
        call = self._sorted(owner, args, kwargs)
        if call is None:
            refuse(
                ArgumentError,
                f"jit: {self._name} is given symbolic variables",
                remedy="give arrays; only their types count",
            )
        return self._find(owner, call)

    def _find(self, owner: tuple[Any, ...], call: _Call) -> Function:
        cache = self._cache(owner)
        found = cache.functions.get(call.key)
        if found is not None:
            cache.hits += 1
            return found
        with self._lock:
            found = cache.functions.get(call.key)
            if found is None:
                cache.misses += 1
                found = cache.functions[call.key] = self._trace(owner, call)
            return found

    def _cache(self, owner: tuple[Any, ...]) -> _Cache:
        """The cache of a plain function, or of a method of this very object."""
        number = id(owner[0]) if owner else None
        found = self._caches.get(number)
        if found is not None:
            return found
        with self._lock:
            cache = self._caches.setdefault(number, _Cache())
        caches = self._caches
        try:
            weakref.finalize(owner[0], caches.pop, number, None)
        except TypeError:
            cache.owner = owner[0]
        return cache

    def _trace(self, owner: tuple[Any, ...], call: _Call) -> Function:
        """Run the Python function on variables of the arguments' types."""
        names = call.names()
        inputs = [
            tensor(name, *_type_of(leaf))
            for name, leaf in zip(names, call.leaves, strict=True)
        ]
        args, kwargs = call.rebuild(list(inputs))
        made = self._fn(*owner, *args, **kwargs)
        _check_outputs(made, self._name)
        return function(
            inputs,
            made,
            name=self._name,
            on_unused_input="ignore",
            mode=self._mode,
            device=call.device,
            on_host=self._on_host,
        )

    # -- arguments ---------------------------------------------------------------------

    def _sorted(
        self, owner: tuple[Any, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> _Call | None:
        """The arguments sorted out; None where there are variables among them."""
        signature = self._signature
        if owner:  # without `self`
            signature = inspect.signature(MethodType(self._fn, owner[0]))
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        static = {k: given.pop(k) for k in list(given) if k in self._static}
        leaves: list[Any] = []
        structures: list[Structure] = []
        for name, value in given.items():
            found, structure = self._flatten(name, value)
            leaves += found
            structures.append(structure)
        if any(isinstance(leaf, Variable) for leaf in leaves):
            return None
        fixed = tuple((k, type(v), self._hashable(k, v)) for k, v in static.items())
        types = tuple(_type_of(leaf) for leaf in leaves)

        def rebuild(values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            remaining = iter(values)
            pairs = zip(given, structures, strict=True)
            made = {name: structure.build(remaining) for name, structure in pairs}
            arguments = {k: (made | static).get(k) for k in bound.arguments}
            again = inspect.BoundArguments(signature, arguments)
            return again.args, again.kwargs

        def names() -> list[str]:
            return [
                name if s.kind == "leaf" else f"{name}.{k}"
                for name, s in zip(given, structures, strict=True)
                for k in range(s.count())
            ]

        device = chosen(self._device)
        key = (device, types, tuple(structures), fixed)
        return _Call(device, leaves, key, rebuild, names)

    def _flatten(self, name: str, value: Any) -> tuple[list[Any], Structure]:
        try:
            found, structure = flatten(value, _is_argument)
        except SymgraphError:
            refuse(
                ArgumentError,
                f"{self._name}: argument {name!r} is neither an array nor a number, "
                f"nor a list, tuple or dict of them: {value!r}",
                remedy=f"jit(..., static_argnames={name!r}) compiles once per value",
            )
        what = f"{self._name}: argument {name!r}"
        there = [as_device_array(leaf, what) for leaf in found]
        return [
            leaf if made is None else made
            for leaf, made in zip(found, there, strict=True)
        ], structure

    def _hashable(self, name: str, value: Any) -> Any:
        try:
            hash(value)
        except TypeError:
            refuse(
                ArgumentError,
                f"{self._name}: the static argument {name!r} is not hashable: "
                f"{value!r}",
                remedy="give a tuple in place of a list",
            )
        return value

    # -- the cache ---------------------------------------------------------------------

    def cache_info(self) -> CacheInfo:
        """Hits, misses and the number of compiled functions."""
        with self._lock:
            caches = list(self._caches.values())
        return CacheInfo(
            sum(c.hits for c in caches),
            sum(c.misses for c in caches),
            sum(len(c.functions) for c in caches),
        )

    def cache_clear(self) -> None:
        """Forget all compiled functions: the next call traces again."""
        with self._lock:
            for cache in self._caches.values():
                cache.functions.clear()
                cache.quick.clear()
                cache.hits = cache.misses = 0

    def __repr__(self) -> str:
        return f"<jit {self._name}{self._signature}>"

    def __reduce__(self) -> str:
        """By name, as functions are pickled: the loaded one compiles anew."""
        return str(self._fn.__qualname__)


class Method:
    """A compiled method of one object, which is fixed when compiling."""

    __slots__ = ("__self__", "_jit")

    def __init__(self, made: Jit, instance: Any) -> None:
        self._jit = made
        self.__self__ = instance

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._jit._run((self.__self__,), args, kwargs)

    def function(self, /, *args: Any, **kwargs: Any) -> Function:
        """See :meth:`Jit.function`."""
        return self._jit._function((self.__self__,), args, kwargs)

    lower = function

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jit, name)

    def __repr__(self) -> str:
        return f"<bound {self._jit!r} of {self.__self__!r}>"


def _is_array(value: object) -> bool:
    return isinstance(value, Variable | np.ndarray | np.generic | bool | int | float)


def _is_argument(value: object) -> bool:
    return _is_array(value) or is_device_array(value)


def _type_of(leaf: Any) -> tuple[str, tuple[None, ...]]:
    """The dtype and the (unknown) shape of the input for an argument."""
    if isinstance(leaf, np.ndarray | np.generic | DeviceArray):
        return leaf.dtype.name, (None,) * leaf.ndim
    if isinstance(leaf, bool):
        return "bool", ()
    return "int64" if isinstance(leaf, int) else config.floatX, ()


def _check_outputs(made: Any, name: str) -> None:
    try:
        flatten(made, _is_array)
    except SymgraphError:
        refuse(
            ArgumentError,
            f"jit: {name} returned something that is no array, nor a list, tuple or "
            f"dict of arrays: {made!r}",
            remedy="return variables; what is not computed from the arguments can be "
            "kept outside",
        )


def jit(
    python_function: Callable[..., Any] | None = None,
    *,
    static_argnames: str | Iterable[str] = (),
    name: str | None = None,
    mode: str | Mode | None = None,
    device: str | None = None,
    on_host: bool | str | Iterable[str] | None = None,
) -> Any:
    """`python_function`, compiled when it is first called with arguments of some types.

    The function is run once on variables in place of its arrays (*traced*), and what it
    returns is compiled as :func:`function` does.  A new dtype, number of axes or
    structure traces again; a new shape never does: all sizes are unknown, so that
    ``x.shape`` holds symbolic integers.

    Arguments are arrays, NumPy scalars and Python numbers, or nested lists, tuples,
    named tuples and dicts of these; results likewise.  A Python number is a scalar
    input of dtype bool, int64 or ``config.floatX`` (and no longer weak: next to a
    float32 array, pass ``np.float32(0.1)``, or close over it).  Arrays that the
    function closes over are constants, shared variables are read in each call, and
    their default updates apply.  Called with variables, it is traced into their graph.

    Args:
        python_function: the function; without it, a decorator is returned.
        static_argnames: parameters whose values are part of the types: hashable, and
            passed on as they are.
        name: for messages and dumps; the function's own unless given.
        mode: as for :func:`function`.
        device: as for :func:`function`; in another block ``with sg.device(...)`` a call
            compiles anew.
        on_host: as for :func:`function`.

    Raises:
        SymgraphError: an argument or a result is no array.

    >>> @jit
    ... def distance(x, y):
    ...     return ((x - y) ** 2).sum() ** 0.5
    >>> distance(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    np.float64(5.0)
    >>> distance.cache_info()
    CacheInfo(hits=0, misses=1, currsize=1)
    """
    static = (static_argnames,) if isinstance(static_argnames, str) else static_argnames
    if python_function is None:
        return lambda fn: Jit(fn, static, name, mode, device, on_host)
    if not callable(python_function):
        refuse(
            ArgumentError,
            f"jit: {python_function!r} is not a function",
            remedy="options are given by name: jit(static_argnames='n')",
        )
    return Jit(python_function, static, name, mode, device, on_host)


__all__ = ["CacheInfo", "Jit", "jit"]

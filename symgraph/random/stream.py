"""A stream of random variables: new draws in each call of a compiled function."""

from __future__ import annotations

import secrets
from typing import Any

from ..shared import SharedVariable, shared
from ..variable import Variable
from . import discrete, distributions, keys


class Stream:
    """Makes random variables whose values change with each call of a function.

    A stream keeps one key, the shared variable `state`.  Its n-th random variable draws
    from ``fold_in(state, n)``, and a call of a function that reads any of them puts
    ``fold_in(state, 0)`` in the place of the state when it succeeds (its
    `default_update`; a function that names the state in its own updates decides
    itself).  All values are settled by the seed, the number of calls since, and the
    order in which the variables were made: not by which of them a function computes.

    The methods take the arguments of the functions of :mod:`symgraph.random`, but for
    the key.

    >>> import symgraph as sg
    >>> stream = Stream(1)
    >>> f = sg.function([], stream.uniform(2))
    >>> (f() == f()).any()
    np.False_

    Args:
        seed: an int; None takes one from the operating system.
        name: the name of the state.

    Raises:
        DTypeError: the seed is not an integer.
    """

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        self._count = 0
        self._state = _state(_key_of(seed), name)

    @property
    def state(self) -> SharedVariable:
        """The key that the next call draws from: a shared uint32 of shape (2,)."""
        return self._state

    def seed(self, seed: int | None = None) -> None:
        """Begin again: functions made before and after this draw as from a new stream.

        None takes a seed from the operating system.
        """
        self._state.set_value(_key_of(seed))

    def updates(self) -> list[tuple[SharedVariable, Variable]]:
        """The state and what a call makes of it, for a function's `updates`."""
        new = self._state.default_update
        assert new is not None
        return [(self._state, new)]

    def key(self) -> Variable:
        """A key that is new in each call: for the functions of `symgraph.random`."""
        self._count += 1
        return keys.fold_in(self._state, self._count)

    def bits(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.bits`."""
        return keys.bits(self.key(), *args, **kwargs)

    def uniform(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.uniform`."""
        return distributions.uniform(self.key(), *args, **kwargs)

    def normal(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.normal`."""
        return distributions.normal(self.key(), *args, **kwargs)

    def truncated_normal(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.truncated_normal`."""
        return distributions.truncated_normal(self.key(), *args, **kwargs)

    def exponential(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.exponential`."""
        return distributions.exponential(self.key(), *args, **kwargs)

    def gumbel(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.gumbel`."""
        return distributions.gumbel(self.key(), *args, **kwargs)

    def laplace(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.laplace`."""
        return distributions.laplace(self.key(), *args, **kwargs)

    def bernoulli(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.bernoulli`."""
        return discrete.bernoulli(self.key(), *args, **kwargs)

    def integers(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.integers`."""
        return discrete.integers(self.key(), *args, **kwargs)

    def categorical(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.categorical`."""
        return discrete.categorical(self.key(), *args, **kwargs)

    def permutation(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.permutation`."""
        return discrete.permutation(self.key(), *args, **kwargs)

    def choice(self, *args: Any, **kwargs: Any) -> Variable:
        """See :func:`symgraph.random.choice`."""
        return discrete.choice(self.key(), *args, **kwargs)

    def __reduce__(self) -> Any:
        """By value: what is loaded is a stream of its own that goes on from here."""
        return _restore, (self._state.get_value(), self._state.name, self._count)


def _key_of(seed: int | None) -> Any:
    """The value of a seed's key."""
    return keys.key(secrets.randbits(64) if seed is None else seed).eval()


def _state(value: Any, name: str | None) -> SharedVariable:
    """A shared key that moves on with each call."""
    state = shared(value, name)
    state.default_update = keys.fold_in(state, 0)
    return state


def _restore(value: Any, name: str | None, count: int) -> Stream:
    made = Stream(0)
    made._state = _state(value, name)
    made._count = count
    return made

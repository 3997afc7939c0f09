"""Random draws: stateless functions of a key, and streams for compiled functions.

>>> import symgraph as sg
>>> first, second = sg.random.split(sg.random.key(0))
>>> noise = sg.random.normal(first, (3, 2))
>>> f = sg.function([], noise)
>>> (f() == f()).all()
np.True_

A draw is a pure function of its key and of its place in the result: the same bits in
every mode, on any number of threads.  Use a key once: `split` it or `fold_in` a number
to have more.  A :class:`Stream` does that for you, with new draws in each call.

The generator is Threefry-2x32 with 20 rounds (Salmon et al., 2011), checked against its
published test vectors.
"""

from .discrete import bernoulli, categorical, choice, integers, permutation
from .distributions import (
    exponential,
    gumbel,
    laplace,
    normal,
    truncated_normal,
    uniform,
)
from .keys import bits, fold_in, key, split
from .stream import Stream

__all__ = [
    "Stream",
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "integers",
    "key",
    "laplace",
    "normal",
    "permutation",
    "split",
    "truncated_normal",
    "uniform",
]

"""NumPy under CuPy's name, with a GPU that is always done."""

from typing import Any

import numpy
from numpy import *  # noqa: F403

from . import cuda as cuda


def asarray(value: Any) -> Any:
    """A copy, as one on a GPU would be."""
    return numpy.array(value)

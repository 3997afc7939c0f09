"""Directions of complex numbers."""

from __future__ import annotations

import math

from ..types import is_complex
from ..variable import Variable, promote
from .complex import imag, real
from .trigonometric import atan2

__all__ = ["angle"]


def angle(z: object, deg: bool = False) -> Variable:
    """Elementwise angle of `z` with the positive real axis, in (-pi, pi] or degrees.

    Of a negative real number it is pi.
    """
    (value,) = promote(z, to="float")
    if is_complex(value.dtype):
        result = atan2(imag(value), real(value))
    else:
        # No `value * 0`: it is -0 of negative numbers, and NaN of infinite ones.
        result = atan2(0, value)
    return result * (180 / math.pi) if deg else result

"""Real data small enough to ship: the handwritten digits of the demo."""

from __future__ import annotations

import gzip
from importlib import resources

import numpy as np
from numpy.typing import NDArray

#: Pixels of one 8 x 8 image, and the largest value of a pixel.
PIXELS = 64
DEPTH = 16


def load_digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Read the 1,797 handwritten digits of E. Alpaydin and C. Kaynak.

    Returns ``(images, labels)``: float32 images of shape (1797, 64), row-major 8 x 8
    pixels scaled to 0..1, and int64 labels of shape (1797,), the digits 0 to 9.  The
    order is the file's, in which each writer's digits stand together.

    Source: UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0.

    >>> images, labels = load_digits()
    >>> images.shape, images.dtype, labels.shape, labels.dtype
    ((1797, 64), dtype('float32'), (1797,), dtype('int64'))
    >>> labels[:10].tolist(), float(images.min()), float(images.max())
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 0.0, 1.0)
    """
    packed = resources.files(__name__).joinpath("digits.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    table = np.loadtxt(lines, delimiter=",", dtype=np.int64)
    images = table[:, :PIXELS].astype(np.float32) / np.float32(DEPTH)
    return images, table[:, PIXELS].copy()

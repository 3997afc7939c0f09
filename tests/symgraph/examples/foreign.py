"""Examples: functions of the user's."""

from __future__ import annotations

import numpy as np

from symgraph import ops
from symgraph.op import Op
from symgraph.userops import from_numba_function, from_numpy_function

from ..cases import ALL, ANY, Case, one


def halved(a: float, b: float) -> float:
    return a - b / 2


EXAMPLES: dict[type[Op], tuple[Case, ...]] = {
    ops.NumpyFunction: (
        one(
            from_numpy_function(np.flip),
            *((2, 3), (0, 3), (1, 1)),
            numpy=np.flip,
            dtypes=ALL,
            smooth=False,
        ),
        one(
            lambda x: from_numpy_function(
                lambda v: v.T.astype("float64"),
                lambda v: ("float64", (v.shape[1], v.shape[0])),
            )(x * 2),
            *((2, 3), (0, 3), (1, 1)),
            numpy=lambda x: 2.0 * x.T.astype("float64"),
            smooth=False,
        ),
    ),
    ops.NumbaFunction: (
        Case(
            from_numba_function(halved),
            halved,
            (ANY, ANY),
            tuple((s, s) for s in ((2, 3), (0, 3), (1, 1))),
            ("float64",),
            smooth=False,
        ),
    ),
}

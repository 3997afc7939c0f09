"""SciPy's names, with its defaults: ``sg.special.softmax(x)`` is over all axes."""

from . import ops
from .ops import (
    betaln,
    cbrt,
    cosm1,
    digamma,
    entr,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfinv,
    exp2,
    expm1,
    exprel,
    gamma,
    gammaln,
    kl_div,
    log1p,
    log_expit,
    log_ndtr,
    logit,
    logsumexp,
    ndtr,
    ndtri,
    polygamma,
    rel_entr,
    sinc,
    softplus,
    xlog1py,
    xlogy,
)
from .ops import digamma as psi
from .ops import sigmoid as expit
from .ops.common import Axis
from .variable import Variable

__all__ = [
    "betaln",
    "cbrt",
    "cosm1",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "exprel",
    "gamma",
    "gammaln",
    "kl_div",
    "log1p",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "rel_entr",
    "sinc",
    "softmax",
    "softplus",
    "xlog1py",
    "xlogy",
]


def softmax(x: object, axis: Axis = None) -> Variable:
    """``exp(x) / sum(exp(x))`` over `axis`, as `sg.softmax`, but over all by default.

    >>> import symgraph as sg
    >>> float(sg.special.softmax([[0.0, 0.0], [0.0, 0.0]]).eval()[0, 0])
    0.25
    """
    return ops.softmax(x, axis)


def log_softmax(x: object, axis: Axis = None) -> Variable:
    """``x - log(sum(exp(x)))``, as `sg.log_softmax`, but over all axes by default.

    >>> import symgraph as sg
    >>> float(sg.special.log_softmax([[0.0, 0.0], [0.0, 0.0]], axis=1).eval()[0, 0])
    -0.6931471805599453
    """
    return ops.log_softmax(x, axis)

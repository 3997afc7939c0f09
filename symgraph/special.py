"""SciPy's names: ``sg.special.softmax(x, axis=-1)``."""

from .ops import expm1, log1p, log_softmax, logsumexp, softmax
from .ops import sigmoid as expit

__all__ = ["expit", "expm1", "log1p", "log_softmax", "logsumexp", "softmax"]

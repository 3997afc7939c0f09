"""SciPy under CuPy's name."""

from scipy.special import erf, expit, log_softmax, softmax

__all__ = ["erf", "expit", "log_softmax", "softmax"]

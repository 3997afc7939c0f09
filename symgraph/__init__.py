"""A symbolic graph compiler: write NumPy-like expressions, get native code.

>>> import symgraph as sg
>>> x = sg.dvector("x")
>>> f = sg.function([x], sg.grad(sg.sum(x * x), x))
>>> f([1.0, 2.0])
array([2., 4.])
"""

from . import errors, passes, random, rewrite, special
from .autodiff import grad, value_and_grad
from .config import config
from .declare import *
from .function import Function, In, Mode, function
from .graphs import Graph, ancestors, clone_replace
from .inspect.nx import to_networkx
from .inspect.text import dprint, graph_diff, pprint
from .op import Elemwise, Op, op
from .ops import (
    abs,
    add,
    all,
    any,
    arange,
    argmax,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    broadcast_to,
    cast,
    concatenate,
    cos,
    divide,
    dot,
    equal,
    exp,
    expand_dims,
    expm1,
    eye,
    floor_divide,
    full,
    full_like,
    greater,
    greater_equal,
    invert,
    less,
    less_equal,
    log,
    log1p,
    log_softmax,
    logsumexp,
    matmul,
    matrix_transpose,
    max,
    maximum,
    mean,
    min,
    minimum,
    multiply,
    negative,
    not_equal,
    ones,
    ones_like,
    outer,
    power,
    prod,
    remainder,
    reshape,
    sigmoid,
    sin,
    softmax,
    sqrt,
    squeeze,
    stack,
    stop_gradient,
    subtract,
    sum,
    take,
    tanh,
    tensordot,
    transpose,
    where,
    zeros,
    zeros_like,
)
from .shared import SharedVariable, shared
from .types import TensorType
from .variable import Variable, as_tensor, constant

__version__ = "0.1.0"

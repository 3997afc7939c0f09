"""A symbolic graph compiler: write NumPy-like expressions, get native code.

>>> import symgraph as sg
>>> x = sg.dvector("x")
>>> f = sg.function([x], sg.grad(sg.sum(x * x), x))
>>> f([1.0, 2.0])
array([2., 4.])
"""

from . import errors, passes, random, rewrite, special
from .autodiff import grad, value_and_grad
from . import errors, passes, rewrite, special
from .autodiff import (
    Lop,
    Rop,
    checkpoint,
    custom_vjp,
    grad,
    hessian,
    hessian_vector_product,
    jacobian,
    jvp,
    value_and_grad,
    verify_grad,
    vjp,
)
from .config import config
from .declare import *
from .function import Function, In, Mode, function
from .graphs import Graph, ancestors, clone_replace
from .inspect.nx import to_networkx
from .inspect.text import dprint, graph_diff, pprint
from .jit import jit
from .op import Elemwise, Op, op
from .ops import (
    abs,
    absolute,
    add,
    all,
    allclose,
    any,
    arange,
    argmax,
    around,
    array_equal,
    bitwise_and,
    bitwise_count,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    broadcast_to,
    cast,
    ceil,
    clip,
    concatenate,
    copysign,
    cos,
    divide,
    divmod,
    dot,
    equal,
    exp,
    expand_dims,
    expm1,
    eye,
    fabs,
    fix,
    float_power,
    floor,
    floor_divide,
    fmax,
    fmin,
    fmod,
    full,
    full_like,
    grad_clip,
    greater,
    greater_equal,
    heaviside,
    invert,
    isclose,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    left_shift,
    less,
    less_equal,
    log,
    log1p,
    log_softmax,
    logaddexp,
    logaddexp2,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    logsumexp,
    matmul,
    matrix_transpose,
    max,
    maximum,
    mean,
    min,
    minimum,
    mod,
    multiply,
    nan_to_num,
    negative,
    nextafter,
    not_equal,
    ones,
    ones_like,
    outer,
    positive,
    pow,
    power,
    prod,
    reciprocal,
    remainder,
    reshape,
    right_shift,
    rint,
    round,
    sigmoid,
    sign,
    signbit,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    stack,
    stop_gradient,
    subtract,
    sum,
    take,
    tanh,
    tensordot,
    transpose,
    true_divide,
    trunc,
    where,
    zeros,
    zeros_like,
)
from .shared import SharedVariable, shared
from .types import TensorType
from .userops import from_numba_function, from_numpy_function, op_from_graph
from .variable import Variable, as_tensor, constant
from .vectorize import vectorize, vectorize_graph

__version__ = "0.1.0"

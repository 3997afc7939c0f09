"""Ops of the user's own, made of functions and of graphs.

An op with NumPy meaning, gradient and loops of its own is a subclass of
:class:`symgraph.Elemwise` or :class:`symgraph.Op` under :func:`symgraph.op`; the
functions here wrap what exists already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .autodiff import custom_vjp
from .composite import Composite, capture
from .errors import ArgumentError, ShapeError, SymgraphError
from .ops import broadcast_to, equal
from .ops.common import refuse
from .ops.foreign import NumbaFunction, NumpyFunction
from .ops.sizes import shape_variables
from .shared import fit
from .types import check_dtype
from .variable import Variable, apply, as_tensor

#: Gives a result's dtype and shape from the operands.
Infer = Callable[..., tuple[Any, Any]]


def from_numpy_function(
    fn: Callable[..., Any],
    infer: Infer | None = None,
    *,
    vjp: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Callable[..., Variable]:
    """`fn`, a Python function over NumPy arrays, as a function of variables.

    Compiled functions call it through Python, with the GIL held; it takes part in no
    fusion.  It must be pure: the same result for equal arguments, and no effects, since
    it may be called once for several equal expressions, or not at all where its result
    is not needed.  It is given arrays of its own, which it may keep or change.  What it
    raises comes out of the call of the compiled function, and leaves shared variables
    as they were.

    Functions that use it are not kept in the cache on disk; they pickle if `fn` does.
    With ``device="cuda"`` they must allow it, by `on_host`: see :func:`function`.

    Args:
        fn: called with an array for each operand; returns one array (or a scalar).
        infer: called with the operands, as variables; returns the result's dtype and
            shape, of ints and integer scalars such as ``x.shape[0]``.  Without it, the
            result has the dtype and the shape of the first operand.  What `fn` returns
            must be exactly so.
        vjp: called as ``vjp(g, y, *operands)`` with variables: see :func:`custom_vjp`.
            None: there is no gradient.
        name: for messages and dumps; the function's own unless given.

    Raises (when called with variables):
        ShapeError, DTypeError: from `infer`'s result, if it is none.

    >>> import symgraph as sg
    >>> import numpy as np
    >>> ordered = from_numpy_function(np.sort)
    >>> x = sg.dvector("x")
    >>> sg.function([x], ordered(x) * 2)([3.0, 1.0, 2.0])
    array([2., 4., 6.])
    """
    label = _label(fn, name)

    def build(*operands: Any) -> Variable:
        xs = _operands(operands, label)
        if infer is None:
            dtype, shape = xs[0].dtype, xs[0].shape
        else:
            dtype, shape = infer(*xs)
        sizes = shape_variables(shape, label)
        made = NumpyFunction(fn, len(xs), check_dtype(dtype), label)
        return apply(made, *xs, *sizes)

    return build if vjp is None else custom_vjp(build, vjp, label)


def from_numba_function(
    fn: Callable[..., Any],
    dtype: object = None,
    *,
    vjp: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Callable[..., Variable]:
    """`fn`, a scalar function that numba compiles, as an elementwise function.

    Operands are broadcast, and not promoted: `fn` is compiled for their dtypes.  The
    loop over elements is native, without the GIL, and calls nothing of Python's; it
    takes part in no fusion and runs on one thread.  An exception in `fn` goes to
    ``sys.unraisablehook``, which prints it, and the call fails with a SymgraphError.

    Functions that use it are not kept in the cache on disk; they pickle if `fn` does.
    With ``device="cuda"`` they must allow it, by `on_host`: it runs on the host.

    Args:
        fn: a plain function, or what ``numba.njit`` or ``numba.cfunc`` made of one.
            Plain functions divide by zero as NumPy does.
        dtype: the result's; None for the one that numba infers.
        vjp: as for :func:`from_numpy_function`.
        name: for messages and dumps; the function's own unless given.

    Raises (when called with variables):
        numba's own errors, where it cannot compile `fn`.

    >>> import symgraph as sg
    >>> collatz = from_numba_function(lambda n: n // 2 if n % 2 == 0 else 3 * n + 1)
    >>> n = sg.lvector("n")
    >>> sg.function([n], collatz(n))([6, 7])
    array([ 3, 22])
    """
    label = _label(fn, name)
    to = None if dtype is None else check_dtype(dtype)

    def build(*operands: Any) -> Variable:
        xs = _operands(operands, label)
        together = xs[0]
        for x in xs[1:]:
            together = equal(together, x)  # for its shape: never computed
        spread = [broadcast_to(x, together.shape) for x in xs]
        made = to or check_dtype(_inferred(fn, tuple(x.dtype for x in xs)))
        return apply(NumbaFunction(fn, made, label), *spread)

    return build if vjp is None else custom_vjp(build, vjp, label)


def _inferred(fn: Callable[..., Any], dtypes: tuple[str, ...]) -> str:
    from .codegen.cpu.scalar_loop import result_dtype

    return result_dtype(fn, dtypes)


def op_from_graph(
    inputs: Sequence[Variable],
    outputs: Variable | Sequence[Variable],
    name: str | None = None,
    vjp: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """The graph from `inputs` to `outputs` as one op, for any operands.

    It has a name in dumps, and optionally a gradient of its own; compiled code is that
    of the graph, whose ops take part in rewriting and fusion as if they were written
    out.  What the graph uses besides its inputs (shared variables, other inputs) comes
    along.

    Args:
        inputs: declared variables; operands must fit their types, but for dimensions
            that are unknown.
        outputs: an expression of them, or a list or tuple of expressions.
        name: for messages and dumps.
        vjp: called as ``vjp(g, y, *operands)``: see :func:`custom_vjp`.  None: the
            graph is differentiated.

    Returns:
        A function of variables and arrays, which gives one variable, or a tuple.

    Raises:
        ArgumentError: an input is no variable, or is given twice.
        ShapeError, DTypeError (when called): operands do not fit.

    >>> import symgraph as sg
    >>> x, y = sg.dvectors("x y")
    >>> distance = op_from_graph([x, y], sg.sum((x - y) ** 2), "distance")
    >>> a = sg.dvector("a")
    >>> sg.function([a], distance(a, 2 * a))([1.0, 2.0])
    np.float64(5.0)
    """
    parameters = list(inputs)
    single = isinstance(outputs, Variable)
    results = [outputs] if isinstance(outputs, Variable) else list(outputs)
    label = name or "graph"
    if len({getattr(p, "node", None) for p in parameters} - {None}) < len(parameters):
        refuse(
            ArgumentError,
            f"op_from_graph: the inputs of {label} are not distinct variables",
            *parameters,
            remedy="declare each input once, and list it once",
        )
    body, outside = capture([as_tensor(r) for r in results], parameters)

    def build(*operands: Any) -> Any:
        xs = _fitted(operands, parameters, label)
        made = [
            apply(Composite(body, k, label), *xs, *outside) for k in range(len(results))
        ]
        return made[0] if single else tuple(made)

    return build if vjp is None else custom_vjp(build, vjp, label)


def _fitted(
    operands: Sequence[Any], parameters: Sequence[Variable], label: str
) -> list[Variable]:
    """Operands in the types of `parameters`."""
    if len(operands) != len(parameters):
        refuse(
            ShapeError,
            f"{label}: {len(operands)} operands given, it takes {len(parameters)}",
            remedy="give one for each input",
        )
    return [
        fit(v, p, f"{label}: operand {k}")
        for k, (v, p) in enumerate(zip(operands, parameters, strict=True))
    ]


def _operands(given: Sequence[Any], label: str) -> list[Variable]:
    if not given:
        refuse(
            SymgraphError,
            f"{label}: no operands given",
            remedy="what depends on nothing is a constant: compute it beforehand",
        )
    return [as_tensor(v) for v in given]


def _label(fn: Callable[..., Any], name: str | None) -> str:
    """The name of a function for messages."""
    own = name or getattr(fn, "__name__", None) or type(fn).__name__
    return "function" if own == "<lambda>" else str(own)


__all__ = ["from_numba_function", "from_numpy_function", "op_from_graph"]

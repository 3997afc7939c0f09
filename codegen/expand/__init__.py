"""Transcendental functions as formulas over the scalar primitives of :mod:`~..ir`.

:func:`expand_kernel` replaces each ``exp``, ``log``, ... of a kernel by a branch-free
formula without tables or calls, so that a target vectorises it lane by lane like any
other arithmetic.  Every formula is one function of `Value`s; to add one, write it and
list it in `EXPANSIONS` with the error that it guarantees.

How they are built:

- *Range reduction* leaves a small argument and an integer exponent k.  Rounding to an
  integer, and conversion between that integer and a float, go through the sum with
  1.5 * 2**52 (float32: 2**23), whose low mantissa bits then hold the integer: a `cast`
  from float to integer is range-checked and slow.
- *Polynomials* are minimax, found by Remez exchange at 160 bits, on the whole reduced
  range, for the relative error of the function itself (the comment beside each states
  that error), and rounded to float64.
- *Compensation* keeps the rounding error of a sum or product as a second float where an
  ulp depends on it.  Targets may contract ``a * b + c`` into one fma, so a rounded
  product is never an operand of a compensated sum: products that feed a sum are written
  as `fma`, or are exact because a factor is a power of two.

pow, cbrt, hypot, log2, log10, sin, cos, tan, and erf and gamma with their kin compute
float32 in float64, with shorter polynomials.  Subnormal arguments and results,
infinities, NaN and signed zeros come out as in NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from functools import cache

from ..errors import CompileError
from ..ir import (
    FLOATS,
    TRANSCENDENTALS,
    Atom,
    Builder,
    Kernel,
    Let,
    Load,
    Loop,
    Statement,
    Value,
    walk,
)
from . import (
    error,
    exponential,
    gamma,
    hyperbolic,
    inverse,
    logarithm,
    power,
    root,
    trigonometric,
)


@dataclass(frozen=True, slots=True)
class Expansion:
    """A formula and its largest error, in units in the last place of the result."""

    formula: Callable[..., Value]
    float32: float
    float64: float


#: The errors are the largest found over many arguments, with a margin.  For lgamma and
#: digamma of negative numbers they are in ulps of 1 where the result is below 1.
EXPANSIONS: dict[str, Expansion] = {
    "exp": Expansion(exponential.exp, float32=0.95, float64=1.0),
    "exp2": Expansion(exponential.exp2, float32=0.95, float64=0.95),
    "expm1": Expansion(exponential.expm1, float32=0.95, float64=1.2),
    "sigmoid": Expansion(exponential.sigmoid, float32=0.85, float64=0.85),
    "tanh": Expansion(exponential.tanh, float32=0.85, float64=0.9),
    "log": Expansion(logarithm.log, float32=0.9, float64=0.95),
    "log2": Expansion(logarithm.log2, float32=0.505, float64=0.51),
    "log10": Expansion(logarithm.log10, float32=0.505, float64=0.51),
    "log1p": Expansion(logarithm.log1p, float32=0.9, float64=0.95),
    "pow": Expansion(power.pow, float32=0.55, float64=1.35),
    "cbrt": Expansion(root.cbrt, float32=0.505, float64=0.505),
    "hypot": Expansion(root.hypot, float32=0.505, float64=0.51),
    "sin": Expansion(trigonometric.sin, float32=0.55, float64=0.85),
    "cos": Expansion(trigonometric.cos, float32=0.55, float64=0.85),
    "tan": Expansion(trigonometric.tan, float32=0.505, float64=0.9),
    "asin": Expansion(inverse.asin, float32=0.75, float64=0.7),
    "acos": Expansion(inverse.acos, float32=0.75, float64=0.7),
    "atan": Expansion(inverse.atan, float32=0.9, float64=0.95),
    "atan2": Expansion(inverse.atan2, float32=0.95, float64=0.95),
    "sinh": Expansion(hyperbolic.sinh, float32=0.95, float64=1.15),
    "cosh": Expansion(hyperbolic.cosh, float32=0.85, float64=0.85),
    "asinh": Expansion(hyperbolic.asinh, float32=1.05, float64=1.05),
    "acosh": Expansion(hyperbolic.acosh, float32=0.8, float64=0.8),
    "atanh": Expansion(hyperbolic.atanh, float32=1.05, float64=1.05),
    "erf": Expansion(error.erf, float32=0.65, float64=0.8),
    "erfc": Expansion(error.erfc, float32=0.51, float64=1.8),
    "erfcx": Expansion(error.erfcx, float32=0.51, float64=2.2),
    "erfinv": Expansion(error.erfinv, float32=0.56, float64=2.1),
    "erfcinv": Expansion(error.erfcinv, float32=0.56, float64=2.1),
    "lgamma": Expansion(gamma.lgamma, float32=0.51, float64=1.3),
    "gamma": Expansion(gamma.gamma, float32=0.51, float64=2.0),
    "digamma": Expansion(gamma.digamma, float32=0.51, float64=2.9),
    "trigamma": Expansion(gamma.trigamma, float32=0.51, float64=2.1),
}

#: The largest error by op and dtype, in units in the last place of the result.
ULP: dict[str, dict[str, float]] = {
    op: {"float32": e.float32, "float64": e.float64} for op, e in EXPANSIONS.items()
}

#: The names of the arguments of a formula.
PARAMETERS = ("x", "y")


@cache
def formula(op: str, dtype: str) -> tuple[Let, ...]:
    """The expansion of `op` as statements over `PARAMETERS`; the last is its value.

    Raises CompileError where `dtype` is neither float32 nor float64.
    """
    if dtype not in FLOATS:
        raise CompileError(f"{op} of {dtype}: cast the argument to a float first")
    builder = Builder()
    parameters = PARAMETERS[: TRANSCENDENTALS[op]]
    arguments = (Value(builder, name, dtype) for name in parameters)
    value = EXPANSIONS[op].formula(*arguments)
    lets = tuple(s for s in builder.statements if isinstance(s, Let))
    assert lets[-1].name == value.atom
    return lets


def expand_kernel(
    kernel: Kernel, ops: Container[str] = frozenset(TRANSCENDENTALS)
) -> Kernel:
    """`kernel` with those of its transcendentals in `ops` replaced by their formulas.

    The value of each keeps its name; the values that a formula adds are named after it.
    Everything else stays as it is.
    """
    used = {b.name for b in (*kernel.buffers, *kernel.scratch)} | set(kernel.sizes)
    for statement, _ in walk(kernel.body):
        used.update(_defined(statement))
    return replace(kernel, body=_expand_body(kernel.body, used, ops))


def _defined(statement: Statement) -> Iterator[str]:
    """The names that `statement` itself brings into scope."""
    match statement:
        case Loop(axis, carries=carries, state=state):
            yield axis
            yield from (c.name for c in carries)
            yield from (name for s in state for name in (s.name, s.final))
        case Let(name) | Load(name):
            yield name


def _expand_body(
    body: tuple[Statement, ...], used: set[str], ops: Container[str]
) -> tuple[Statement, ...]:
    """`body` with its transcendentals replaced; recursion is as deep as the loops."""
    result: list[Statement] = []
    for statement in body:
        match statement:
            case Loop(body=inner):
                expanded = _expand_body(inner, used, ops)
                result.append(replace(statement, body=expanded))
            case Let(op=op) if op in TRANSCENDENTALS and op in ops:
                result.extend(_instantiate(statement, used))
            case _:
                result.append(statement)
    return tuple(result)


def _instantiate(let: Let, used: set[str]) -> Iterator[Let]:
    """The formula for `let` on its own arguments, with names not in `used`."""
    *steps, last = formula(let.op, let.dtype)
    atoms: dict[Atom, Atom] = dict(zip(PARAMETERS, let.args, strict=False))
    for step in steps:
        name = f"{let.name}_{step.name}"
        while name in used:
            name += "_"
        used.add(name)
        yield Let(name, step.op, _substitute(step.args, atoms), step.dtype)
        atoms[step.name] = name
    yield Let(let.name, last.op, _substitute(last.args, atoms), last.dtype)


def _substitute(args: tuple[Atom, ...], atoms: dict[Atom, Atom]) -> tuple[Atom, ...]:
    """`args` with the names in `atoms` replaced."""
    return tuple(atoms.get(a, a) for a in args)

"""The text form of kernels and programs; `parse` reads it back to the same thing.

One statement a line, two spaces a loop, so that two versions of a kernel diff well::

    kernel softmax(x: in float32[n, m], out: out float32[n, m]; n, m) split i
      scratch row: float32[m]
      parallel i < n
        vector j < m -> top = max v1: float32
          v1 = load x[i, j]: float32
        ...

Literals carry their dtype (``-0.0:float64``) and keep every bit; blank lines and ``#``
comments are skipped.  Scratch buffers are ``inout`` unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from . import ir
from .ir import (
    Affine,
    Atom,
    Carry,
    Check,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    State,
    Statement,
    Store,
)
from .program import (
    Array,
    Call,
    Control,
    End,
    Gemm,
    Guard,
    Launch,
    Otherwise,
    Program,
    ReadScalar,
    Repeat,
    Row,
    When,
)

#: What prints as one line.
Item: TypeAlias = Statement | Array | ReadScalar | Guard | Gemm | Call | Control

#: Spaces for each loop.
INDENT = 2


def print_kernel(kernel: Kernel) -> str:
    """The kernel as text; ``parse_kernel`` gives it back."""
    return "\n".join(_kernel_lines(kernel, kernel.name)) + "\n"


def print_program(program: Program) -> str:
    """The program as text, each distinct kernel once; ``parse_program`` reverses it."""
    lines = [f"program {program.name}"]
    lines += ["  " + print_item(array) for array in program.arrays]
    lines += ["  host " + print_item(statement) for statement in program.host]
    lines += ["  " + print_item(guard) for guard in program.guards]
    steps, labels = [], _Labels({}, {})
    for step in program.steps:
        if not isinstance(step, Launch):
            steps.append("  " + print_item(step))
            continue
        label, is_new = labels.of(step.kernel)
        if is_new:
            lines += ["  " + line for line in _kernel_lines(step.kernel, label)]
        arguments = _arguments(step.arrays, map(str, step.sizes))
        steps.append(f"  launch {label}({arguments})")
    lines += [*steps, f"  return {', '.join(program.results)}".rstrip()]
    return "\n".join(lines) + "\n"


def print_item(item: Item) -> str:
    """One statement, array, guard or step as one line; a loop without its body."""
    match item:
        case Let(name, op, args, dtype):
            return f"{name} = {op}({', '.join(map(_atom, args))}): {dtype}"
        case Load(name, buffer, index, dtype, guard):
            held = "" if guard is None else f" if {guard}"
            return f"{name} = load {buffer}{_indices(index)}{held}: {dtype}"
        case Store(buffer, index, value, accumulate):
            sign = "+=" if accumulate else "="
            return f"store {buffer}{_indices(index)} {sign} {_atom(value)}"
        case Check(ok, code, number):
            where = "" if number is None else f" in {_atom(number)}"
            return f"check {ok} else {code}{where}"
        case Loop():
            return _loop(item)
        case Array(name, dtype, shape, role, slot, target, paired, row):
            shown = _shape(shape) + (" complex" if paired else "")
            placed = "" if slot is None else f" slot {slot}"
            replaced = "" if target is None else f" of {target}"
            which = "" if row is None else " " + _row(row)
            return f"{role} {name}: {dtype}{shown}{placed}{replaced}{which}"
        case ReadScalar(name, array):
            return f"{name} = read {array}"
        case Guard(left, relation, right, code):
            return f"guard {left} {relation} {right} else {code}"
        case Gemm():
            return _gemm(item)
        case Call(function, reads, writes, sizes, code):
            arguments = _arguments(reads, map(str, sizes))
            return f"call {function}({arguments}) -> {', '.join(writes)} else {code}"
        case Repeat():
            return _repeat(item)
        case When(condition):
            return f"when {condition}"
        case Otherwise():
            return "otherwise"
        case End():
            return "end"


def _row(row: Row) -> str:
    """``at START + STRIDE * COUNTER``."""
    return f"at {row.start} + {row.stride} * {row.counter}"


def _repeat(step: Repeat) -> str:
    going = "" if step.going is None else f" while {step.going}"
    moves = ", ".join(f"{target} <- {source}" for target, source in step.moves)
    return f"repeat {step.counter} < {step.extent}{going}" + (
        f" moving {moves}" if moves else ""
    )


def _gemm(step: Gemm) -> str:
    lhs = f"transpose({step.lhs})" if step.transpose_lhs else step.lhs
    rhs = f"transpose({step.rhs})" if step.transpose_rhs else step.rhs
    sizes = f"m={step.m}, n={step.n}, k={step.k}"
    sizes += "" if step.batch == 1 else f", batch={step.batch}"
    sizes += "" if step.lhs_batched else ", lhs_batched=false"
    sizes += "" if step.rhs_batched else ", rhs_batched=false"
    return (
        f"gemm {step.out} {'+=' if step.accumulate else '='} {lhs} @ {rhs} for {sizes}"
    )


@dataclass(slots=True)
class _Labels:
    """Names for distinct kernels; a second ``softmax`` is ``softmax@2``.

    Keyed by text: equality of kernels would merge 0.0 with -0.0 and part NaN from NaN.
    """

    by_text: dict[str, str]
    uses: dict[str, int]

    def of(self, kernel: Kernel) -> tuple[str, bool]:
        """The label of `kernel`, and whether it is new."""
        text = print_kernel(kernel)
        if text in self.by_text:
            return self.by_text[text], False
        count = self.uses[kernel.name] = self.uses.get(kernel.name, 0) + 1
        label = self.by_text[text] = kernel.name + (f"@{count}" if count > 1 else "")
        return label, True


def _kernel_lines(kernel: Kernel, label: str) -> list[str]:
    buffers = (f"{b.name}: {b.mode} {b.dtype}{_shape(b.shape)}" for b in kernel.buffers)
    split = "" if kernel.split is None else f" split {kernel.split}"
    lines = [f"kernel {label}({_arguments(buffers, kernel.sizes)}){split}"]
    for b in kernel.scratch:
        mode = "" if b.mode == "inout" else f"{b.mode} "
        lines.append(f"  scratch {b.name}: {mode}{b.dtype}{_shape(b.shape)}")
    for statement, depth in ir.walk(kernel.body):
        lines.append(" " * INDENT * (depth + 1) + print_item(statement))
    return lines


def _arguments(first: Iterable[str], sizes: Iterable[str]) -> str:
    """``a, b; n, m``, without the semicolon where there are no sizes."""
    named = ", ".join(sizes)
    return ", ".join(first) + (f"; {named}" if named else "")


def _carry(carry: Carry) -> str:
    return f"{carry.name} = {carry.combine} {_atom(carry.value)}: {carry.dtype}"


def _loop(loop: Loop) -> str:
    head = f"{loop.kind} {loop.axis} < {loop.extent}"
    if loop.state:
        head += f" keeping {', '.join(map(_state, loop.state))}"
    if loop.going is not None:
        head += f" while {loop.going}"
    return head + (
        f" -> {', '.join(map(_carry, loop.carries))}" if loop.carries else ""
    )


def _state(state: State) -> str:
    """``NAME = INIT then NEXT to FINAL: DTYPE``."""
    through = f"{_atom(state.init)} then {_atom(state.next)} to {state.final}"
    return f"{state.name} = {through}: {state.dtype}"


def _shape(shape: tuple[Extent, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _indices(index: tuple[Affine, ...]) -> str:
    return f"[{', '.join(map(_affine, index))}]"


def _affine(index: Affine) -> str:
    pieces = [
        (coef, name if abs(coef) == 1 else f"{abs(coef)}*{name}")
        for name, coef in index.terms
    ]
    if index.const or not pieces:
        pieces.append((index.const, str(abs(index.const))))
    signed = (f"{'-' if coef < 0 else '+'} {piece}" for coef, piece in pieces)
    text = " ".join(signed)
    return text[2:] if text[0] == "+" else "-" + text[2:]


def _atom(atom: Atom) -> str:
    match atom:
        case str():
            return atom
        case Const(bool(value), dtype):
            return f"{'true' if value else 'false'}:{dtype}"
        case Const(value, dtype):  # repr is the shortest text that keeps every bit
            return f"{value!r}:{dtype}"

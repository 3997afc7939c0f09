"""Reading the text form of kernels and programs (`text`) back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast, get_args

from . import ir
from .cursor import Line, ParseError, read_lines
from .ir import (
    Affine,
    Atom,
    Buffer,
    Carry,
    Check,
    Combine,
    Const,
    Extent,
    Kernel,
    Let,
    Load,
    Loop,
    LoopKind,
    State,
    Statement,
    Store,
)
from .program import (
    Array,
    Call,
    End,
    Gemm,
    Guard,
    Launch,
    Otherwise,
    Program,
    ReadScalar,
    Repeat,
    Role,
    Row,
    Step,
    When,
)
from .text import INDENT

#: What the lines of a program begin with, besides the roles of arrays.
_ENTRIES = (
    "host", "guard", "launch", "gemm", "call", "repeat", "when", "otherwise", "end",
    "return",
)  # fmt: skip


def parse_kernel(text: str) -> Kernel:
    """The kernel that `text` describes; raises `ParseError`."""
    lines = read_lines(text)
    if not lines:
        raise ParseError(1, "expected a kernel, found nothing")
    return _parse_kernel(lines)[1]


def parse_program(text: str) -> Program:
    """The program that `text` describes; raises `ParseError`."""
    lines = read_lines(text)
    if not lines:
        raise ParseError(1, "expected a program, found nothing")
    head = lines[0]
    head.at_indent(0)
    head.expect("program")
    parser = _ProgramParser(head.take("name"), {}, [], [], [], [])
    head.end()
    position = 1
    while position < len(lines):
        first = position
        position += 1
        while position < len(lines) and lines[position].indent > INDENT:
            position += 1
        parser.section(lines[first:position])
    if parser.results is None:
        lines[-1].fail("the program ends without 'return'")
    return parser.program(parser.results)


def _parse_name(line: Line) -> str:
    return line.take("name")


def _parse_int(line: Line) -> int:
    sign = -1 if line.accept("-") else 1
    return sign * int(line.take("int"))


def _parse_extent(line: Line) -> Extent:
    if line.peek() == "-":
        return _parse_int(line)
    text = line.take("name", "int")
    return int(text) if text.isdecimal() else text


def _parse_dtype(line: Line) -> str:
    return line.expect(*ir.DTYPES)


def _parse_atom(line: Line) -> Atom:
    text = line.take("name", "const")
    literal, colon, dtype = text.partition(":")
    if not colon:
        return text
    if literal in ("true", "false"):
        return Const(literal == "true", dtype)
    is_int = literal.lstrip("-").isdecimal()
    return Const(int(literal) if is_int else float(literal), dtype)


def _parse_affine(line: Line) -> Affine:
    terms: list[tuple[str, int]] = []
    const, is_first = 0, True
    while True:
        sign = line.accept("+", "-") if not is_first else line.accept("-") or "+"
        if not sign:
            return Affine(tuple(terms), const)
        is_first = False
        factor = -1 if sign == "-" else 1
        text = line.take("name", "int")
        if not text.isdecimal():
            terms.append((text, factor))
        elif line.accept("*"):
            terms.append((line.take("name"), factor * int(text)))
        else:
            const += factor * int(text)


def _parse_buffer(line: Line, mode: str = "") -> Buffer:
    """``name: [mode] dtype[shape]``; `mode` is what holds where none is written."""
    name = line.take("name")
    line.expect(":")
    modes = ("in", "out", "inout")
    given = line.accept(*modes) or mode or line.expect(*modes)
    dtype = _parse_dtype(line)
    shape = line.bracketed(_parse_extent)
    return Buffer(name, dtype, shape, given)  # type: ignore[arg-type]


def _parse_carry(line: Line) -> Carry:
    name = line.take("name")
    line.expect("=")
    combine = cast(Combine, line.expect(*get_args(Combine)))
    value = _parse_atom(line)
    line.expect(":")
    return Carry(name, combine, value, _parse_dtype(line))


def _parse_states(line: Line) -> tuple[State, ...]:
    """What a loop keeps, up to what ends the list."""
    states = [_parse_state(line)]
    while line.accept(","):
        states.append(_parse_state(line))
    return tuple(states)


def _parse_state(line: Line) -> State:
    """``name = init then next to final: dtype``."""
    name = line.take("name")
    line.expect("=")
    init = _parse_atom(line)
    line.expect("then")
    following = _parse_atom(line)
    line.expect("to")
    final = line.take("name")
    line.expect(":")
    return State(name, init, following, final, _parse_dtype(line))


def _parse_statement(line: Line) -> Statement:
    """One statement; a loop without its body."""
    keyword = line.peek()
    statement: Statement
    if line.peek(1) == "=":
        statement = _parse_definition(line)
    elif line.accept("store"):
        buffer = line.take("name")
        index = line.bracketed(_parse_affine)
        accumulate = line.expect("=", "+=") == "+="
        statement = Store(buffer, index, _parse_atom(line), accumulate)
    elif line.accept("check"):
        ok = line.take("name")
        line.expect("else")
        code = _parse_int(line)
        number = _parse_atom(line) if line.accept("in") else None
        statement = Check(ok, code, number)
    elif line.accept(*get_args(LoopKind)):
        axis = line.take("name")
        line.expect("<")
        extent = _parse_extent(line)
        state = _parse_states(line) if line.accept("keeping") else ()
        going = line.take("name") if line.accept("while") else None
        carries = line.separated("", _parse_carry) if line.accept("->") else ()
        kind = cast(LoopKind, keyword)
        statement = Loop(axis, extent, kind, (), carries, state, going)
    else:
        line.fail(f"expected a statement, found {line.found()}")
    line.end()
    return statement


def _parse_definition(line: Line) -> Let | Load:
    """``name = op(args): dtype`` or ``name = load buffer[index] [if guard]: dtype``."""
    name = line.take("name")
    line.expect("=")
    op = line.take("name")
    if op == "load" and line.peek() != "(":
        buffer = line.take("name")
        index = line.bracketed(_parse_affine)
        guard = line.take("name") if line.accept("if") else None
        line.expect(":")
        return Load(name, buffer, index, _parse_dtype(line), guard)
    line.expect("(")
    args = line.separated(")", _parse_atom)
    line.expect(")")
    line.expect(":")
    return Let(name, op, args, _parse_dtype(line))


def _parse_kernel(lines: list[Line]) -> tuple[str, Kernel]:
    """The label and the kernel of a header with everything below it."""
    head = lines[0]
    head.expect("kernel")
    name = head.take("name")
    label = name + (f"@{head.take('int')}" if head.accept("@") else "")
    head.expect("(")
    buffers: list[Buffer] = []
    while head.peek() not in (")", ";"):
        if buffers:
            head.expect(",")
        buffers.append(_parse_buffer(head))
    sizes = head.separated(")", _parse_name) if head.accept(";") else ()
    head.expect(")")
    split = head.take("name") if head.accept("split") else None
    head.end()
    scratch, position = [], 1
    while position < len(lines) and lines[position].peek() == "scratch":
        line = lines[position]
        if line.peek(1) == "=":  # a value of that name
            break
        line.at_indent(head.indent + INDENT)
        line.expect("scratch")
        scratch.append(_parse_buffer(line, "inout"))
        line.end()
        position += 1
    body = _parse_body(lines[position:], head.indent + INDENT)
    return label, Kernel(name, tuple(buffers), sizes, body, split, tuple(scratch))


def _parse_body(lines: list[Line], indent: int) -> tuple[Statement, ...]:
    """Statements whose indentation says in which loop they are."""
    heads: list[Loop] = []
    bodies: list[list[Statement]] = [[]]

    def close(depth: int) -> None:
        while len(heads) > depth:
            loop = replace(heads.pop(), body=tuple(bodies.pop()))
            bodies[-1].append(loop)

    for line in lines:
        depth, odd = divmod(line.indent - indent, INDENT)
        if odd or not 0 <= depth <= len(heads):
            line.fail(f"unexpected indentation of {line.indent} spaces")
        close(depth)
        statement = _parse_statement(line)
        if isinstance(statement, Loop):
            heads.append(statement)
            bodies.append([])
        else:
            bodies[-1].append(statement)
    close(0)
    return tuple(bodies[0])


@dataclass(slots=True)
class _ProgramParser:
    """What the lines of a program have said so far."""

    name: str
    kernels: dict[str, Kernel]
    arrays: list[Array]
    host: list[Let | ReadScalar]
    guards: list[Guard]
    steps: list[Step]
    results: tuple[str, ...] | None = None

    def program(self, results: tuple[str, ...]) -> Program:
        return Program(
            self.name,
            tuple(self.arrays),
            tuple(self.host),
            tuple(self.guards),
            tuple(self.steps),
            results,
        )

    def section(self, lines: list[Line]) -> None:
        """Take in one line of a program, or a kernel with its body."""
        line = lines[0]
        line.at_indent(INDENT)
        if line.peek() == "kernel":
            label, kernel = _parse_kernel(lines)
            if label in self.kernels:
                line.fail(f"a second kernel called {label!r}")
            self.kernels[label] = kernel
            return
        if len(lines) > 1:
            lines[1].fail(f"unexpected indentation of {lines[1].indent} spaces")
        if self.results is not None:
            line.fail("expected nothing after 'return'")
        self.entry(line)
        line.end()

    def entry(self, line: Line) -> None:
        """Take in a line that is not a kernel's."""
        roles = get_args(Role)
        match line.expect(*roles, *_ENTRIES):
            case "host":
                self.host.append(_parse_host(line))
            case "guard":
                self.guards.append(_parse_guard(line))
            case "launch":
                self.steps.append(self.launch(line))
            case "gemm":
                self.steps.append(_parse_gemm(line))
            case "call":
                self.steps.append(_parse_call(line))
            case "repeat":
                self.steps.append(_parse_repeat(line))
            case "when":
                self.steps.append(When(line.take("name")))
            case "otherwise":
                self.steps.append(Otherwise())
            case "end":
                self.steps.append(End())
            case "return":
                self.results = line.separated("", _parse_name)
            case role:
                self.arrays.append(_parse_array(line, cast(Role, role)))

    def launch(self, line: Line) -> Launch:
        label = line.take("name")
        label += f"@{line.take('int')}" if line.accept("@") else ""
        if label not in self.kernels:
            line.fail(f"no kernel called {label!r} stands above")
        arrays, sizes = _parse_arguments(line)
        return Launch(self.kernels[label], arrays, sizes)


def _parse_arguments(line: Line) -> tuple[tuple[str, ...], tuple[Extent, ...]]:
    """``(arrays; sizes)`` or ``(arrays)``."""
    line.expect("(")
    arrays: list[str] = []
    while line.peek() not in (")", ";"):
        if arrays:
            line.expect(",")
        arrays.append(line.take("name"))
    sizes = line.separated(")", _parse_extent) if line.accept(";") else ()
    line.expect(")")
    return tuple(arrays), sizes


def _parse_array(line: Line, role: Role) -> Array:
    name = line.take("name")
    line.expect(":")
    dtype = _parse_dtype(line)
    shape = line.bracketed(_parse_extent)
    paired = bool(line.accept("complex"))
    slot = _parse_int(line) if line.accept("slot") else None
    target = line.take("name") if line.accept("of") else None
    row = _parse_row(line) if line.accept("at") else None
    return Array(name, dtype, shape, role, slot, target, paired, row)


def _parse_row(line: Line) -> Row:
    start = _parse_extent(line)
    line.expect("+")
    negative = line.accept("-")
    stride = -_parse_int(line) if negative else _parse_extent(line)
    line.expect("*")
    return Row(line.take("name"), start, stride)


def _parse_repeat(line: Line) -> Repeat:
    counter = line.take("name")
    line.expect("<")
    extent = _parse_extent(line)
    going = line.take("name") if line.accept("while") else None
    moves = line.separated("", _parse_move) if line.accept("moving") else ()
    return Repeat(counter, extent, going, moves)


def _parse_move(line: Line) -> tuple[str, str]:
    target = line.take("name")
    line.expect("<-")
    return target, line.take("name")


def _parse_host(line: Line) -> Let | ReadScalar:
    if line.peek(2) == "read" and line.peek(3) != "(":
        name = line.take("name")
        line.expect("=")
        line.expect("read")
        return ReadScalar(name, line.take("name"))
    statement = _parse_definition(line)
    if isinstance(statement, Load):
        line.fail("a host statement reads an array with 'read'")
    return statement


def _parse_guard(line: Line) -> Guard:
    left = _parse_extent(line)
    relation = line.expect("eq", "le", "lt", "fits")
    right = _parse_extent(line)
    line.expect("else")
    return Guard(left, relation, right, _parse_int(line))  # type: ignore[arg-type]


def _parse_call(line: Line) -> Call:
    function = line.take("name")
    reads, sizes = _parse_arguments(line)
    line.expect("->")
    writes = [line.take("name")]
    while line.accept(","):
        writes.append(line.take("name"))
    line.expect("else")
    return Call(function, reads, tuple(writes), sizes, _parse_int(line))


def _parse_gemm(line: Line) -> Gemm:
    out = line.take("name")
    accumulate = line.expect("=", "+=") == "+="
    lhs, transpose_lhs = _parse_operand(line)
    line.expect("@")
    rhs, transpose_rhs = _parse_operand(line)
    line.expect("for")
    given = dict(line.separated("", _parse_keyword))
    for key in ("m", "n", "k"):
        if key not in given:
            line.fail(f"gemm without {key}=")
    return Gemm(
        out,
        lhs,
        rhs,
        given["m"],
        given["n"],
        given["k"],
        transpose_lhs=transpose_lhs,
        transpose_rhs=transpose_rhs,
        batch=given.get("batch", 1),
        lhs_batched="lhs_batched" not in given,
        rhs_batched="rhs_batched" not in given,
        accumulate=accumulate,
    )


def _parse_operand(line: Line) -> tuple[str, bool]:
    """``x`` or ``transpose(x)``: the name, and whether it is transposed."""
    name = line.take("name")
    if name != "transpose" or not line.accept("("):
        return name, False
    name = line.take("name")
    line.expect(")")
    return name, True


def _parse_keyword(line: Line) -> tuple[str, Extent]:
    key = line.expect("m", "n", "k", "batch", "lhs_batched", "rhs_batched")
    line.expect("=")
    if key.endswith("batched"):
        return key, line.expect("false")
    return key, _parse_extent(line)

"""Straight-line LLVM IR text: loads at offsets, calls through the table, sizes.

The driver and the entry are written with this, one instruction after another; kernels,
which need loop levels and vectors, use `lines`.  The IR has opaque pointers, so a value
is only its name and the type stands at each use.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import CompileError
from ..ir import Atom, Const, Extent, Let
from .runtime import Slot

#: The intrinsics that the driver, the entry and `support` use.
INTRINSICS = (
    "declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)",
    "declare { i64, i1 } @llvm.uadd.with.overflow.i64(i64, i64)",
    "declare { i64, i1 } @llvm.sadd.with.overflow.i64(i64, i64)",
    "declare { i64, i1 } @llvm.ssub.with.overflow.i64(i64, i64)",
    "declare { i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)",
    "declare i64 @llvm.smax.i64(i64, i64)",
    "declare i64 @llvm.smin.i64(i64, i64)",
    "declare i64 @llvm.umax.i64(i64, i64)",
    "declare i64 @llvm.abs.i64(i64, i1)",
    "declare double @llvm.maxnum.f64(double, double)",
    "declare double @llvm.minnum.f64(double, double)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
)

#: Lines of a block.  LLVM compares each load of a block with many others.
LONGEST_BLOCK = 400
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "slt", "le": "sle", "gt": "sgt", "ge": "sge"}


@dataclass(slots=True)
class Writer:
    """The body of one LLVM function in the making."""

    lines: list[str] = field(default_factory=list)
    count: int = 0
    _block: str = "entry"
    _begin: int = 0

    def fresh(self, hint: str) -> str:
        """A name not used before in this function."""
        self.count += 1
        return f"{hint}{self.count}"

    def let(self, text: str) -> str:
        """Append ``%fresh = text`` and return the value's name."""
        if len(self.lines) - self._begin > LONGEST_BLOCK:
            onward = self.fresh("on")
            self.do(f"br label %{onward}")
            self.label(onward)
        name = f"%{self.fresh('t')}"
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Append an instruction without a value, or one that names its own."""
        self.lines.append(f"  {text}")

    def label(self, name: str) -> None:
        """Start the block called `name`; the block before must have ended."""
        self._block = name
        self.lines.append(f"{name}:")
        self._begin = len(self.lines)

    def block(self) -> str:
        """The name of the block that is being written."""
        return self._block

    def require(self, ok: str, otherwise: str) -> None:
        """Go on where the i1 `ok` holds, else branch to the block `otherwise`."""
        onward = self.fresh("ok")
        self.do(f"br i1 {ok}, label %{onward}, label %{otherwise}")
        self.label(onward)

    def both(self, conditions: list[str]) -> str:
        """The conjunction of i1 values; true for none."""
        return self._fold("and", "true", conditions)

    def either(self, conditions: list[str]) -> str:
        """The disjunction of i1 values; false for none."""
        return self._fold("or", "false", conditions)

    def _fold(self, op: str, empty: str, conditions: list[str]) -> str:
        result = conditions[0] if conditions else empty
        for condition in conditions[1:]:
            result = self.let(f"{op} i1 {result}, {condition}")
        return result

    def address(self, pointer: str, offset: int) -> str:
        """`pointer` plus `offset` bytes."""
        if offset == 0:
            return pointer
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def load(self, kind: str, pointer: str, offset: int = 0) -> str:
        """The value of LLVM type `kind` at `pointer` + `offset` bytes."""
        return self.let(f"load {kind}, ptr {self.address(pointer, offset)}")

    def store(self, kind: str, value: str, pointer: str, offset: int = 0) -> None:
        """Store `value` at `pointer` + `offset` bytes."""
        self.do(f"store {kind} {value}, ptr {self.address(pointer, offset)}")

    def slot(self, slot: Slot) -> str:
        """The pointer that the run-time table, ``%table``, holds at `slot`."""
        return self.load("ptr", "%table", 8 * slot)

    def call(self, kind: str, slot: Slot, *args: str) -> str:
        """Call the C function at `slot`; the name of its value of type `kind`."""
        return self.let(f"call {kind} {self.slot(slot)}({', '.join(args)})")

    def invoke(self, slot: Slot, *args: str) -> None:
        """Call the C function at `slot`, which returns nothing."""
        self.do(f"call void {self.slot(slot)}({', '.join(args)})")

    def checked(
        self, op: str, left: str, right: str, bad: list[str], sign: str = "u"
    ) -> str:
        """``add``, ``mul`` (or signed ``sub``) of i64; `bad` gets the overflow bit."""
        name = f"@llvm.{sign}{op}.with.overflow.i64"
        pair = self.let(f"call {{ i64, i1 }} {name}(i64 {left}, i64 {right})")
        bad.append(self.let(f"extractvalue {{ i64, i1 }} {pair}, 1"))
        return self.let(f"extractvalue {{ i64, i1 }} {pair}, 0")

    def function(self, head: str) -> str:
        """The finished function: ``define head { ... }``."""
        return "\n".join([f"define {head} {{", "entry:", *self.lines, "}"])


def table_entry(name: str, slot: Slot, kind: str = "ptr") -> str:
    """Two lines that load the run-time table's entry `slot` into ``%name``."""
    return (
        f"  %{name}.at = getelementptr i64, ptr %table, i64 {int(slot)}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
    )


def c_string(name: str, text: bytes) -> str:
    """The definition of ``@name``, a zero-terminated string of plain characters."""
    return f'@{name} = private constant [{len(text) + 1} x i8] c"{text.decode()}\\00"'


def size(extent: Extent, sizes: dict[str, str]) -> str:
    """The i64 operand for `extent`, whose name is looked up in `sizes`."""
    if isinstance(extent, int):
        return str(extent)
    if extent not in sizes:
        raise CompileError(f"size {extent!r} is used before anything defines it")
    return sizes[extent]


def emit_let(
    out: Writer, let: Let, values: dict[str, str], bad: list[str] | None = None
) -> None:
    """Append int64 or bool statement `let`, with NumPy's semantics, and bind its name.

    Sums and products wrap; where they did is noted in `bad`.

    Raises `CompileError` for a dtype or an operation that sizes have no use for.
    """
    dtypes = {let.dtype, *(a.dtype for a in let.args if isinstance(a, Const))}
    if not dtypes <= {"int64", "bool"}:
        raise CompileError(f"size {let.name} = {let.op}: only int64 and bool are sizes")
    args = [_atom(a, values) for a in let.args]
    if bad is not None and let.op in ("add", "sub", "mul") and let.dtype == "int64":
        values[let.name] = out.checked(let.op, args[0], args[1], bad, sign="s")
    else:
        values[let.name] = _scalar(out, let.op, args, let.dtype == "bool")


def _atom(atom: Atom, values: dict[str, str]) -> str:
    if isinstance(atom, Const):
        return str(int(atom.value))
    return size(atom, values)


def _scalar(out: Writer, op: str, args: list[str], logical: bool) -> str:
    """One operation; bools are i64 0 and 1, so that every name has the same type."""
    match op, args:
        case (("add" | "sub" | "mul" | "and" | "or" | "xor"), [a, b]):
            return out.let(f"{op} i64 {a}, {b}")
        case (("eq" | "ne" | "lt" | "le" | "gt" | "ge"), [a, b]):
            return _as_size(out, out.let(f"icmp {_COMPARE[op]} i64 {a}, {b}"))
        case (("min" | "max"), [a, b]):
            return out.let(f"call i64 @llvm.s{op}.i64(i64 {a}, i64 {b})")
        case "select", [c, a, b]:
            chosen = out.let(f"icmp ne i64 {c}, 0")
            return out.let(f"select i1 {chosen}, i64 {a}, i64 {b}")
        case "neg", [a]:
            return out.let(f"sub i64 0, {a}")
        case "abs", [a]:
            return out.let(f"call i64 @llvm.abs.i64(i64 {a}, i1 false)")
        case "not", [a]:
            return out.let(f"xor i64 {a}, {1 if logical else -1}")
        case "cast", [a]:
            return _as_size(out, out.let(f"icmp ne i64 {a}, 0")) if logical else a
        case "floordiv", [a, b]:
            return _floordiv(out, a, b)
        case "rem", [a, b]:
            return _rem(out, a, b)
        case (("shl" | "shr"), [a, b]):
            return _shift(out, op, a, b)
    raise CompileError(f"sizes are not computed by {op} of {len(args)} arguments")


def _as_size(out: Writer, condition: str) -> str:
    return out.let(f"zext i1 {condition} to i64")


def _divide(out: Writer, a: str, b: str) -> tuple[str, str, str, str]:
    """(safe divisor, quotient, remainder, whether to step down to the floor).

    The hardware traps on a zero divisor and on the smallest integer over -1, so both
    divisors are replaced by 1 here; the callers put NumPy's value back.
    """
    special = out.let(f"add i64 {b}, 1")
    odd = out.let(f"icmp ult i64 {special}, 2")
    safe = out.let(f"select i1 {odd}, i64 1, i64 {b}")
    quotient = out.let(f"sdiv i64 {a}, {safe}")
    remainder = out.let(f"srem i64 {a}, {safe}")
    signs = out.let(f"xor i64 {remainder}, {safe}")
    opposite = out.let(f"icmp slt i64 {signs}, 0")
    inexact = out.let(f"icmp ne i64 {remainder}, 0")
    return safe, quotient, remainder, out.both([opposite, inexact])


def _floordiv(out: Writer, a: str, b: str) -> str:
    _, quotient, _, down = _divide(out, a, b)
    step = out.let(f"sext i1 {down} to i64")
    floor = out.let(f"add i64 {quotient}, {step}")
    negated = out.let(f"sub i64 0, {a}")
    minus = out.let(f"icmp eq i64 {b}, -1")
    zero = out.let(f"icmp eq i64 {b}, 0")
    result = out.let(f"select i1 {minus}, i64 {negated}, i64 {floor}")
    return out.let(f"select i1 {zero}, i64 0, i64 {result}")


def _rem(out: Writer, a: str, b: str) -> str:
    safe, _, remainder, down = _divide(out, a, b)
    shift = out.let(f"select i1 {down}, i64 {safe}, i64 0")
    return out.let(f"add i64 {remainder}, {shift}")


def _shift(out: Writer, op: str, a: str, b: str) -> str:
    """Shifts by 64 and more, or by less than 0, give 0, or the sign for ``shr``."""
    inside = out.let(f"icmp ult i64 {b}, 64")
    count = out.let(f"select i1 {inside}, i64 {b}, i64 {0 if op == 'shl' else 63}")
    if op == "shr":
        return out.let(f"ashr i64 {a}, {count}")
    shifted = out.let(f"shl i64 {a}, {count}")
    return out.let(f"select i1 {inside}, i64 {shifted}, i64 0")

"""Compiles straight-line `Let`s to a loop over arrays, apart from the CPU target.

Tests of the expansions need millions of evaluations with a true fused multiply-add,
which NumPy lacks.  With `contract`, LLVM may also fuse ``a * b + c``, as the CPU target
allows.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from symgraph.codegen.ir import COMPARISONS, Atom, Const, Let

TYPES = {
    "bool": "i1", "int32": "i32", "int64": "i64",
    "float32": "float", "float64": "double",
}  # fmt: skip
FLOAT_OPS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
INT_OPS = {
    "add": "add", "sub": "sub", "mul": "mul", "and": "and", "or": "or", "xor": "xor",
    "shl": "shl", "shr": "ashr",
}  # fmt: skip
INTRINSICS = {
    "fma": "fma", "sqrt": "sqrt", "rint": "rint", "floor": "floor", "abs": "fabs",
    "copysign": "copysign", "trunc": "trunc", "ceil": "ceil",
}  # fmt: skip
PREDICATES = {
    "eq": ("oeq", "eq"), "ne": ("une", "ne"), "lt": ("olt", "slt"),
    "le": ("ole", "sle"), "gt": ("ogt", "sgt"), "ge": ("oge", "sge"),
}  # fmt: skip


@dataclass(frozen=True)
class ScalarLoop:
    """A compiled ``out[i] = formula(x[i], ...)``."""

    engine: llvm.ExecutionEngine  # owns the code
    call: Callable[..., None]
    dtype: str

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        """The formula at every element of `arrays` (of one length)."""
        flat = [np.ascontiguousarray(a, self.dtype).ravel() for a in arrays]
        assert len({a.size for a in flat}) == 1
        out = np.empty_like(flat[0])
        self.call(out.size, out.ctypes.data, *(a.ctypes.data for a in flat))
        return out.reshape(arrays[0].shape)


def literal(c: Const) -> str:
    """`c` as LLVM text; floats are written as the bits of a double."""
    if c.dtype == "bool":
        return "true" if c.value else "false"
    if c.dtype.startswith("float"):
        return "0x" + struct.pack(">d", c.value).hex().upper()
    return str(c.value)


class Emitter:
    """The text of one function; `dtypes` holds what is defined so far."""

    def __init__(self, contract: bool) -> None:
        self.flag = "contract " if contract else ""
        self.dtypes: dict[str, str] = {}
        self.declared: set[str] = set()
        self.lines: list[str] = []

    def dtype(self, atom: Atom) -> str:
        return atom.dtype if isinstance(atom, Const) else self.dtypes[atom]

    def emit(self, let: Let) -> None:
        """Append the instruction for `let`."""
        if let.op == "lookup":
            self.lookup(let)
            return
        args = [literal(a) if isinstance(a, Const) else f"%{a}" for a in let.args]
        source = self.dtype(let.args[0])
        is_float = source.startswith("float")
        ty, to = TYPES[source], TYPES[let.dtype]
        typed = [
            f"{TYPES[self.dtype(a)]} {t}" for a, t in zip(let.args, args, strict=True)
        ]
        if let.op in COMPARISONS:
            kind = PREDICATES[let.op][0 if is_float else 1]
            code = f"{'f' if is_float else 'i'}cmp {kind} {ty} {args[0]}, {args[1]}"
        elif let.op == "select":
            code = f"select {', '.join(typed)}"
        elif let.op == "bitcast":
            code = f"bitcast {typed[0]} to {to}"
        elif let.op == "cast":
            direction = "fpext" if let.dtype == "float64" else "fptrunc"
            code = f"{direction} {typed[0]} to {to}"
        elif let.op == "not":
            code = f"xor {typed[0]}, {'true' if source == 'bool' else -1}"
        elif let.op == "neg":
            code = f"fneg {typed[0]}"
        elif is_float:
            code = self.float_code(let.op, source, args)
        else:
            code = f"{INT_OPS[let.op]} {ty} {args[0]}, {args[1]}"
        self.lines.append(f"  %{let.name} = {code}")
        self.dtypes[let.name] = let.dtype

    def lookup(self, let: Let) -> None:
        """Append the load of an entry of a constant array."""
        index, *table = let.args
        whole, ty = TYPES[self.dtype(index)], TYPES[let.dtype]
        entries = ", ".join(f"{ty} {literal(c)}" for c in table if isinstance(c, Const))
        array = f"@table.{let.name}"
        self.declared.add(f"{array} = private constant [16 x {ty}] [{entries}]")
        self.lines += [
            f"  %{let.name}.low = and {whole} %{index}, 15",
            f"  %{let.name}.at = getelementptr {ty}, ptr {array}, "
            f"{whole} %{let.name}.low",
            f"  %{let.name} = load {ty}, ptr %{let.name}.at",
        ]
        self.dtypes[let.name] = let.dtype

    def float_code(self, op: str, dtype: str, args: list[str]) -> str:
        """Float arithmetic, or a call of LLVM's intrinsic."""
        ty = TYPES[dtype]
        if op in FLOAT_OPS:
            return f"{FLOAT_OPS[op]} {self.flag}{ty} {', '.join(args)}"
        name = f"@llvm.{INTRINSICS[op]}.{dtype.replace('float', 'f')}"
        self.declared.add(f"declare {ty} {name}({', '.join([ty] * len(args))})")
        return f"call {ty} {name}({', '.join(f'{ty} {a}' for a in args)})"


def source(lets: tuple[Let, ...], parameters: tuple[str, ...], contract: bool) -> str:
    """LLVM text of ``f(n, out, *parameters)``, a scalar loop."""
    dtype = lets[-1].dtype
    emitter = Emitter(contract)
    for p in parameters:
        emitter.dtypes[p] = dtype
        ty = TYPES[dtype]
        emitter.lines.append(f"  %at_{p} = getelementptr {ty}, ptr %{p}_, i64 %i")
        emitter.lines.append(f"  %{p} = load {ty}, ptr %at_{p}")
    for let in lets:
        emitter.emit(let)
    pointers = ", ".join(f"ptr noalias %{p}_" for p in parameters)
    return "\n".join(
        [
            f"define void @f(i64 %n, ptr noalias %out, {pointers}) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %i = phi i64 [0, %entry], [%next, %loop]",
            *emitter.lines,
            f"  %to = getelementptr {TYPES[dtype]}, ptr %out, i64 %i",
            f"  store {TYPES[dtype]} %{lets[-1].name}, ptr %to",
            "  %next = add i64 %i, 1",
            "  %more = icmp slt i64 %next, %n",
            "  br i1 %more, label %loop, label %end",
            "end:",
            "  ret void",
            "}",
            *sorted(emitter.declared),
        ]
    )


def compile_lets(
    lets: tuple[Let, ...], parameters: tuple[str, ...], contract: bool
) -> ScalarLoop:
    """The value of the last of `lets`, which are over `parameters`, as a loop."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=1,
    )
    module = llvm.parse_assembly(source(lets, parameters, contract))
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_int64, ctypes.c_void_p, *[ctypes.c_void_p] * len(parameters)
    )
    call = signature(engine.get_function_address("f"))
    return ScalarLoop(engine, call, lets[-1].dtype)

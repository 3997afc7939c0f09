"""A Program's native entry: a METH_FASTCALL function that checks, allocates and runs.

On the fast path no Python code runs: arguments are exact, native, C-contiguous arrays
whose dimensions agree, so their data pointers go straight to the steps; and where there
are no dimensions, NumPy's scalars or Python's floats.  Whatever else is given
(keywords, lists, strided or byte-swapped arrays, a wrong shape) goes to the function's
*slow* callable, which converts it or raises the readable error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import CompileError
from ..ir import DTYPES, FLOATS
from ..program import Array, Gemm, Launch, Program, ReadScalar
from .main import Frame, frame_of
from .runtime import (
    CONTIGUOUS,
    DATA,
    DESCR,
    DIMENSIONS,
    FLAGS,
    LAYOUT,
    LIST_ITEMS,
    LIST_SIZE,
    NDIM,
    SCALAR_VALUE,
    TYPE,
    USES_THREADS,
    Cell,
    Slot,
    descr_slot,
    scalar_slot,
)
from .straight import Writer, c_string, emit_let, size
from .support import unoptimized
from .timing import laps_of

EMPTIED = b"a shared variable's storage was emptied during a call"
_RELATIONS = {"eq": "eq", "le": "sle", "lt": "slt", "fits": "eq"}


@dataclass(slots=True)
class _Entry:
    """The function being written, and where the program's values are in it.

    `objects` holds the arrays' PyObject pointers and `boxes` those of the shared
    variables' lists.  `held` maps the arrays that a call owns a reference to, shared
    and made ones, to their positions in the stack array ``%held``.
    """

    program: Program
    frame: Frame
    held: dict[str, int]
    out: Writer = field(default_factory=Writer)
    sizes: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    boxes: dict[str, str] = field(default_factory=dict)


def entry(program: Program, timed: bool = False) -> str:
    """``ptr @entry(self, args, count, names)``, with what it exports to `link`.

    `timed` says that the driver measures its steps.
    """
    _check(program)
    owned = program.by_role("shared", "output", "update")
    e = _Entry(program, frame_of(program), {a.name: i for i, a in enumerate(owned)})
    _begin(e)
    _arguments(e)
    _stored_arrays(e)
    _host(e)
    _hold_shared(e)
    _make_arrays(e)
    _run(e)
    _return(e)
    _leave(e)
    text = e.out.function("ptr @entry(ptr %self, ptr %args, i64 %count, ptr %names)")
    functions = unoptimized(RELEASE + "\n" + text)
    return "\n".join([_layout(program, timed), c_string("emptied", EMPTIED), functions])


def _check(program: Program) -> None:
    """What the entry takes for granted of a Program."""
    names = {array.name: array for array in program.arrays}
    for array in program.arrays:
        if array.dtype not in DTYPES:
            raise CompileError(
                f"array {array.name} has the unknown dtype {array.dtype}"
            )
        if array.role == "update":
            target = names.get(array.target or "")
            if target is None or target.role != "shared":
                raise CompileError(f"update {array.name} has no shared array as target")
            outer = (target.outer_dtype, len(target.shape))
            if outer != (array.outer_dtype, len(array.shape)):
                raise CompileError(
                    f"update {array.name} differs in type from its target"
                )
    targets = [array.target for array in program.by_role("update")]
    if len(targets) > len(set(targets)):
        raise CompileError("two updates have one shared array as target")
    for name in program.results:
        if name not in names or names[name].role != "output":
            raise CompileError(f"result {name!r} is no output array")


def _layout(program: Program, timed: bool) -> str:
    """Numbers that `link` compares with what it is given."""
    uses = 0
    if any(isinstance(s, Gemm) for s in program.steps):
        uses = USES_THREADS
    if any(isinstance(s, Launch) and s.kernel.split for s in program.steps):
        uses |= USES_THREADS
    words = (
        LAYOUT, len(program.by_role("input")), len(program.by_role("shared")),
        len(program.by_role("constant")), uses, len(program.functions),
        laps_of(program) if timed else 0,
    )  # fmt: skip
    listed = ", ".join(f"i64 {word}" for word in words)
    return f"@layout = constant [{len(words)} x i64] [{listed}]"


#: ``release(table, references, count)`` drops references; null ones are skipped.
RELEASE = f"""
define internal void @release(ptr %table, ptr %held, i64 %count) {{
entry:
  %decref.at = getelementptr i64, ptr %table, i64 {int(Slot.DECREF)}
  %decref = load ptr, ptr %decref.at
  %some = icmp sgt i64 %count, 0
  br i1 %some, label %loop, label %done
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %at = getelementptr ptr, ptr %held, i64 %i
  %object = load ptr, ptr %at
  call void %decref(ptr %object)
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def _begin(e: _Entry) -> None:
    """Stack memory, the cells, and the number of arguments."""
    out, program = e.out, e.program
    deepest = max([1, *(len(a.shape) for a in program.by_role("output", "update"))])
    out.do(f"%sizes = alloca [{max(1, len(e.frame.sizes))} x i64]")
    out.do(f"%data = alloca [{max(1, len(e.frame.arrays))} x ptr]")
    out.do(f"%held = alloca [{max(1, len(e.held))} x ptr]")
    out.do(f"%shape = alloca [{deepest} x i64]")
    out.do("%pending = alloca ptr")
    for array in program.by_role("input"):
        if array.outer_dtype == "float32" and not array.outer_shape:
            out.do(f"%rounded{e.frame.arrays[array.name]} = alloca float")
    out.do(f"%cells = load ptr, ptr {out.address('%self', DATA)}")
    out.do("%table = load ptr, ptr %cells")
    none = out.let("icmp eq ptr %names, null")
    right = out.let(f"icmp eq i64 %count, {len(program.by_role('input'))}")
    out.require(out.let(f"and i1 {none}, {right}"), "slow")


def _arguments(e: _Entry) -> None:
    for position, array in enumerate(e.program.by_role("input")):
        argument = e.out.load("ptr", "%args", 8 * position)
        if array.outer_shape:
            data = _accept(e, array, argument)
        else:
            data = _accept_scalar(e, array, argument)
        e.out.store("ptr", data, "%data", 8 * e.frame.arrays[array.name])


def _stored_arrays(e: _Entry) -> None:
    """Shared arrays, out of their boxes, and constants: checked like arguments."""
    out = e.out
    stored = e.program.by_role("shared") + e.program.by_role("constant")
    for position, array in enumerate(stored):
        value = out.load("ptr", "%cells", 8 * (Cell.OBJECTS + position))
        if array.role == "shared":
            e.boxes[array.name] = value
            length = out.load("i64", value, LIST_SIZE)
            out.require(out.let(f"icmp sgt i64 {length}, 0"), "slow")
            value = out.load("ptr", out.load("ptr", value, LIST_ITEMS))
        data = _accept(e, array, value)
        out.store("ptr", data, "%data", 8 * e.frame.arrays[array.name])


def _accept(e: _Entry, array: Array, value: str) -> str:
    """The data of `value`, if that is an exact array of the type of `array`.

    Goes to the slow path if not.
    """
    out = e.out
    kind = out.load("ptr", value, TYPE)
    exact = out.slot(Slot.NDARRAY)
    out.require(out.let(f"icmp eq ptr {kind}, {exact}"), "slow")
    return _accept_array(e, array, value)


def _accept_array(e: _Entry, array: Array, value: str) -> str:
    """The same where `value` is known to be an array."""
    out = e.out
    descr = out.load("ptr", value, DESCR)
    # NumPy has one descriptor object for each native type; byte-swapped arrays have
    # others.
    native = out.load("ptr", "%table", 8 * descr_slot(array.outer_dtype))
    rank = out.load("i32", value, NDIM)
    flags = out.load("i32", value, FLAGS)
    masked = out.let(f"and i32 {flags}, {CONTIGUOUS}")
    conditions = [
        out.let(f"icmp eq ptr {descr}, {native}"),
        out.let(f"icmp eq i32 {rank}, {len(array.outer_shape)}"),
        out.let(f"icmp eq i32 {masked}, {CONTIGUOUS}"),
    ]
    out.require(out.both(conditions), "slow")
    _bind_shape(e, array, value)
    e.objects[array.name] = value
    return out.load("ptr", value, DATA)


def _accept_scalar(e: _Entry, array: Array, value: str) -> str:
    """Where the number is that `value` is: an array without axes, or a scalar.

    Python's floats stand for numbers of either width.
    """
    out = e.out
    known, made, plain, done = (
        out.fresh(k) for k in ("array", "scalar", "float", "in")
    )
    kind = out.load("ptr", value, TYPE)
    is_array = out.let(f"icmp eq ptr {kind}, {out.slot(Slot.NDARRAY)}")
    out.do(f"br i1 {is_array}, label %{known}, label %{made}")
    out.label(known)
    found = {_accept_array(e, array, value): out.block()}
    out.do(f"br label %{done}")
    out.label(made)
    own = out.load("ptr", "%table", 8 * scalar_slot(array.outer_dtype))
    is_scalar = out.let(f"icmp eq ptr {kind}, {own}")
    found[out.address(value, SCALAR_VALUE)] = made
    if array.outer_dtype not in FLOATS:
        out.do(f"br i1 {is_scalar}, label %{done}, label %slow")
    else:
        out.do(f"br i1 {is_scalar}, label %{done}, label %{plain}")
        out.label(plain)
        is_float = out.let(f"icmp eq ptr {kind}, {out.slot(Slot.FLOAT)}")
        out.require(is_float, "slow")
        data = out.address(value, SCALAR_VALUE)
        if array.outer_dtype == "float32":
            data = _rounded(e, array, data)
        found[data] = out.block()
        out.do(f"br label %{done}")
    out.label(done)
    parts = ", ".join(f"[ {data}, %{block} ]" for data, block in found.items())
    return out.let(f"phi ptr {parts}")


def _rounded(e: _Entry, array: Array, data: str) -> str:
    """A Python float as a float32; one that becomes infinite goes to the slow path."""
    out, place = e.out, f"%rounded{e.frame.arrays[array.name]}"
    whole = out.load("double", data)
    number = out.let(f"fptrunc double {whole} to float")
    bits = out.let(f"bitcast float {number} to i32")
    size = out.let(f"and i32 {bits}, {0x7FFFFFFF}")
    out.require(out.let(f"icmp ne i32 {size}, {0x7F800000}"), "slow")
    out.store("float", number, place)
    return place


def _bind_shape(e: _Entry, array: Array, value: str) -> None:
    """A size's first dimension defines it; every other one is compared."""
    out, conditions = e.out, []
    shape = array.outer_shape
    dimensions = out.load("ptr", value, DIMENSIONS) if shape else ""
    for axis, extent in enumerate(shape):
        dimension = out.load("i64", dimensions, 8 * axis)
        if isinstance(extent, str) and extent not in e.sizes:
            e.sizes[extent] = dimension
        else:
            expected = size(extent, e.sizes)
            conditions.append(out.let(f"icmp eq i64 {dimension}, {expected}"))
    if conditions:
        out.require(out.both(conditions), "slow")


def _host(e: _Entry) -> None:
    """Compute the host's sizes, store them all, and check the guards."""
    out = e.out
    overflows: list[str] = []
    for statement in e.program.host:
        if isinstance(statement, ReadScalar):
            e.sizes[statement.name] = _read_scalar(e, statement)
        else:
            emit_let(out, statement, e.sizes, overflows)
    if overflows:
        wrong = out.either(overflows)
        out.require(out.let(f"xor i1 {wrong}, true"), "slow")
    for name, position in e.frame.sizes.items():
        out.store("i64", e.sizes[name], "%sizes", 8 * position)
    conditions = []
    for guard in e.program.guards:
        left, right = size(guard.left, e.sizes), size(guard.right, e.sizes)
        relation = _RELATIONS[guard.relation]
        holds = out.let(f"icmp {relation} i64 {left}, {right}")
        if guard.relation == "fits":
            once = out.let(f"icmp eq i64 {left}, 1")
            holds = out.let(f"or i1 {holds}, {once}")
        conditions.append(holds)
    if conditions:
        out.require(out.both(conditions), "slow")


def _read_scalar(e: _Entry, statement: ReadScalar) -> str:
    """The value of a 0-d integer array as int64."""
    array = e.program.array(statement.array)
    dtype = np.dtype(array.dtype)
    if array.shape or dtype.kind not in "biu" or array.name not in e.objects:
        raise CompileError(
            f"size {statement.name} is read from {array.role} {array.name}, which is "
            "no 0-d integer that the call is given"
        )
    width = 8 * dtype.itemsize
    data = e.out.load("ptr", "%data", 8 * e.frame.arrays[array.name])
    value = e.out.load(f"i{width}", data)
    if width == 64:
        return value
    extend = "sext" if dtype.kind == "i" else "zext"
    return e.out.let(f"{extend} i{width} {value} to i64")


def _hold_shared(e: _Entry) -> None:
    """From here on the call owns references: every way out passes ``leave``."""
    for name, position in e.held.items():
        value = e.objects.get(name, "null")
        e.out.store("ptr", value, "%held", 8 * position)
        if value != "null":
            e.out.invoke(Slot.INCREF, f"ptr {value}")


def _make_arrays(e: _Entry) -> None:
    """Outputs and updates, new and uninitialised."""
    out = e.out
    for array in e.program.by_role("output", "update"):
        dtype = np.dtype(array.outer_dtype)
        descr = out.load("ptr", "%table", 8 * descr_slot(array.outer_dtype))
        for axis, extent in enumerate(array.outer_shape):
            out.store("i64", size(extent, e.sizes), "%shape", 8 * axis)
        made = out.let(
            f"call ptr @new_array(ptr %table, ptr {descr}, i32 {dtype.num}, "
            f"i64 {dtype.itemsize}, i32 {len(array.outer_shape)}, ptr %shape)"
        )
        out.require(out.let(f"icmp ne ptr {made}, null"), "error")
        out.store("ptr", made, "%held", 8 * e.held[array.name])
        data = out.load("ptr", made, DATA)
        out.store("ptr", data, "%data", 8 * e.frame.arrays[array.name])
        e.objects[array.name] = made


def _run(e: _Entry) -> None:
    out = e.out
    if not e.program.steps:
        return
    out.do("%status = call i32 @run(ptr %cells, ptr %table, ptr %sizes, ptr %data)")
    out.require(out.let("icmp eq i32 %status, 0"), "failed")


def _return(e: _Entry) -> None:
    """The results, then the updates: nothing can fail once the first one is written."""
    out, results = e.out, e.program.results
    updates = e.program.by_role("update")
    for array in updates:
        length = out.load("i64", e.boxes[array.target or ""], LIST_SIZE)
        out.require(out.let(f"icmp sgt i64 {length}, 0"), "emptied")
    if len(results) == 1:
        result = _result(e, results[0])
        out.require(out.let(f"icmp ne ptr {result}, null"), "error")
    else:
        result = _result_list(e)
    for array in updates:
        items = out.load("ptr", e.boxes[array.target or ""], LIST_ITEMS)
        old = out.load("ptr", items)
        out.store("ptr", e.objects[array.name], items)
        out.store("ptr", old, "%held", 8 * e.held[array.name])
        _keep(e, array, old)
    for array in e.program.by_role("output"):
        _keep(e, array, e.objects[array.name])
    _release(e)
    out.do(f"ret ptr {result}")


def _keep(e: _Entry, array: Array, value: str) -> None:
    """Hold on to a large array, whose memory may serve again."""
    if array.outer_shape:
        item = np.dtype(array.outer_dtype).itemsize
        e.out.do(f"call void @keep(ptr %table, ptr {value}, i64 {item})")


def _result(e: _Entry, name: str) -> str:
    """A new reference to an output: the array, or the scalar that a 0-d one holds."""
    value = e.objects[name]
    e.out.invoke(Slot.INCREF, f"ptr {value}")
    if e.program.array(name).outer_shape:
        return value
    return e.out.call("ptr", Slot.RETURN_ARRAY, f"ptr {value}")


def _result_list(e: _Entry) -> str:
    out, results = e.out, e.program.results
    made = out.call("ptr", Slot.NEW_LIST, f"i64 {len(results)}")
    out.require(out.let(f"icmp ne ptr {made}, null"), "error")
    out.store("ptr", made, "%pending")
    for position, name in enumerate(results):
        value = _result(e, name)
        out.require(out.let(f"icmp ne ptr {value}, null"), "unlist")
        out.call("i32", Slot.SET_ITEM, f"ptr {made}", f"i64 {position}",
            f"ptr {value}",
        )  # fmt: skip
    return made


def _release(e: _Entry) -> None:
    e.out.do(f"call void @release(ptr %table, ptr %held, i64 {len(e.held)})")


def _leave(e: _Entry) -> None:
    """The other ways out: the slow path, a failed check, an error."""
    out = e.out
    out.label("slow")
    slow = out.load("ptr", "%cells", 8 * Cell.SLOW)
    converted = out.call(
        "ptr", Slot.VECTORCALL, f"ptr {slow}", "ptr %args", "i64 %count", "ptr %names",
    )  # fmt: skip
    out.do(f"ret ptr {converted}")
    if e.program.steps:
        _leave_failed(e)
    if e.program.by_role("update"):
        out.label("emptied")
        error = out.slot(Slot.RUNTIME_ERROR)
        out.invoke(Slot.SET_STRING, f"ptr {error}", "ptr @emptied")
        out.do("br label %error")
    if len(e.program.results) > 1:
        out.label("unlist")
        made = out.load("ptr", "%pending")
        out.invoke(Slot.DECREF, f"ptr {made}")
        out.do("br label %error")
    out.label("error")
    _release(e)
    out.do("ret ptr null")


def _leave_failed(e: _Entry) -> None:
    """A step failed: an exception is set, or `fail` raises the one for the code."""
    out = e.out
    out.label("failed")
    out.require(out.let("icmp sgt i32 %status, 0"), "error")
    _release(e)
    # The round in which it failed stands in the upper half.
    code = out.let("zext i32 %status to i64")
    turn = out.load("i64", "%cells", 8 * Cell.ROUND)
    code = out.let(f"or i64 {code}, {out.let(f'shl i64 {turn}, 32')}")
    number = out.call("ptr", Slot.FROM_LONG, f"i64 {code}")
    made = out.let(f"icmp ne ptr {number}, null")
    out.require(made, "nothing")
    out.store("ptr", number, "%pending")
    fail = out.load("ptr", "%cells", 8 * Cell.FAIL)
    raised = out.call("ptr", Slot.VECTORCALL, f"ptr {fail}", "ptr %pending", "i64 1",
        "ptr null",
    )  # fmt: skip
    out.invoke(Slot.DECREF, f"ptr {number}")
    out.do(f"ret ptr {raised}")
    out.label("nothing")
    out.do("ret ptr null")

"""The checker: sound kernels pass, and each kind of fault is named."""

from __future__ import annotations

from textwrap import dedent

import pytest

from symgraph.codegen import ir
from symgraph.codegen.check import (
    TYPING,
    CheckError,
    check_kernel,
    type_mismatch,
)
from symgraph.codegen.ir import Buffer, Const, Kernel, Let
from symgraph.codegen.parse import parse_kernel, parse_program
from symgraph.codegen.program import Launch
from symgraph.codegen.program_check import check_program


def kernel(body: str, split: str = "", scratch: str = "") -> Kernel:
    """A kernel over fixed buffers with `body`."""
    head = (
        "kernel k(x: in float32[n, m], at: in int64[n], y: out float32[n], "
        f"out: out float32[n, m], z: inout float32[8], big: out float32[t]; n, m, t)"
        f"{split and ' split ' + split}\n"
    )
    held = scratch and f"  scratch {scratch}\n"
    lines = dedent(body).strip("\n").splitlines()
    return parse_kernel(head + held + "\n".join("  " + line for line in lines))


SOUND = {
    "elementwise": """
        parallel i < n
          vector j < m
            a = load x[i, j]: float32
            b = exp(a): float32
            store out[i, j] = b
        """,
    "carry": """
        parallel i < n
          vector j < m -> s = sum a: float32
            a = load x[i, j]: float32
          store y[i] = s
        """,
    "columns": """
        parallel i < n
          serial j < m
            store out[i, j] = 0.0:float32
        """,
    "gather": """
        parallel i < n
          a = load at[i]: int64
          ok = lt(a, m): bool
          check ok else 1
          b = load x[i, a] if ok: float32
          store y[i] = b
        """,
    "part of a concatenation": """
        parallel i < n
          store big[n + i] = 1.0:float32
          store big[i] = 1.0:float32
        """,
    "interleaved": """
        parallel i < n
          store big[2*i] = 0.0:float32
          store big[2*i + 1] = 1.0:float32
        """,
    "blocks": """
        parallel i < n
          serial j < 4
            store big[4*i + j] = 0.0:float32
        """,
    "backwards": """
        parallel i < n
          store big[t - i - 1] = 0.0:float32
        """,
    "in place": """
        parallel i < 8
          a = load z[i]: float32
          store z[i] = a
        """,
    "halves": """
        parallel i < 4
          a = load z[i + 4]: float32
          store z[i] = a
        """,
    "one iteration": """
        parallel i < 1
          store z[3] = 0.0:float32
        """,
    "no iteration": """
        parallel i < 0
          store z[i + 9] = 0.0:float32
        """,
}


@pytest.mark.parametrize("body", SOUND.values(), ids=SOUND)
def test_sound(body: str) -> None:
    check_kernel(kernel(body, split="i"))


def test_sound_serial_kernels() -> None:
    check_kernel(
        kernel("""
        serial i < n
          vector j < 8
            a = load x[i, j]: float32
            store z[j] += a
        """)
    )
    check_kernel(
        kernel("""
        serial i < n
          a = load at[i]: int64
          b = load z[a]: float32
          store z[a] += b
          vector j < 8
            c = load z[j]: float32
            store z[a] += c
        """)
    )


def test_sound_scratch() -> None:
    body = """
        parallel i < n
          vector j < m
            store row[j] = 0.0:float32
          serial k < 3
            vector j < m
              a = load x[i, j]: float32
              store row[j] += a
          vector j < m
            b = load row[j]: float32
            store out[i, j] = b
        """
    check_kernel(kernel(body, split="i", scratch="row: float32[m]"))


SCOPES = {
    "'a' is not defined": "store z[0] = a",
    "'a' is out of scope here": """
        serial i < n
          a = load z[i]: float32
        store z[0] = a
        """,
    "'i' is not defined": """
        serial i < n
          a = load z[i]: float32
        b = load z[i]: float32
        """,
    "'s' is not defined": """
        serial i < n -> s = sum a: float32
          a = load z[i]: float32
          store z[i] = s
        """,
    "the name 'a' is taken": """
        a = load z[0]: float32
        a = load z[1]: float32
        """,
    "the name 'x' is taken": "x = load z[0]: float32",
    "the name 'n' is taken": "n = load z[0]: float32",
    "the name 'i' is taken": """
        serial i < n
          serial i < m
            a = load z[i]: float32
        """,
    "the name 'a' is taken, in `serial": """
        a = load z[0]: float32
        serial a < m
          store z[0] = a
        """,
    "unknown buffer 'q'": "a = load q[0]: float32",
    "the extent 'q', which is not a size": "serial i < q",
    "negative extent -1": "serial i < -1",
}

TYPES = {
    "unknown primitive 'sec'": "a = sec(1.0:float32): float32",
    "sub takes 2 arguments, given 1": "a = sub(1.0:float32): float32",
    "sub is TT->T for T in int8": "a = sub(true:bool, true:bool): bool",
    "given \\('float32', 'float64'\\)": "a = add(1.0:float32, 1.0:float64): float32",
    "add of float32 does not give float64, in `a": """
        a = add(1.0:float32, 2.0:float32): float64
        """,
    "lt of int64 does not give int64": "a = lt(n, m): int64",
    "bitcast of float32 does not give int64": "a = bitcast(1.0:float32): int64",
    "select is BTT->T": "a = select(n, n, n): int64",
    "sqrt is T->T for T in float32": "a = sqrt(n): int64",
    "300 is no uint8": "a = neg(300:uint8): uint8",
    "0.1 is not rounded to float32": "a = neg(0.1:float32): float32",
    "a float32 literal holds a Python float": "a = neg(1:float32): float32",
    "has rank 2, not 1": "a = load x[0]: float32",
    "is float32, loaded as float64": "a = load z[0]: float64",
    "is float32, the value int64": "store z[0] = n",
    "x is an 'in' buffer": "store x[0, 0] = 1.0:float32",
    "the index 'a' is not int64": """
        a = load z[0]: float32
        b = load z[a]: float32
        """,
    "'n' is int64, not bool": "check n else 1",
    "'m' is int64, not bool": "a = load z[0] if m: float32",
    "the error code 0": """
        a = lt(n, m): bool
        check a else 0
        """,
    "a round is bool, not int64": """
        a = lt(n, m): bool
        check a else 1 in a
        """,
    "or is TT->T for T in bool": """
        serial i < n -> s = or a: float32
          a = load z[i]: float32
        """,
    "add of float32 does not give float64, in `serial": """
        serial i < n -> s = sum a: float64
          a = load z[i]: float32
        """,
}

ORDER = {
    "a parallel loop stands outermost": """
        serial j < m
          parallel i < n
            store y[i] = 0.0:float32
        """,
    "a parallel loop cannot carry": """
        parallel i < n -> s = sum a: float32
          a = load y[i]: float32
        """,
    "y is read before anything is stored to it": "a = load y[0]: float32",
    "nothing is stored to y before this": "store y[0] += 1.0:float32",
    "falls to -1": """
        serial i < n
          a = load z[i - 1]: float32
        """,
    "exceeds its last place by 1": "a = load z[8]: float32",
    "exceeds its last place by 1, in `b": """
        serial i < n
          b = load at[i + 1]: int64
        """,
    "exceeds its last place by 2": """
        serial i < 4
          serial j < 3
            a = load z[2*i + j + 1]: float32
        """,
    "falls to -3": """
        serial i < 4
          a = load z[-i]: float32
        """,
    "exceeds its last place by 5": """
        serial i < n
          a = load x[i, m + 4]: float32
        """,
}


@pytest.mark.parametrize(
    ("reason", "body"), [*SCOPES.items(), *TYPES.items(), *ORDER.items()]
)
def test_faults(reason: str, body: str) -> None:
    with pytest.raises(CheckError, match=reason):
        check_kernel(kernel(body))


RACES = {
    "iterations of 'i' may store to one place": [
        "store z[0] = 1.0:float32",
        "store big[n] = 1.0:float32",
        """
        serial j < 3
          store big[2*i + j] = 1.0:float32
        """,
        """
        serial j < m
          store big[i + j] = 1.0:float32
        """,
        """
        a = load at[i]: int64
        store big[a] = 1.0:float32
        """,
        """
        a = load at[i]: int64
        store big[i + a] = 1.0:float32
        """,
    ],
    "'\\+=' inside of the parallel or split loop": ["store z[i] += 1.0:float32"],
    "another iteration of 'i' may store to that place": [
        """
        a = load z[i + 1]: float32
        store z[i] = a
        """,
        """
        a = load z[0]: float32
        store z[i] = a
        """,
        """
        store big[i] = 1.0:float32
        store big[i + 1] = 1.0:float32
        """,
        """
        store big[i] = 1.0:float32
        store big[2*i] = 1.0:float32
        """,
        """
        store big[2*i] = 1.0:float32
        store big[2*i + 4] = 1.0:float32
        """,
    ],
}


@pytest.mark.parametrize("kind", ["parallel", "vector", "serial"])
@pytest.mark.parametrize(
    ("reason", "body"), [(reason, body) for reason in RACES for body in RACES[reason]]
)
def test_races(reason: str, body: str, kind: str) -> None:
    lines = ("  " + line for line in dedent(body).strip("\n").splitlines())
    nest = f"{kind} i < 7\n" + "\n".join(lines)
    with pytest.raises(CheckError, match=reason):
        check_kernel(kernel(nest, split="i"))


def test_faults_of_split_and_scratch() -> None:
    with pytest.raises(CheckError, match="split names 'j'"):
        check_kernel(kernel(SOUND["elementwise"], split="j"))
    with pytest.raises(CheckError, match="a store outside of the split loop"):
        check_kernel(kernel(SOUND["columns"] + "store y[0] = 1.0:float32", split="i"))
    total = "vector i < 8 -> s = sum a: float32\n  a = load x[i, 0]: float32\n"
    check_kernel(kernel(total + "store y[0] = s", split="i"))
    with pytest.raises(CheckError, match="a store outside of the split loop"):
        check_kernel(kernel("store y[0] = 1.0:float32\n" + total, split="i"))
    with pytest.raises(CheckError, match="may store to one place"):
        check_kernel(kernel(total + "  store y[0] = a", split="i"))
    with pytest.raises(CheckError, match="holds nothing to read"):
        check_kernel(kernel(SOUND["columns"], scratch="row: in float32[m]"))
    with pytest.raises(CheckError, match="row is read before"):
        check_kernel(kernel("a = load row[0]: float32", scratch="row: float32[m]"))


def test_faults_that_text_cannot_hold() -> None:
    with pytest.raises(CheckError, match="'a b' is not a name"):
        let = Let("a b", "neg", (Const(1.0, "float32"),), "float32")
        check_kernel(Kernel("k", (), (), (let,)))
    with pytest.raises(CheckError, match="unknown dtype 'float16'"):
        let = Let("a", "neg", (Const(1.0, "float16"),), "float16")
        check_kernel(Kernel("k", (), (), (let,)))
    with pytest.raises(CheckError, match="buffer x is in complex64"):
        check_kernel(Kernel("k", (Buffer("x", "complex64", (), "in"),), (), ()))


def test_errors_say_where() -> None:
    with pytest.raises(CheckError) as caught:
        check_kernel(kernel("store z[0] = 1.0:float64"))
    error = caught.value
    assert error.name == "k"
    assert isinstance(error.item, ir.Store)
    expected = "k: z is float32, the value float64, in `store z[0] = 1.0:float64`"
    assert str(error) == expected


def test_every_primitive_has_a_typing_rule_of_its_arity() -> None:
    arities = ir.PRIMITIVES | ir.TRANSCENDENTALS
    assert {op: len(rule[0].split("->")[0]) for op, rule in TYPING.items()} == arities


@pytest.mark.parametrize(
    ("op", "args", "result"),
    [
        ("add", ("bool", "bool"), "bool"),
        ("fma", ("float32",) * 3, "float32"),
        ("eq", ("bool", "bool"), "bool"),
        ("select", ("bool", "int8", "int8"), "int8"),
        ("cast", ("float64",), "bool"),
        ("bitcast", ("uint32",), "float32"),
        ("not", ("uint8",), "uint8"),
        ("pow", ("float32", "float32"), "float32"),
        ("lookup", ("int32", *["float32"] * 16), "float32"),
    ],
)
def test_types_that_fit(op: str, args: tuple[str, ...], result: str) -> None:
    assert type_mismatch(op, args, result) == ""


PROGRAM = """\
program p
  input x: float32[n, 4]
  input s: int64[]
  shared w: float32[4, 4]
  output y: float32[n, 4]
  update w1: float32[4, 4] of w
  temp t: float32[n, 4] slot 0
  host k = read s
  host k1 = add(k, 1:int64): int64
  guard n le k1 else 3
  kernel copy(x: in float32[n, 4], out: out float32[n, 4]; n) split i
    parallel i < n
      vector j < 4
        v1 = load x[i, j]: float32
        store out[i, j] = v1
  gemm t = x @ w for m=n, n=4, k=4
  launch copy(t, y; n)
  launch copy(w, w1; 4)
  return y
"""


def test_sound_program() -> None:
    check_program(parse_program(PROGRAM))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("copy(t, y; n)", "copy(t; n)", "the number of arrays or sizes"),
        ("copy(t, y; n)", "copy(t, y)", "the number of arrays or sizes"),
        ("copy(t, y; n)", "copy(t, q; n)", "unknown array 'q'"),
        ("copy(t, y; n)", "copy(t, y; q)", "'q' is not a size"),
        ("copy(t, y; n)", "copy(s, y; n)", "s is int64"),
        ("copy(w, w1; 4)", "copy(w, w1; 5)", "w is float32\\(4, 4\\), x is"),
        ("copy(t, y; n)", "copy(t, t; n)", "t is written and passed twice"),
        ("copy(t, y; n)", "copy(y, t; n)", "y is read before any step writes it"),
        ("copy(t, y; n)", "copy(t, x; n)", "input array x is written"),
        ("copy(w, w1; 4)", "copy(w, t; 4)", "no step writes this array"),
        ("copy(t, y; n)", "copy(x, t; n)", "no step writes this array"),
        ("gemm t = x @ w", "gemm t += x @ w", "t is read before"),
        ("gemm t = x @ w", "gemm t = t @ w", "t is written and read"),
        ("gemm t = x @ w", "gemm t = x @ s", "gemm of float32 and int64"),
        ("k=4", "k=5", "w has 16 elements, not 20"),
        ("w1: float32[4, 4] of w", "w1: float32[4, 4]", "target None is not a shared"),
        ("w1: float32[4, 4] of w", "w1: float32[4, 4] of x", "target 'x' is not"),
        ("w1: float32[4, 4] of w", "w1: float64[4, 4] of w", "the target is float32"),
        ("  temp", "  update w2: float32[4, 4] of w\n  temp", "a second update of w"),
        ("temp t", "temp y", "the name 'y' is taken"),
        ("[n, 4] slot", "[q, 4] slot", "'q' is not a size"),
        ("read s", "read x", "a given 0-d integer array"),
        ("read s", "read r", "unknown array 'r'"),
        ("host k1", "host k", "the name 'k' is taken"),
        ("add(k,", "add(q,", "'q' is not defined"),
        ("1:int64)", "1:int32)", "given \\('int64', 'int32'\\)"),
        ("n le k1 else 3", "n le q else 3", "'q' is not a size"),
        ("else 3", "else 0", "its code is > 0"),
        ("return y", "return t", "the result 't' is not an output"),
        ("store out[i, j]", "store out[0, j]", "iterations of 'i' may store"),
    ],
)
def test_program_faults(old: str, new: str, reason: str) -> None:
    assert old in PROGRAM
    with pytest.raises(CheckError, match=reason):
        check_program(parse_program(PROGRAM.replace(old, new, 1)))


def test_program_errors_name_the_launch() -> None:
    program = parse_program(PROGRAM.replace("copy(t, y; n)", "copy(t, y; q)"))
    with pytest.raises(CheckError, match="in the launch of copy") as caught:
        check_program(program)
    assert isinstance(caught.value.item, Launch)

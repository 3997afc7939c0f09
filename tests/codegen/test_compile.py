"""Modules compiled side by side: the same code in the same order, and what fails."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest

from symgraph.codegen.cpu import build
from symgraph.codegen.cpu.compile import (
    Kept,
    Module,
    _optimized,
    compile_assembly,
    compile_module,
    compile_modules,
    kept,
)
from symgraph.codegen.cpu.host import detect
from symgraph.codegen.errors import CompileError
from symgraph.codegen.parse import parse_program
from symgraph.codegen.program import Program


def module(number: int) -> Module:
    """A module of its own, whose machine code tells which it is."""
    lines = "\n".join(f"  %v{k + 1} = mul i64 %v{k}, {number + 3}" for k in range(60))
    head = f"define i64 @f{number}(i64 %v0) {{"
    return Module(f"{head}\n{lines}\n  ret i64 %v60\n}}\n", fast=number % 2 == 1)


MALFORMED = {
    "no LLVM": "what is this\n",
    # Only the verifier sees that %v0 is used before it is there.
    "not in order": "define i64 @g(i64 %x) {\nentry:\n  br label %a\nb:\n"
    "  %v0 = add i64 %x, 1\n  ret i64 %v0\na:\n  ret i64 %v0\n}\n",
}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_modules_come_in_order_whoever_compiles_them(threads: int) -> None:
    modules = [module(number) for number in range(9)]
    before = threading.active_count()
    found = compile_modules(iter(modules), detect(), threads)
    assert threading.active_count() == before
    alone = [compile_modules([each], detect())[0] for each in modules]
    assert found == alone and len(set(found)) == len(found)


def test_modules_are_taken_one_by_one() -> None:
    """While a module is written, those before it may be compiled already."""
    taken: list[int] = []

    def written() -> Iterator[Module]:
        for number in range(3):
            taken.append(number)
            yield module(number)

    assert len(compile_modules(written(), detect(), 2)) == len(taken) == 3
    assert compile_modules([], detect(), 2) == []


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_malformed_module_is_an_error_among_others(text: str, threads: int) -> None:
    for _ in range(20):  # contexts and modules are collected in any order
        with pytest.raises(CompileError, match="LLVM rejects a module") as caught:
            compile_modules(
                [module(0), module(1), Module(text), module(2)], detect(), threads
            )
        assert caught.value.__notes__ == [text]
        del caught
        gc.collect()
    assert compile_module(module(4).text, detect())


#: A sum whose index LLVM's strength reduction would turn into pointers.
LOOP = """
define i64 @f(ptr %p, i64 %n, i64 %m) {
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  %sum = phi i64 [ 0, %entry ], [ %more, %loop ]
  %a = mul i64 %k, %m
  %at = getelementptr i64, ptr %p, i64 %a
  %v = load i64, ptr %at
  %more = add i64 %sum, %v
  %next = add nsw i64 %k, 1
  %again = icmp slt i64 %next, %n
  br i1 %again, label %loop, label %end
end:
  ret i64 %more
}
"""


def test_llvms_setting_is_ours_only_while_we_compile() -> None:
    def others() -> str:
        """What anybody else gets who asks LLVM for the machine code of the loop."""
        job = _optimized(Module(LOOP), detect())
        with job.module:
            return str(job.machine.emit_assembly(job.module))

    before = others()
    assert compile_assembly(Module(LOOP), detect()) != before
    compile_module(LOOP, detect())
    assert others() == before
    with pytest.raises(CompileError):
        compile_module(MALFORMED["no LLVM"], detect())
    assert others() == before


def test_what_stops_while_others_are_compiled_comes_through() -> None:
    def written() -> Iterator[Module]:
        yield module(0)
        raise KeyError("stopped")

    with pytest.raises(KeyError, match="stopped"):
        compile_modules(written(), detect(), 3)
    gc.collect()


def program(count: int) -> Program:
    """So many kernels, all different, each of which has a result."""
    lines = ["program several", "  input x: float64[n]"]
    lines += [f"  output y{k}: float64[n]" for k in range(count)]
    for k in range(count):
        lines += [
            f"  kernel k{k}(a: in float64[n], o: out float64[n]; n) split i",
            "    vector i < n",
            "      v1 = load a[i]: float64",
            f"      v2 = mul(v1, {k + 2}.0:float64): float64",
            "      v3 = exp(v2): float64",
            "      store o[i] = v3",
        ]
    lines += [f"  launch k{k}(x, y{k}; n)" for k in range(count)]
    names = ", ".join(f"y{k}" for k in range(count))
    return parse_program("\n".join([*lines, f"  return {names}", ""]))


def test_what_programs_share_is_compiled_once() -> None:
    host = detect()
    assert kept(module(1), host) is kept(module(1), host)
    begun, later = Kept(module(1), host), Kept(module(1), host)
    begun.begin()
    begun.begin()
    assert begun.code() is begun.code()
    assert begun.code() == later.code() == compile_modules([module(1)], host)[0]
    with pytest.raises(CompileError, match="LLVM rejects a module"):
        Kept(Module(MALFORMED["no LLVM"]), host).code()


def test_a_thread_that_did_not_come_to_an_end_is_done_without() -> None:
    """As in a child that is forked while the support is compiled."""
    begun = Kept(module(1), detect())
    begun.begin()
    right = begun.code()
    assert begun._job is not None
    begun._job.code = b""
    assert begun.code() == right


def test_every_program_has_the_same_support() -> None:
    texts = [build.llvm_text(program(k), detect()) for k in (1, 2)]
    assert texts[0].support == texts[1].support == build.support(detect()).text
    assert "@worker" in texts[0].support and "@worker" not in texts[0].shell


def test_large_programs_have_several_modules() -> None:
    """As many as their text asks for, whatever the number of threads."""
    small = build.llvm_text(program(1), detect())
    assert len(small.modules) == 2 and [m.fast for m in small.modules] == [False, True]
    large = build.llvm_text(program(40), detect())
    assert len(large.modules) > 3
    for each in large.modules[:-2]:
        assert len(each.text) > build.LEAST_TEXT
    kernels = large.kernels.count("define void @kernel")
    assert kernels == 40

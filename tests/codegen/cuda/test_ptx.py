"""The checks of PTX, on texts with the fault and on texts without."""

from __future__ import annotations

from symgraph.codegen.cuda import ptx

HEAD = """\
.version 9.5
.target sm_90
.address_size 64

.visible .entry kernel(
	.param .u64 kernel_param_0
)
{
	.reg .pred 	%p<4>;
	.reg .b32 	%r<9>;
"""


def kernel(*lines: str) -> str:
    """A kernel with these lines, of which the first is line 11."""
    return HEAD + "".join(f"\t{line}\n" for line in lines) + "\tret;\n\n}\n"


def shown(found: list[ptx.Instruction]) -> list[str]:
    return [f"{i.opcode} {i.operands}" for i in found]


#: A loop in a loop; the inner one's test stands below, and the outer one's above.
NEST = (
    "mov.b32 %r1, 0;",
    "$L__BB0_1:",
    "setp.ge.s32 %p1, %r1, 7;",
    "@%p1 bra $L__BB0_4;",
    "div.s32 %r2, %r1, 3;",
    "mov.b32 %r3, 0;",
    "$L__BB0_2:",
    "rem.u64 %r4, %r3, %r1;",
    "add.s32 %r3, %r3, 1;",
    "setp.lt.s32 %p2, %r3, 9;",
    "@%p2 bra $L__BB0_2;",
    "add.s32 %r1, %r1, 1;",
    "bra.uni $L__BB0_1;",
    "$L__BB0_4:",
    "div.s32 %r5, %r1, 5;",
)


def test_blocks_follow_branches() -> None:
    graph = ptx.blocks(kernel(*NEST))
    assert [b.followers for b in graph] == [(1,), (5, 2), (3,), (3, 4), (1,), ()]
    assert [len(b.instructions) for b in graph] == [1, 2, 2, 4, 2, 2]


def test_loops_are_found_by_backward_branches() -> None:
    found = ptx.cycles(ptx.blocks(kernel(*NEST)))
    assert [(c.header, sorted(c.blocks)) for c in found] == [
        (1, [1, 2, 3, 4]),
        (3, [3]),
    ]


def test_a_branch_back_in_the_text_is_not_always_a_loop() -> None:
    """The blocks of a branch may stand anywhere: no way leads back to the target."""
    text = kernel(
        "bra.uni $L__BB0_2;",
        "$L__BB0_1:",
        "div.s32 %r1, %r1, 3;",
        "ret;",
        "$L__BB0_2:",
        "bra.uni $L__BB0_1;",
    )
    assert not ptx.cycles(ptx.blocks(text))
    assert not ptx.integer_divisions(text)


def test_integer_divisions_in_loops() -> None:
    text = kernel(*NEST)
    all_of_them = ["div.s32 %r2, %r1, 3", "rem.u64 %r4, %r3, %r1"]
    assert shown(ptx.integer_divisions(text)) == all_of_them
    assert shown(ptx.integer_divisions(text, innermost=True)) == all_of_them[1:]


def test_a_division_of_floats_is_none_of_integers() -> None:
    lines = [line.replace("rem.u64", "div.rn.f32") for line in NEST]
    assert not ptx.integer_divisions(kernel(*lines), innermost=True)


def test_float64_arithmetic() -> None:
    text = kernel(
        "ld.global.f64 %fd1, [%rd1];",
        "add.f32 %r2, %r1, %r1;",
        "cvt.f64.f32 %fd2, %r2;",
        "fma.rn.f64 %fd3, %fd1, %fd2, %fd1;",
        "@%p1 setp.lt.f64 %p2, %fd1, %fd2;",
        "st.global.f64 [%rd1], %fd3;",
    )
    found = [i.opcode for i in ptx.float64_arithmetic(text)]
    assert found == ["cvt.f64.f32", "fma.rn.f64", "setp.lt.f64"]
    assert not ptx.float64_arithmetic(kernel("add.f32 %r2, %r1, %r1;"))


def test_local_memory() -> None:
    text = kernel(
        ".local .align 8 .b8 __local_depot0[64];",
        "ld.local.b32 %r1, [%rd1];",
        "st.local.b32 [%rd1+4], %r1;",
        "ld.global.b32 %r2, [%rd2];",
    )
    found = ptx.local_memory(text)
    assert len(found) == 3
    assert any("__local_depot0" in text for text in found)
    assert not ptx.local_memory(kernel("ld.global.b32 %r2, [%rd2];"))


def test_fused_and_unfused() -> None:
    text = kernel(
        "fma.rn.f32 %r9, %r1, %r2, %r1;",
        "mul.rn.f32 %r4, %r1, %r2;",
        "add.f32 %r5, %r4, %r1;",
        "mul.rn.f32 %r6, %r1, %r2;",
        "add.f32 %r7, %r6, %r1;",
        "st.global.b32 [%rd1], %r6;",
        "mul.f32 %r3, %r1, %r2;",
        "sub.f32 %r5, %r1, %r3;",
        "mul.f32 %r8, %r1, %r2;",
        "add.rn.f32 %r5, %r8, %r1;",
        "mul.lo.s32 %r10, %r1, %r2;",
        "add.s32 %r11, %r10, 1;",
    )
    assert shown(ptx.fused(text)) == ["fma.rn.f32 %r9, %r1, %r2, %r1"]
    # The second product is stored as well, the third is left to the assembler, and the
    # last is one of integers.
    wanted = ["mul.rn.f32 %r4, %r1, %r2", "mul.f32 %r8, %r1, %r2"]
    assert shown(ptx.unfused(text)) == wanted


def test_vector_accesses() -> None:
    text = kernel(
        "ld.global.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];",
        "ld.global.nc.L1::no_allocate.v2.f64 {%fd1, %fd2}, [%rd1];",
        "ld.global.b32 %r1, [%rd1];",
        "ld.shared.v4.b32 {%r1, %r2, %r3, %r4}, [%rd1];",
        "st.global.v4.b32 [%rd1], {%r1, %r2, %r3, %r4};",
    )
    loads = [i.opcode for i in ptx.vector_loads(text)]
    assert loads == ["ld.global.v4.b32", "ld.global.nc.L1::no_allocate.v2.f64"]
    assert [i.opcode for i in ptx.vector_stores(text)] == ["st.global.v4.b32"]


def test_what_threads_do_together() -> None:
    text = kernel(
        "shfl.sync.down.b32 %r1, %r2, 1, 31, -1;",
        "bar.sync 0;",
        "bar.warp.sync -1;",
        "ld.shared.b32 %r1, [%rd1];",
        "st.shared.b32 [%rd1], %r1;",
        "ld.global.b32 %r1, [%rd1];",
        "st.global.b32 [%rd1], %r1;",
        "// shfl.sync.up.b32 %r1, %r2, 1, 0, -1;",
    )
    assert [i.opcode for i in ptx.shuffles(text)] == ["shfl.sync.down.b32"]
    assert [i.opcode for i in ptx.barriers(text)] == ["bar.sync"]
    assert [i.opcode for i in ptx.shared_loads(text)] == ["ld.shared.b32"]
    assert [i.opcode for i in ptx.shared_stores(text)] == ["st.shared.b32"]


def test_a_commented_instruction_is_none() -> None:
    assert not ptx.float64_arithmetic(kernel("// add.f64 %fd1, %fd1, %fd1;"))


def test_registers_read_and_written() -> None:
    (i, store, _) = ptx.instructions(
        kernel("@%p1 fma.rn.f32 %r1, %r2, %r3, %r2;", "st.global.b32 [%rd1+4], %r1;")
    )
    assert (i.guard, i.written, i.read) == ("%p1", "%r1", ("%r2", "%r3", "%r2"))
    assert (store.written, store.read) == ("", ("%rd1", "%r1"))

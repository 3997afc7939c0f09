"""LLVM IR text to machine code."""

from __future__ import annotations

from typing import Any

from ..errors import CompileError
from .host import Host


def compile_module(text: str, host: Host, fast: bool = False) -> bytes:
    """An object file for `host` that defines the module's external functions.

    `fast`: what matters is how soon it is there, and not how soon it runs.

    Raises `CompileError`, with LLVM's message and the module's text as its note, if the
    module is malformed; compiling it unverified would abort the process.
    """
    machine, module = _optimized(text, host, fast)
    return bytes(machine.emit_object(module))


def compile_assembly(text: str, host: Host, fast: bool = False) -> str:
    """The machine code of `compile_module` as assembly text, for reading."""
    machine, module = _optimized(text, host, fast)
    return str(machine.emit_assembly(module))


def _optimized(text: str, host: Host, fast: bool) -> tuple[Any, Any]:
    """A target machine for `host`, and the module after the few passes that pay.

    The emitter leaves little to do: vectors, unrolling, common subexpressions and
    loop-invariant code are as they should be, and instruction selection folds the rest.
    LLVM's -O1 pipeline more than doubles the time to compile (a layernorm + softmax
    kernel took 52 ms instead of 20) for code that runs no faster.
    """
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        failure = CompileError(f"LLVM rejects a module: {error}")
        failure.add_note(text)
        raise failure from error
    target = llvm.Target.from_triple(host.triple)
    machine = target.create_target_machine(
        cpu=host.cpu,
        features=host.features,
        opt=0 if fast else 2,
        codemodel="jitdefault",
        jit=True,
    )
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_module_pass_manager()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, builder)
    return machine, module

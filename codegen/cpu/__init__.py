"""The CPU target: loop IR to LLVM IR with explicit vectors, machine code, a callable."""

"""The CPU target: loop IR to LLVM IR with explicit vectors, then machine code."""

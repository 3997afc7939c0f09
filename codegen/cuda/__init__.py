"""CUDA kernels as readable numba-cuda Python, and programs run through them."""

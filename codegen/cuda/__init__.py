"""The CUDA target: loop IR printed as numba-cuda Python, checked and assembled."""

"""Lowering to CUDA devices: row-major buffers, and kernels of which a thread computes whole elements."""

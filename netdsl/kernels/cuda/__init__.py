"""The kernels of the CUDA target: texts that are written for a shape, and the few words that they see."""

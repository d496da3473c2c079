"""The kernel library of the CPU."""

"""The hand-written kernels that generated text calls."""

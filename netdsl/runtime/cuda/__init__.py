"""Running device programs: on a CUDA device, or step by step in plain Python."""

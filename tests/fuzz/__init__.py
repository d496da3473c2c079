"""Mutated and generated files, through everything that reads a file: `python -m tests.fuzz --help`."""

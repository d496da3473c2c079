"""netdsl: a declarative language and compiler for neural networks."""

__version__ = "0.1.0"

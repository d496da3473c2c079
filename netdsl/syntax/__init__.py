"""From text to tree and back."""

from netdsl.syntax.parser import parse

__all__ = ["parse"]

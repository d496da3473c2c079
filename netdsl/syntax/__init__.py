"""From text to tree and back."""

from netdsl.syntax.formatter import format_file
from netdsl.syntax.outline import outline
from netdsl.syntax.parser import attempt, parse
from netdsl.syntax.recovery import Salvage

__all__ = ["Salvage", "attempt", "format_file", "outline", "parse"]

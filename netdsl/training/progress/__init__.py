"""How a training tells of itself while it runs: live on a terminal, lines elsewhere, or JSON."""

from netdsl.training.progress.reporter import Quiet, Reporter, Style, Write
from netdsl.training.progress.select import reporter_for

__all__ = ["Quiet", "Reporter", "Style", "Write", "reporter_for"]

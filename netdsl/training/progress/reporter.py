"""What the trainer calls to tell of itself."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from netdsl.training.records import EpochRecord, Moment, Opening

Style: TypeAlias = Literal["auto", "table", "plain", "course", "quiet", "json"]
Write: TypeAlias = Callable[[str], None]
"""Takes a line, without its line break."""


class Reporter(Protocol):
    """Told of each event; it must not keep the trainer waiting."""

    def begin(self, opening: Opening) -> None:
        """Tell that the first step is about to run."""

    def advance(self, moment: Moment) -> None:
        """Tell how far the training is; called about twenty times a second."""

    def epoch(self, record: EpochRecord) -> None:
        """Tell the figures of an epoch."""

    def close(self) -> None:
        """Give the terminal back."""


class Quiet:
    """Tells nothing."""

    def begin(self, opening: Opening) -> None:
        """Tell nothing."""

    def advance(self, moment: Moment) -> None:
        """Tell nothing."""

    def epoch(self, record: EpochRecord) -> None:
        """Tell nothing."""

    def close(self) -> None:
        """Do nothing."""

"""What a source may use to get at its rows: folders, the network, a seed."""

import os
from typing import TYPE_CHECKING

from netdsl.data.places import Places
from netdsl.lazy_dataclass import dataclass

if TYPE_CHECKING:
    from netdsl.data.download import Opener, Report


@dataclass(frozen=True, slots=True)
class Access:
    """Handed to each source. `report` is told how far a download is."""

    places: Places
    seed: int = 0
    offline: bool = False
    opener: "Opener | None" = None
    report: "Report | None" = None


def is_offline(given: bool) -> bool:
    """Tell whether nothing is to be downloaded: so given, or NETDSL_OFFLINE is set."""
    return given or os.environ.get("NETDSL_OFFLINE", "") not in {"", "0"}

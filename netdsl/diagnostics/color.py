"""Whether messages are colored, and how."""

import os
from collections.abc import Mapping
from typing import TextIO

from netdsl.diagnostics.excerpt import Paint

_CODES = {
    "error": "1;31",
    "warning": "1;33",
    "note": "1;36",
    "help": "1;32",
    "secondary": "1;34",
    "gutter": "34",
    "message": "1",
}


def use_color(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Tell whether a stream gets color: NO_COLOR forbids it, FORCE_COLOR asks for it, terminals have it."""
    given = os.environ if environment is None else environment
    if given.get("NO_COLOR"):
        return False
    if given.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and given.get("TERM") != "dumb"


def painter(color: bool) -> Paint:
    """Return what colors a text; without color, what returns it as it is."""
    if not color:
        return lambda text, _: text
    return lambda text, style: f"\x1b[{_CODES[style]}m{text}\x1b[0m" if text else text

"""The built-in functions of the language, one table."""

from collections.abc import Mapping
from typing import Final

from netdsl.semantics.frame import Site
from netdsl.semantics.functions import draws, elementwise, images, movement, reductions, scan
from netdsl.semantics.functions.axes import WORDS
from netdsl.semantics.functions.function import Function, Given, match_arguments, unknown_argument
from netdsl.semantics.items import Item


def _later(name: str, *parameters: str) -> Function:
    def run(site: Site, given: Given) -> Item:
        raise site.mistake("E0190", f"`{name}` comes with a later version of netdsl", "not there yet")

    return Function(name, parameters, 1, run)


_LATER: Final = (_later("warp", "x", "grid"),)

FUNCTIONS: Final[Mapping[str, Function]] = {
    each.name: each
    for family in (
        elementwise.FUNCTIONS,
        reductions.FUNCTIONS,
        movement.FUNCTIONS,
        images.FUNCTIONS,
        draws.FUNCTIONS,
        draws.INITIALIZERS,
        scan.FUNCTIONS,
        _LATER,
    )
    for each in family
}
"""Every function that any expression may call, by name."""

__all__ = ["FUNCTIONS", "WORDS", "Function", "Given", "match_arguments", "unknown_argument"]

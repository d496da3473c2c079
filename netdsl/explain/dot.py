"""Text in Graphviz's language, with everything that comes from a user escaped."""

import html
import unicodedata
from collections.abc import Iterable, Mapping

FONT = "Helvetica, Arial, sans-serif"


def label(text: str) -> str:
    """Return text fit to stand inside an HTML-like label."""
    return html.escape(_visible(text), quote=True)


def quoted(text: str) -> str:
    """Return text as a quoted string of DOT, its escape sequences taken literally."""
    return '"' + _visible(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Markup(str):
    """An HTML-like label, whose texts are escaped already."""

    __slots__ = ()


def attributes(given: Mapping[str, str]) -> str:
    """Return attributes as `[a="b", c=<markup>]`."""
    written = (
        f"{name}=<{value}>" if isinstance(value, Markup) else f"{name}={quoted(value)}"
        for name, value in given.items()
    )
    return "[" + ", ".join(written) + "]"


def digraph(name: str, lines: Iterable[str]) -> str:
    """Return a whole directed graph, its statements indented."""
    return "\n".join([f"digraph {quoted(name)} {{", *(f"  {line}" for line in lines), "}", ""])


def _visible(text: str) -> str:
    """Replace control and direction characters, which could hide or reorder what stands around them."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_hidden(each) else each for each in text)


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")

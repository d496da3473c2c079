"""The one style in which `.net` files are written."""

from netdsl.syntax import tree
from netdsl.syntax.formatter.comments import Comments
from netdsl.syntax.formatter.items import Items
from netdsl.syntax.formatter.lines import separated, written


def format_file(file: tree.File) -> str:
    """Return the text of a file, with the comments of its source; it parses to the same tree."""
    source = file.source
    blocks = Items(Comments(source)).blocks(file.declarations, 0, len(source.text) + 1, 0)
    return "".join(f"{line}\n" for line in written(separated(blocks), 0))

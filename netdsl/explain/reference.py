"""Pages of the documentation that are made of what they document: the library's and the codes'."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from netdsl.diagnostics import Source
from netdsl.syntax import parse, tree

_ORDER = (
    "layers",
    "images",
    "recurrent",
    "attention",
    "activations",
    "losses",
    "penalties",
    "metrics",
    "initializers",
    "optimizers",
    "schedules",
    "scalers",
)
_KINDS = {"E": "error", "W": "warning"}


def library_reference(sources: Sequence[Source]) -> str:
    """Return the library's page: each definition with its comment, as the `.net` files have them."""
    files = {re.split(r"[/\\]", each.name)[-1].removesuffix(".net"): each for each in sources}
    assert set(files) == set(_ORDER), f"the page has a place for {_ORDER}, the library has {sorted(files)}"
    lines = [
        "# The standard library",
        "",
        "Everything here is written in the language, on an equal footing with what you define yourself: copy",
        "a definition into a file of your own and change it. `python docs/generate.py` makes this page from",
        "`netdsl/library/*.net`.",
        "",
        "".join(f"[{name.capitalize()}](#{name}) · " for name in _ORDER).removesuffix(" · "),
    ]
    for name in _ORDER:
        lines += ["", f"## {name.capitalize()}", *_file(files[name])]
    return "\n".join(lines) + "\n"


def _file(source: Source) -> Iterator[str]:
    definitions = [each for each in parse(source).declarations if isinstance(each, tree.Definition)]
    intro, _ = _split(source.text[: definitions[0].span.start])
    yield from ("", *intro) if intro else ()
    for comment, group in _groups(source, definitions):
        yield ""
        yield "### " + ", ".join(f"`{each.name.text}`" for each in group)
        yield from ("", *comment) if comment else ()
        yield from ("", "```", *(each.span.text.rstrip() for each in group), "```")


def _groups(
    source: Source, definitions: Iterable[tree.Definition]
) -> Iterator[tuple[list[str], list[tree.Definition]]]:
    """Yield definitions that stand together: a comment and all that follow up to the next."""
    end = 0
    comment: list[str] = []
    group: list[tree.Definition] = []
    for each in definitions:
        between = source.text[end : each.span.start]
        if group and "\n#" in between:
            yield comment, group
            group = []
        if not group:
            alone, adjacent = _split(between)
            comment = [*alone, "", *adjacent] if alone and end else adjacent
        group.append(each)
        end = each.span.end
    yield comment, group


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the comment that stands by itself and the one right before a definition, without the signs."""
    blocks = [each for each in re.split(r"\n[ \t]*\n", text.rstrip(" ")) if "#" in each]
    adjacent = blocks.pop() if blocks and not text.endswith("\n\n") else ""
    alone = [line for block in blocks for line in (*_prose(block), "")]
    return alone[:-1], _prose(adjacent)


def _prose(block: str) -> list[str]:
    """Return a comment's lines as Markdown: what is set in by more than one blank is code."""
    lines = [line.strip() for line in block.splitlines() if line.strip().startswith("#")]
    bare = [line.removeprefix("#").removeprefix(" ") for line in lines]
    written: list[str] = []
    for line in bare:
        if line.startswith("    ") and written and written[-1] and not written[-1].startswith("    "):
            written.append("")
        written.append(line)
    return written


def codes_reference(pages: Mapping[str, str]) -> str:
    """Return the page of all codes: an index, then each with its example and cure."""
    lines = [
        "# Messages",
        "",
        "Each message has a code, and `netdsl explain E0312` shows its page on the terminal.",
        "`python docs/generate.py` makes this page of those in `netdsl/diagnostics/pages`.",
        "",
        "| code | kind | what it tells |",
        "| --- | --- | --- |",
    ]
    titles = {code: pages[code].split("\n", 1)[0].removeprefix(f"# {code}: ") for code in sorted(pages)}
    lines += [
        f"| [{code}](#{code.lower()}) | {_KINDS[code[0]]} | {title} |" for code, title in titles.items()
    ]
    for code, title in titles.items():
        body = pages[code].split("\n", 1)[1].strip("\n")
        lines += ["", f'<a id="{code.lower()}"></a>', "", f"## {code}: {title}", ""]
        lines.append(re.sub(r"^## ", "### ", body, flags=re.MULTILINE))
    return "\n".join(lines) + "\n"

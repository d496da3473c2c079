"""What is said about names in words: comments above declarations, settings with their ranges, fields."""

from __future__ import annotations

from functools import lru_cache

from netdsl.diagnostics import Source, Span
from netdsl.lsp.fields import FIELDS
from netdsl.lsp.symbols import Builtin, Symbol
from netdsl.semantics.functions import FUNCTIONS, WORDS
from netdsl.semantics.stops import CLIPS, STOPS
from netdsl.syntax import tree

_LONGEST = 24
"""So many lines of a definition are shown."""


def comment_above(span_start: int, source: Source) -> str:
    """Return the comment that stands right above a place, without its signs."""
    rows = source.text[:span_start].split("\n")[:-1]
    found: list[str] = []
    while rows and rows[-1].lstrip().startswith("#"):
        found.append(rows.pop().lstrip().removeprefix("#").removeprefix(" "))
    return "\n".join(reversed(found))


@lru_cache(maxsize=1024)
def _teaching(source: Source, start: int) -> str:
    """Return the comment of a declaration; several in a row share the one above the first."""
    before = source.text[:start]
    own = comment_above(start, source)
    while not own:
        above = before.rstrip("\n")
        if before.endswith("\n\n") or not above:
            return ""  # a blank line ends what belongs together
        line = above.rfind("\n") + 1
        own = comment_above(line, source)
        before = before[:line]
    return own


def teaching(span: Span) -> str:
    """Return the comment above a declaration at the top of a file, or above those it stands together with."""
    return _teaching(span.source, span.start)


def comment_of(symbol: Symbol) -> str:
    """Return the comment above the declaration of a name."""
    declaration = symbol.declaration if symbol.owner is None else symbol.owner
    if isinstance(declaration, (tree.Definition, tree.Param, tree.Section)):
        return teaching(declaration.span)
    return ""


def declaration_text(symbol: Symbol) -> str:
    """Return how a name is declared, as the text has it; a long body is cut."""
    match symbol.declaration:
        case tree.Definition() | tree.Param() | tree.Section() | tree.Import() as each:
            rows = each.span.text.rstrip().split("\n")
            return "\n".join(rows if len(rows) <= _LONGEST else [*rows[:_LONGEST], "    # …"])
        case tree.Bind() | tree.State() as each:
            return each.span.text.strip()
        case tree.Setting() | tree.Tensor() as each:
            return each.span.text.strip()
    return symbol.name


def setting_text(setting: tree.Setting) -> str:
    """Say what a setting takes: its type, its default, its range, its unit."""
    parts = [_type(setting)]
    if setting.default is None:
        parts.append("must be given")
    else:
        parts.append(f"default `{setting.default.span.text}`")
    if setting.domain is not None:
        word = "one of" if isinstance(setting.domain, tree.List) else "range"
        parts.append(f"{word} `{setting.domain.span.text}`")
    return ", ".join(parts)


def _type(setting: tree.Setting) -> str:
    match setting.default:
        case tree.Number(unit=str(unit)):
            return f"a number with the unit `{unit}`"
        case tree.Number(value=int()) if _whole(setting.domain):
            return "a whole number"
        case tree.Number() | tree.Unary() | tree.Binary():
            return "a number"
        case tree.Flag():
            return "`yes` or `no`"
        case tree.Extent():
            return "an extent such as `3x3`"
        case tree.Text():
            return "a text"
        case tree.List():
            return "a list"
        case tree.Path() | tree.Call():
            return "a word" if isinstance(setting.domain, tree.List) else "a definition"
        case None if isinstance(setting.domain, tree.Range):
            return "a whole number" if _whole(setting.domain) else "a number"
    return "any value"


def _whole(domain: tree.Expr | None) -> bool:
    bounds = (domain.low, domain.high) if isinstance(domain, tree.Range) else ()
    return bool(bounds) and all(
        isinstance(each, tree.Number) and isinstance(each.value, int) for each in bounds
    )


def builtin_text(builtin: Builtin) -> str:
    """Say what a word of the language is."""
    name = builtin.name
    match builtin.kind:
        case "function":
            function = FUNCTIONS.get(name) or STOPS.get(name) or CLIPS.get(name)
            return f"```net\n{function.usage}\n```\na function of the language" if function else name
        case "argument":
            return f"`{name}`: an argument of `{builtin.of}`"
        case "special":
            return f"`{name}`: what every {builtin.of} sees by this name" if builtin.of else f"`{name}`"
        case "word":
            meaning = WORDS.get(name)
            return f"`{name}`: {meaning}" if meaning else f"`{name}`"
        case "source":
            return f"`{name}`: a source of data"
        case "field":
            return f"`{name}` in `{builtin.of}`: {FIELDS.get(builtin.of, {}).get(name, 'a field')}"
    return f"`{name}`"

"""A Pygments lexer of `.net` files, for pages and terminals; Pygments finds it by its entry point."""

from pygments.lexer import RegexLexer, bygroups, words
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from netdsl.syntax.numerals import UNITS
from netdsl.syntax.words import DECLARATIONS, RESERVED

_NAME = r"[^\W\d](?:\w|[\u0300-\u036f])*"
_OPERATORS = ("and", "or", "not", "in", "as")
_CONSTANTS = ("yes", "no")
_CONTROL = tuple(sorted(RESERVED - {*_OPERATORS, *_CONSTANTS}))


class NetLexer(RegexLexer):
    """Colors the language of netdsl."""

    name = "netdsl"
    aliases = ("net", "netdsl")
    filenames = ("*.net",)
    mimetypes = ("text/x-netdsl",)
    url = "https://pypi.org/project/netdsl/"
    version_added = ""

    tokens = {  # noqa: RUF012 - as Pygments wants it
        "root": [
            (r"\s+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"[^"\n]*"', String.Double),
            (r"[0-9]+(?:x[0-9]+)+(?!\w)", Number.Integer),
            (
                rf"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[%kM]?)([ \t]+)({'|'.join(sorted(UNITS))})\b",
                bygroups(Number, Whitespace, Keyword.Type),
            ),
            (r"[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?[%kM]?(?!\w)", Number.Float),
            (r"[0-9]+(?:[eE][+-]?[0-9]+)?[%kM]?(?!\w)", Number.Integer),
            # What opens a declaration is a name everywhere else.
            (
                rf"^({'|'.join(DECLARATIONS)})([ \t]+)({_NAME})",
                bygroups(Keyword.Declaration, Whitespace, Name.Class),
            ),
            (rf"^({'|'.join(DECLARATIONS)})\b(?![ \t]*[=.(])", Keyword.Declaration),
            (rf"^([ \t]*)(state)([ \t]+)({_NAME})", bygroups(Whitespace, Keyword, Whitespace, Name)),
            (words(_CONSTANTS, suffix=r"\b"), Keyword.Constant),
            (words(_OPERATORS, suffix=r"\b"), Operator.Word),
            (words(_CONTROL, suffix=r"\b"), Keyword),
            (rf"(->)([ \t]*)(?!repeat\b)({_NAME})", bygroups(Operator, Whitespace, Name.Function)),
            (rf"{_NAME}(?=\()", Name.Function),
            (rf"{_NAME}(?=[ \t]*=(?!=))", Name.Attribute),
            (_NAME, Name),
            (r"->|:=|==|!=|<=|>=|\.\.|[-+*/@^=<>]", Operator),
            (r"[()\[\]{},;:.]", Punctuation),
        ],
    }

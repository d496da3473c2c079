"""A second, forgiving reading of a text that does not parse: its pieces, whatever is in between.

The parser stops at the first mistake. To tell what it is, and to go on behind it, netdsl looks at the pieces
of the text with nothing but a regular expression, which takes every text.
"""

import re
from typing import Final, Literal, TypeAlias, cast

from netdsl.lazy_dataclass import dataclass
from netdsl.syntax.limits import TOKENS

Kind: TypeAlias = Literal["newline", "text", "quoted", "number", "word", "open", "close", "sign", "odd"]

# A number here is longer than the grammar's, so that `1e-3.5`, `1_000` and `10epochs` are one piece.
_PIECE: Final = re.compile(
    r"""
      (?P<skip>    [ \t\r\ufeff]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<text>    "[^"\n]*"? )
    | (?P<quoted>  '[^'\n]*'? | [“”„«][^”“«»\n]*[”“»]? | ‘[^’\n]*’? )
    | (?P<number>  (?: [0-9] | \.[0-9] ) (?: (?<=[eE])[+-](?=[0-9]) | \w | \.(?!\.) )* %? )
    | (?P<word>    [^\W\d] (?: \w | [\u0300-\u036f] )* )
    | (?P<open>    [(\[{] )
    | (?P<close>   [)\]}] )
    | (?P<odd>     \*\* | >> | \|> | --> | // | /\* | \*/ | && | \|\| | => | === | !== | [-+*/]= )
    | (?P<sign>    -> | := | == | != | <= | >= | \.\. | [=<>+\-*/@^.,;:] )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a text; spaces and comments are none."""

    kind: Kind
    text: str
    start: int
    end: int


def pieces(text: str) -> tuple[list[Piece], bool]:
    """Return the pieces of a text, in order, and whether these are all: no more than a file may have."""
    found = []
    for match in _PIECE.finditer(text):
        kind = "odd" if match.lastgroup == "other" else match.lastgroup
        if kind != "skip":
            found.append(Piece(cast(Kind, kind), match[0], match.start(), match.end()))
        if len(found) > TOKENS:
            return found, False
    return found, True

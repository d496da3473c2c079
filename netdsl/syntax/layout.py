"""Where a newline ends a statement, and where it does not."""

from collections.abc import Iterator

from lark import Token

from netdsl.syntax.limits import NESTING, TOKENS, too_deep, too_many_tokens

_OPENING, _CLOSING = frozenset({"LPAR", "LSQB"}), frozenset({"RPAR", "RSQB"})

# Something must follow these, so a newline after one of them ends nothing.
_OPERATORS = {"PLUS", "MINUS", "TIMES", "DIVIDE", "AT", "POWER", "BETWEEN", "COMPARE", "AND", "OR", "NOT"}
_CONTINUES = frozenset({"EQUAL", "ASSIGN", "COMMA", "_ARROW", "LBRACE", "THEN", "IN", "_ELSE"} | _OPERATORS)


class Layout:
    """Drop the newlines that end no statement, and add the ones that `}` and the end of the file stand for.

    The newlines before `->` and `else` never get here: the grammar makes them part of those tokens.
    """

    # `}` is let through where a statement is still open, to be told apart here. NAME is everywhere, so that
    # a keyword is only found where a whole word is one: `thenx` is a name and never `then` and `x`.
    always_accept = ("_NL", "RBRACE", "NAME")

    def process(self, tokens: Iterator[Token]) -> Iterator[Token]:
        """Yield the tokens that the parser sees.

        Errors: TooMuch, where there are too many, or too many brackets inside of each other.
        """
        depth = braces = 0
        last: Token | None = None
        for number, token in enumerate(tokens):
            if token.type == "_NL" and (depth > 0 or (last and last.type in _CONTINUES)):
                continue
            if token.type == "RBRACE" and last and last.type not in ("_NL", "LBRACE"):
                yield _newline(token.start_pos or 0, token)
            depth += (token.type in _OPENING) - (token.type in _CLOSING)
            braces += (token.type == "LBRACE") - (token.type == "RBRACE")
            _check(number, depth + braces, token)
            last = token
            yield token
        if last and last.type != "_NL":
            yield _newline(last.end_pos or 0, last)


def _check(number: int, depth: int, token: Token) -> None:
    if number >= TOKENS:
        raise too_many_tokens(token.start_pos or 0)
    if depth > NESTING:
        raise too_deep(token.start_pos or 0)


def _newline(offset: int, near: Token) -> Token:
    return Token("_NL", "", offset, near.line, near.column, near.end_line, near.end_column, offset)

"""Where a newline ends a statement, and where it does not."""

from collections.abc import Iterator

from lark import Token

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
        """Yield the tokens that the parser sees."""
        depth, last = 0, None
        for token in tokens:
            if token.type == "_NL" and (depth > 0 or (last and last.type in _CONTINUES)):
                continue
            if token.type == "RBRACE" and last and last.type not in ("_NL", "LBRACE"):
                yield Token.new_borrow_pos("_NL", "", token)
            depth += (token.type in _OPENING) - (token.type in _CLOSING)
            last = token
            yield token
        if last and last.type != "_NL":
            yield Token.new_borrow_pos("_NL", "", last)

"""How much a file may hold: checked before anything is made of it, so that no text exhausts the machine."""

from typing import Final

from netdsl.diagnostics import Diagnostic, Label, Source, Span

FILE_SIZE: Final = 2**20
TOKENS: Final = 20_000
NESTING: Final = 64
NAME_LENGTH: Final = 100
NUMBER_LENGTH: Final = 60
# Of the tree: `a + b + c` is one deeper with each operator. Whoever walks the tree may recurse.
DEPTH: Final = 150


class TooMuch(Exception):  # noqa: N818 - caught inside of this package, and told as a diagnostic
    """Tell that a text is beyond a limit, at an offset."""

    def __init__(self, code: str, message: str, offset: int) -> None:
        self.code, self.message, self.offset = code, message, offset
        super().__init__(message)

    def told(self, source: Source) -> Diagnostic:
        """Return it as a diagnostic."""
        span = Span(source, self.offset, self.offset + 1)
        return Diagnostic(self.code, self.message, Label(span, "one too many"))


def too_many_tokens(offset: int) -> TooMuch:
    """Return that a file has too many tokens."""
    return TooMuch("E0412", f"a file has at most {TOKENS:,} words, numbers and signs", offset)


def too_deep(offset: int) -> TooMuch:
    """Return that brackets are nested too deep."""
    return TooMuch("E0411", f"brackets are nested more than {NESTING} deep", offset)


def deep_expression(span: Span) -> Diagnostic:
    """Return that an expression has too many operations inside of each other."""
    return Diagnostic(
        "E0411",
        f"an expression is more than {DEPTH} operations deep",
        Label(span, "too deep"),
        help="bind a part of it to a name: `part = …`",
    )


def long_name(span: Span) -> Diagnostic:
    """Return that a name is too long."""
    message = f"a name has at most {NAME_LENGTH} characters"
    return Diagnostic("E0413", message, Label(span, f"this one has {len(span.text)}"))


def long_number(span: Span) -> Diagnostic:
    """Return that a number has too many digits."""
    message = f"a number has at most {NUMBER_LENGTH} characters"
    return Diagnostic("E0414", message, Label(span, f"this one has {len(span.text)}"))


def large_number(span: Span) -> Diagnostic:
    """Return that a number is beyond what a float holds."""
    return Diagnostic("E0414", "a number is at most about 1.8e308", Label(span, "too large"))


def large_file(span: Span, size: int) -> Diagnostic:
    """Return that a text is too large."""
    message = f"a file has at most 1 MiB, and this one has {size / 2**20:.1f} MiB"
    return Diagnostic("E0412", message, Label(span, "the file begins here"), help="share parts with `import`")

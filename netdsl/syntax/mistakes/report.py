"""How the mistakes of a text are put into diagnostics."""

from netdsl.diagnostics import Diagnostic, Fix, Label, Span

_LONGEST = 40


def quote(text: str) -> str:
    """Return a piece of the user's text between backquotes, the middle left out if it is long."""
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 4 :]}"
    return f"`{text}`"


def mistake(
    code: str,
    message: str,
    span: Span,
    label: str,
    *,
    secondary: tuple[Label, ...] = (),
    notes: tuple[str, ...] = (),
    help: str | None = None,
    replacement: str | None = None,
) -> Diagnostic:
    """Return an error whose fix, if a replacement is given, replaces the primary span."""
    fix = Fix(span, replacement) if replacement is not None else None
    return Diagnostic(code, message, Label(span, label), secondary, notes, help, fix)

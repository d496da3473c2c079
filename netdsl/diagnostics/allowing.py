"""Warnings that a text allows in place: `# allow W0302`, at the end of the line or on the one above."""

import re
from collections.abc import Iterator

from netdsl.diagnostics.diagnostic import Diagnostic, Severity
from netdsl.diagnostics.span import Source, Span

# A `#` within quotes begins no comment.
_COMMENT = re.compile(r'^(?:[^"#\n]|"[^"\n]*(?:"|$))*(#[^\n]*)', re.MULTILINE)
_ALLOWS = re.compile(r"\ballow((?:[ \t,]+[A-Z]\d{4}\b)+)")
_CODE = re.compile(r"[A-Z]\d{4}")


def is_allowed(diagnostic: Diagnostic) -> bool:
    """Tell whether a warning is allowed where it stands; an error never is."""
    if diagnostic.severity is Severity.ERROR or diagnostic.primary is None:
        return False
    text, start = diagnostic.primary.span.source.text, diagnostic.primary.span.start
    begin = text.rfind("\n", 0, start) + 1
    end = text.find("\n", start)
    here = text[begin : end if end >= 0 else len(text)]
    above = text[text.rfind("\n", 0, begin - 1) + 1 : begin - 1] if begin else ""
    lines = [here, *([above] if above.lstrip().startswith("#") else [])]
    return any(diagnostic.code in _allowed_in(line) for line in lines)


def _allowed_in(line: str) -> set[str]:
    comment = _COMMENT.match(line)
    return (
        {code for each in _ALLOWS.finditer(comment[1]) for code in _CODE.findall(each[1])}
        if comment
        else set()
    )


def allowances(source: Source) -> Iterator[tuple[str, Span]]:
    """Yield each code that a text allows, with its place."""
    for comment in _COMMENT.finditer(source.text):
        for each in _ALLOWS.finditer(source.text, comment.start(1), comment.end(1)):
            for code in _CODE.finditer(source.text, each.start(1), each.end(1)):
                yield code[0], Span(source, code.start(), code.end())

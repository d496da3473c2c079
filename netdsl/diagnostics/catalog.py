"""The codes of all messages, and the page that explains each."""

from netdsl.diagnostics.diagnostic import Diagnostic, DiagnosticError
from netdsl.diagnostics.suggestion import suggest
from netdsl.resources import resource_names, resource_text

_FOLDER = "diagnostics/pages"


def codes() -> tuple[str, ...]:
    """Return all codes, in order."""
    return tuple(name.removesuffix(".md") for name in resource_names(_FOLDER, ".md"))


def title(code: str) -> str:
    """Return the one line that says what a code is about."""
    first = resource_text(f"{_FOLDER}/{code}.md").split("\n", 1)[0]
    return first.removeprefix(f"# {code}").lstrip(": ")


def explain(code: str) -> str:
    """Return the page of a code: what it means, an example of the mistake and its cure.

    Errors: E0990 for a code that does not exist.
    """
    known, wanted = codes(), code.strip().upper()
    if wanted in known:
        return resource_text(f"{_FOLDER}/{wanted}.md")
    near = suggest(wanted, known)
    cure = f"did you mean {near}?" if near else "`netdsl explain` alone lists all codes"
    raise DiagnosticError(
        [Diagnostic("E0990", f"there is no message with the code `{code[:40]}`", help=cure)]
    )

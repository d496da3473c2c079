"""From DOT to a picture, by Graphviz's `dot`."""

from typing import Literal, TypeAlias

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Severity
from netdsl.lazy_dataclass import dataclass

PictureKind: TypeAlias = Literal["svg", "png", "pdf", "dot"]

_INSTALL = "`apt install graphviz`, `brew install graphviz`, or https://graphviz.org/download/"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture in a file's bytes. Where `dot` is missing, it is the DOT text itself, with a warning."""

    content: bytes
    kind: PictureKind
    warning: Diagnostic | None = None


def draw(text: str, kind: PictureKind) -> Drawing:
    """Lay out a graph given as DOT and return its picture.

    Errors: E0981 when `dot` fails. That it is not installed is no error but a warning, W0980.
    """
    import graphviz  # it reads the environment, and only this function needs it

    if kind == "dot":
        return Drawing(text.encode(), "dot")
    try:
        content = graphviz.pipe("dot", kind, text.encode(), quiet=True)
    except graphviz.ExecutableNotFound:
        return Drawing(text.encode(), "dot", _missing(kind))
    except graphviz.CalledProcessError as error:
        raise DiagnosticError([_failed(error)], Exit.FAILED) from error
    return Drawing(content, kind)


def _missing(kind: PictureKind) -> Diagnostic:
    return Diagnostic(
        "W0980",
        f"Graphviz's `dot` is not installed, so the diagram is written as DOT, not as {kind.upper()}",
        help=f"install it: {_INSTALL}",
        severity=Severity.WARNING,
    )


def _failed(error: object) -> Diagnostic:
    told = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
    return Diagnostic(
        "E0981",
        "Graphviz's `dot` could not draw the diagram",
        notes=(told,) if told else (),
        help="`netdsl render FILE --out model.dot` writes the text that it was given",
    )

"""Collects the mistakes of a file, so that several are told in one run, and finds what was meant instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Fix, Label, Severity, Span, is_allowed
from netdsl.diagnostics.suggestion import suggest
from netdsl.lazy_dataclass import dataclass

IDLE: Final = frozenset({"W0101", "W0102"})
"""Warnings of what nothing uses: not told beside errors, which may be why."""


MOST: Final = 100
"""How many errors, and how many warnings, are told in one run: more than this nobody reads. How many more
errors there are is said at the end."""

NONE_WRITTEN: Final[Mapping[str, str]] = MappingProxyType({})


class MistakeError(Exception):
    """End the work on one statement because of a mistake in it; the statement's owner tells it."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(diagnostic.message)


class PoisonedError(Exception):
    """End the work on a statement that depends on a mistake already told."""


@dataclass(slots=True)
class Outcome:
    """Whether the work inside a `Problems.statement` came to its end."""

    failed: bool = False


class Problems:
    """The diagnostics of one run, each told once."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []
        self.more = 0
        """How many errors were found besides, which are not told."""
        self._counts: Counter[Severity] = Counter()
        self._told: set[tuple[str, str | None, str, int, int]] = set()

    def tell(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic, unless the text allows it, or one of its code and cure stands at its place."""
        if is_allowed(diagnostic):
            return
        span = diagnostic.primary.span if diagnostic.primary else None
        key = (diagnostic.code, diagnostic.help, span.source.name, span.start, span.end) if span else None
        if key in self._told:
            return
        if key is not None:
            self._told.add(key)
        if self._counts[diagnostic.severity] < MOST:
            self._counts[diagnostic.severity] += 1
            self.found.append(diagnostic)
        elif diagnostic.is_error:
            self.more += 1

    @contextmanager
    def statement(self) -> Iterator[Outcome]:
        """Tell a mistake that ends the work inside, and go on after it."""
        outcome = Outcome()
        try:
            yield outcome
        except MistakeError as mistake:
            outcome.failed = True
            self.tell(mistake.diagnostic)
        except PoisonedError:
            outcome.failed = True  # its mistake is told already, or needs the data

    @property
    def has_errors(self) -> bool:
        """Tell whether something was found that stops the work."""
        return any(each.severity is Severity.ERROR for each in self.found)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return what was found that does not stop the work."""
        return tuple(each for each in self.in_order() if each.severity is not Severity.ERROR)

    def stop_if_any(self) -> None:
        """Raise everything that was found, in the order of the text, if there is an error among it."""
        if self.has_errors:
            found = (each for each in self.in_order() if each.code not in IDLE)
            raise DiagnosticError(found, more=self.more)

    def in_order(self) -> tuple[Diagnostic, ...]:
        """Return everything that was found, in the order of the text."""
        return tuple(sorted(self.found, key=_order))


def _order(diagnostic: Diagnostic) -> tuple[str, int]:
    span = diagnostic.primary.span if diagnostic.primary else None
    return (span.source.name, span.start) if span else ("", 0)


def mistake(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    *,
    secondary: Iterable[Label] = (),
    notes: Iterable[str] = (),
    help: str | None = None,  # the word that the message itself shows
    fix: Fix | None = None,
) -> MistakeError:
    """Return an error at a place, to be raised."""
    return MistakeError(
        Diagnostic(code, message, Label(span, label), tuple(secondary), tuple(notes), help, fix)
    )


def warning(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    *,
    help: str | None = None,
    secondary: Iterable[Label] = (),
) -> Diagnostic:
    """Return a warning at a place, to be told."""
    return Diagnostic(code, message, Label(span, label), tuple(secondary), (), help, None, Severity.WARNING)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that a misspelled one most likely stands for."""
    longer = [each for each in set(known) if each.startswith(word) and len(word) > 2]
    return longer[0] if len(longer) == 1 else suggest(word, known)


def unknown(
    code: str,
    what: str,
    word: str,
    span: Span,
    known: Iterable[str],
    *,
    listing: str = "",
    place: str = "",
    written: Mapping[str, str] = NONE_WRITTEN,
    meant: str | None = None,
    hint: str | None = None,
) -> MistakeError:
    """Return the error for a word that is not among the known ones: with the nearest, or the list of them.

    `what` says what kind of thing was looked for ("layer"), `listing` begins the list ("the settings are"),
    `place` ends the sentence ("in `train`"), `written` says how a known one stands in the list. `meant` is
    the known one that is meant, where that is told by more than its letters; `hint` says what to do where
    none is meant.
    """
    known = list(written) if written else sorted(set(known))
    meant = meant or (None if hint else nearest(word, known))
    message = f"there is no {what} `{word}`" + (f" {place}" if place else "")
    shown = ", ".join(f"`{written.get(each, each)}`" for each in known)
    listed = f"{listing} {shown}" if listing and known else None
    notes = (listed,) if listed else ()
    if meant is None:
        cure, notes = (hint, notes) if hint else (listed, ())
        return mistake(code, message, span, "not known", notes=notes, help=cure)
    fix = Fix(span, meant)
    return mistake(code, message, span, "not known", notes=notes, help=f"did you mean `{meant}`?", fix=fix)

"""What is told to a user: one mistake, where it is, why it is one, and how to mend it."""

from collections.abc import Iterable
from enum import Enum, IntEnum

from netdsl.diagnostics.span import Span
from netdsl.lazy_dataclass import dataclass


class Severity(Enum):
    """How grave a diagnostic is: only errors stop the work."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Exit(IntEnum):
    """The exit codes of the command line."""

    OK = 0
    FAILED = 1
    USAGE = 2
    DATA = 3
    FILES = 4
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the source with what it has to do with the mistake."""

    span: Span
    message: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A replacement of a place by a text that mends the mistake."""

    span: Span
    replacement: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message: code, sentence, primary place, the places the facts came from, notes and help.

    `primary` is None where no text of the user is at fault (a missing file, say).
    """

    code: str
    message: str
    primary: Label | None = None
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    help: str | None = None
    fix: Fix | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Tell whether it stops the work."""
        return self.severity is Severity.ERROR


class DiagnosticError(Exception):
    """Carry one or more diagnostics up to whoever tells them; `exit_code` is that of the command line.

    `more` is how many errors were found besides those that are told: more than anybody reads.
    """

    def __init__(
        self, diagnostics: Iterable[Diagnostic], exit_code: Exit = Exit.USAGE, more: int = 0
    ) -> None:
        self.diagnostics = tuple(diagnostics)
        self.exit_code = exit_code
        self.more = more
        super().__init__("; ".join(f"{each.code}: {each.message}" for each in self.diagnostics))

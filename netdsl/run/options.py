"""How a file is to be run: what a command line or a call from Python says besides the file."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.lazy_dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    """What is not in the file. `overrides` are texts of the language by the name of a `param` or the path of
    a field; `block` names the train block, where there are several. `report` is told how far a download is:
    the file's name, the bytes that are here, and the bytes there will be. `stand_in` asks for drawn rows in
    place of a published data set. `device` is "auto", "cpu" or "cuda"."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    block: str | None = None
    seed: int | None = None
    data_dir: Path | None = None
    threads: int | None = None
    report: Callable[[str, int, int], None] | None = None
    allow: tuple[Path, ...] = ()
    stand_in: bool = False
    device: str = "auto"


def value_text(value: object) -> str:
    """Write a Python value as the language does: True is `yes`, a list `[1, 2]`, a text stays as it is.

    Errors: E0907 for a value of another type.
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return repr(value)
        case str():
            return value
        case Mapping():
            return "(" + ", ".join(f"{name}={value_text(each)}" for name, each in value.items()) + ")"
        case Sequence():
            return "[" + ", ".join(map(value_text, value)) + "]"
        case _ if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            return value_text(value.item())  # a number of NumPy's
        case _:
            message = f"a param cannot be a {type(value).__name__}"
            cure = "give a number, a flag, a text of the language, or a list of these"
            raise DiagnosticError([Diagnostic("E0907", message, help=cure)])

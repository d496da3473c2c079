"""The source `text`: windows of a text, and beside each the same window one character later."""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content
from netdsl.data.problems import fail
from netdsl.diagnostics import Span
from netdsl.files import read_bytes, shown
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.schema import FieldSchema

_PARAMETERS: Final = (
    Parameter("file", "text"),
    Parameter("length", "count", 64, 1, 65_536),
    Parameter("step", "count", None, 1, 65_536, by_name=True),
    Parameter("test", "text", None, by_name=True),
)
_BYTES: Final = 256 << 20
_MOST: Final = 1 << 28  # numbers in a field: 1 GiB


def open_text(plan: SourcePlan, access: Access) -> Content:
    """Open `text("file.txt", length=64, step=64, test="other.txt")`.

    A row is a window of the text: `characters` [length], and `next` [length], for each of them the one that
    follows it. The classes are the characters that occur, in the order of their code points. A window begins
    every `step` characters (`length` unless it is given). The parts of a split are stretches of the text.

    Errors: E0546 for what is no text of UTF-8, E0547 when it is too short, E0548 when the windows would take
    too much memory.
    """
    given = read_arguments(plan, _PARAMETERS)
    length, step = given["length"], given["step"] or given["length"]
    files = {False: access.places.find(given["file"], span_of(plan, "file", 0))}
    if given["test"] is not None:
        files[True] = access.places.find(given["test"], span_of(plan, "test"))
    texts = {test: read_text(path, plan.span) for test, path in files.items()}
    rows = {test: _windows(texts[test], files[test], length, step, plan.span) for test in files}
    classes = tuple(sorted(set().union(*texts.values())))

    @cache
    def windows(test: bool) -> np.ndarray:
        codes = coded(texts[test], classes)
        return np.lib.stride_tricks.sliding_window_view(codes, length + 1)[::step]

    def load(field: str, test: bool) -> np.ndarray:
        return windows(test)[:, :-1] if field == "characters" else windows(test)[:, 1:]

    def place(test: bool, row: int) -> str:
        return f"the window from character {row * step + 1:,} of `{shown(files[test])}`"

    fields = (
        FieldSchema("characters", (length,), "category", classes=classes),
        FieldSchema("next", (length,), "label", True, classes),
    )
    between = length // step  # windows that begin within one, or share its last character
    return Content(fields, rows[False], rows.get(True), load, place, between=between)


def read_text(path: Path, span: Span | None = None) -> str:
    """Return a text of UTF-8. A byte-order mark is left out; an end of a line is one character.

    Errors: E0546.
    """
    return decoded(read_bytes(path, limit=_BYTES), shown(path), span)


def decoded(raw: bytes, name: str, span: Span | None = None) -> str:
    """Return the text that bytes of UTF-8 are, as `read_text` does."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as failure:
        line = raw[: failure.start].count(b"\n") + 1
        reason = f"line {line} has the byte 0x{raw[failure.start]:02X}, which is no UTF-8"
        help = "save it as UTF-8; a packed file is unpacked first"
        fail("E0546", f"`{name}` cannot be read as a text: {reason}", span, help=help)
    return text.replace("\r\n", "\n")


def coded(text: str, classes: tuple[str, ...]) -> np.ndarray:
    """Return the class of each character, int32. Each is one of the classes, which are in order."""
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    known = np.array([ord(each) for each in classes], np.uint32)
    return np.searchsorted(known, points).astype(np.int32)


def _windows(text: str, path: Path, length: int, step: int, span: Span) -> int:
    """Return how many windows a text has; each needs a character more than it is long."""
    count = (len(text) - length - 1) // step + 1
    if count < 1:
        message = (
            f"`{shown(path)}` has {len(text):,} characters, and a window of {length:,} takes {length + 1:,}"
        )
        fail("E0547", message, span, help="give a longer text, or a smaller `length`")
    if count * length > _MOST:
        message = f"`{shown(path)}` gives {count:,} windows of {length:,} characters, more than are kept"
        most = f"{_MOST:,} characters are kept in all windows together"
        fail("E0548", message, span, notes=(most,), help=f"let fewer begin: `step={length}`")
    return count

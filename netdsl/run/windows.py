"""New text for a trained network, as the windows that it takes."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netdsl.data.problems import fail, some
from netdsl.data.text import coded, decoded, read_text
from netdsl.semantics.schema import FieldSchema


def read_windows(path: Path | None, field: FieldSchema) -> NDArray[np.int32]:
    """Read a text, from stdin without a path, and cut it into windows that follow one another.

    Shape: (windows, length). The last one ends where the text ends, and so may begin inside the one before.
    Errors: E0914 for a text that is shorter than a window, or has characters that the model does not know;
    E0546 for what is no text.
    """
    name = "stdin" if path is None else str(path)
    text = decoded(sys.stdin.buffer.read(), name) if path is None else read_text(path)
    (length,) = field.shape
    if len(text) < length:
        message = f"`{name}` has {len(text):,} characters, and the model reads {length:,} at a time"
        fail("E0914", message, help="give a longer text")
    _refuse_unknown(text, field.classes, name)
    starts = [*range(0, len(text) - length, length), len(text) - length]
    windows = np.lib.stride_tricks.sliding_window_view(coded(text, field.classes), length)
    return np.ascontiguousarray(windows[starts])


def _refuse_unknown(text: str, classes: tuple[str, ...], name: str) -> None:
    unknown = sorted(set(text) - set(classes))
    if unknown:
        first = unknown[0]
        line = text[: text.index(first)].count("\n") + 1
        message = (
            f"`{name}` has {first!r} in line {line}, which was not in the text that the model learned from"
        )
        notes = some(f"{each!r}" for each in unknown[1:])
        fail("E0914", message, notes=("so have " + ", ".join(notes),) if notes else (), help="leave it out")

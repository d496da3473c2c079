"""The folder of a run: its checkpoints, its history, what it was made from."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from netdsl.diagnostics import DiagnosticError
from netdsl.files import append_line, fail, make_run_folder, read_bytes, shown, sweep, write_atomic
from netdsl.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from netdsl.training.records import Record

AT_EPOCHS: Final = 5.0
"""Seconds after which the end of an epoch is worth a checkpoint; short epochs share one."""

WITHIN_EPOCHS: Final = 30.0
"""Seconds after which one is written in the middle of an epoch."""

LAST: Final = "last.safetensors"
BEST: Final = "best.safetensors"
HISTORY: Final = "history.jsonl"
MANIFEST: Final = "manifest.json"
MODEL: Final = "model.net"

RUN: Final = "give the folder of a run, such as runs/digits-1"
WEIGHTS: Final = f"give {BEST} or {LAST} in that folder: each holds a copy of it"


class Store:
    """A run's folder while it trains. Both checkpoints are whole: a training can go on from either."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.last = folder / LAST
        self.best = folder / BEST
        self._history = folder / HISTORY
        self._pending: Checkpoint | None = None
        self._saved = time.monotonic()

    def describe(self, text: str, manifest: Mapping[str, Any]) -> None:
        """Write what the run is made from."""
        write_atomic(self.folder / MODEL, text.encode())
        write_atomic(self.folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())

    def begin(self, checkpoint: Checkpoint) -> None:
        """Save the state before the first step, so that a run can be resumed whenever it ends."""
        self.save_last(checkpoint)

    def append(self, record: Record) -> None:
        """Add a line to the history."""
        append_line(self._history, json.dumps(record))

    def keep(self, checkpoint: Checkpoint, *, best: bool) -> None:
        """Take the state at the end of an epoch; write it if it is time to."""
        if best:
            self._pending = checkpoint
        if time.monotonic() - self._saved >= AT_EPOCHS:
            self.flush(checkpoint)

    def due_within_epoch(self) -> bool:
        """Tell whether it is time for a checkpoint in the middle of an epoch."""
        return time.monotonic() - self._saved >= WITHIN_EPOCHS

    def flush(self, checkpoint: Checkpoint) -> None:
        """Write the best state, if it is new, and then the last one."""
        if self._pending is not None:
            save_checkpoint(self.best, self._pending)
            self._pending = None
        self.save_last(checkpoint)

    def save_last(self, checkpoint: Checkpoint) -> None:
        """Write the last state."""
        save_checkpoint(self.last, checkpoint)
        self._saved = time.monotonic()

    def resume(self) -> tuple[Checkpoint, Checkpoint | None]:
        """Return where to go on, and the best state so far.

        A process that was killed between the two writes leaves a best state newer than the last one; then
        that is where to go on.
        """
        sweep(self.folder)
        last = load_checkpoint(self.last)
        best = load_checkpoint(self.best) if self.best.exists() else None
        if best is not None and best.counters.step > last.counters.step:
            return best, best
        return last, best

    def history(self, epochs: int) -> list[Record]:
        """Return the history of the first epochs, and cut the file to it."""
        records = read_history(self._history)[:epochs] if self._history.exists() else []
        lines = "".join(json.dumps(each) + "\n" for each in records)
        write_atomic(self._history, lines.encode())
        return records


def new_store(parent: Path, name: str) -> Store:
    """Make a folder `<name>-<n>` that no other run has."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
    number = max((found for _, found in _numbered(parent, stem)), default=0) + 1
    while True:
        try:
            return Store(make_run_folder(parent, f"{stem}-{number}"))
        except DiagnosticError as error:
            if error.diagnostics[0].code != "E0809":
                raise
        number += 1


def newest_run(parent: Path, name: str) -> Path | None:
    """Return the run of a name that was begun last and has a state to go on from."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
    begun = [each for each in _numbered(parent, stem) if (each[0] / LAST).exists()]
    return max(begun, key=lambda each: each[1], default=(None, 0))[0]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run's manifest.

    Errors: E0832 for a folder that is no run, E0833 for a manifest that cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        fail("E0832", f"`{shown(folder)}` is not the folder of a run: it has no {MANIFEST}", help=RUN)
    try:
        manifest = json.loads(read_bytes(path))
    except ValueError as error:
        fail("E0833", f"`{shown(path)}` is damaged: {error}", help=WEIGHTS)
    if not isinstance(manifest, dict):
        fail("E0833", f"`{shown(path)}` is damaged: it holds no record", help=WEIGHTS)
    return manifest


def read_history(path: Path) -> list[Record]:
    """Read a history up to its first line that is not whole."""
    records: list[Record] = []
    for line in read_bytes(path).splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        records.append(record)
    return records


def _numbered(parent: Path, stem: str) -> list[tuple[Path, int]]:
    pattern = re.compile(re.escape(stem) + r"-([1-9]\d{0,8})")
    names = [each for each in parent.iterdir() if each.is_dir()] if parent.is_dir() else []
    pairs = [(each, pattern.fullmatch(each.name)) for each in names]
    return [(each, int(found[1])) for each, found in pairs if found]

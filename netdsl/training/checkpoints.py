"""Checkpoints: weights, states and counters in one safetensors file that can be used alone."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from netdsl.files import fail, shown
from netdsl.files.tensors import read_tensors, write_tensors
from netdsl.training.executable import Values

FORMAT = "netdsl-1"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a weights file says of where it comes from: the `.net` texts by name, the main one first, and
    the manifest of its run."""

    sources: Mapping[str, str]
    manifest: Mapping[str, Any]


@dataclass(slots=True)
class Counters:
    """How far a training is: `epoch` is the number of finished ones, `position` the steps taken of the next
    one, with their sums; `stopped` is why it ended, if it has; `use` tells which of the run's two weights
    files is the one to use."""

    epoch: int = 0
    position: int = 0
    step: int = 0
    seconds: float = 0.0
    rows: int = 0
    loss: float = 0.0
    objective: float = 0.0
    stopped: str | None = None
    use: str = "last"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A training at one moment: enough to go on from there, bit for bit."""

    values: Values
    counters: Counters
    watches: list[list[Any]] = field(default_factory=list)
    schedules: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = None


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    origin = checkpoint.origin or Origin({}, {})
    progress = {
        "counters": asdict(checkpoint.counters),
        "watches": checkpoint.watches,
        "schedules": checkpoint.schedules,
    }
    metadata = {
        "format": FORMAT,
        "net": next(iter(origin.sources.values()), ""),
        "sources": json.dumps(origin.sources),
        "manifest": json.dumps(origin.manifest),
        "progress": json.dumps(progress),
    }
    write_tensors(path, checkpoint.values, metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Errors: those of read_tensors; E0830 where the file tells of no training, E0831 where it is of a newer
    format.
    """
    values, metadata = read_tensors(path)
    kind = metadata.get("format", "")
    if kind != FORMAT:
        _refuse(path, kind)
    try:
        progress = json.loads(metadata["progress"])
        origin = Origin(json.loads(metadata["sources"]), json.loads(metadata["manifest"]))
        counters = Counters(**progress["counters"])
        return Checkpoint(values, counters, progress["watches"], progress["schedules"], origin)
    except (KeyError, TypeError, ValueError) as error:
        message = f"`{shown(path)}` is damaged: its description of the training cannot be read"
        fail("E0830", message, notes=(f"{type(error).__name__}: {error}",))


def _refuse(path: Path, kind: str) -> NoReturn:
    if kind.startswith("netdsl-"):
        message = (
            f"`{shown(path)}` was written by a newer netdsl (its format is {kind}, this one reads {FORMAT})"
        )
        fail("E0831", message, help="install the newer version: pip install -U netdsl")
    message = f"`{shown(path)}` is no weights file of netdsl: it says nothing of a model"
    fail("E0830", message, help="give a run folder, or best.safetensors inside one")

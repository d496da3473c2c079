"""From the folder of a run, or from a weights file alone, back to what was trained."""

from pathlib import Path

from netdsl.files import fail, shown
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.run.manifest import schema_from
from netdsl.run.opening import Opened, open_texts
from netdsl.run.options import Options
from netdsl.run.reading import Kept
from netdsl.training.checkpoints import Checkpoint, load_checkpoint
from netdsl.training.store import BEST, LAST, read_manifest


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What a weights file holds: its experiment, and the weights."""

    opened: Opened
    checkpoint: Checkpoint
    path: Path


def weights_file(path: Path) -> Path:
    """Return the weights file that a path means: of a run, the one that its training ended with.

    Errors: E0810 for a `.net` file, E0832 for a folder that is no run, E0837 for a run without weights.
    """
    if path.suffix == ".net":
        cure = f"give the folder of a run, such as `runs/{path.stem}-1`; `netdsl train {path}` makes one"
        fail("E0810", f"`{shown(path)}` has no weights: it says what to train", help=cure)
    if not path.is_dir():
        return path
    read_manifest(path)
    best, last = path / BEST, path / LAST
    if not last.exists():
        fail("E0837", f"the run `{shown(path)}` has no weights yet", help="train it first")
    return best if best.exists() and load_checkpoint(last).counters.use == "best" else last


def restore(path: Path, options: Options, *, data: bool, folder: Path | None = None) -> Restored:
    """Read a weights file and work out its experiment; its data is opened where that is asked for.

    `folder` is where data files are looked for, if not where they were when the weights were trained.

    Errors: those of load_checkpoint and of opening the data.
    """
    found = weights_file(path)
    checkpoint = load_checkpoint(found)
    assert checkpoint.origin is not None
    manifest = checkpoint.origin.manifest
    options = replace(
        options, overrides={**manifest["overrides"], **options.overrides}, block=manifest["block"]
    )
    home = folder or (found.parent / manifest["folder"])
    schema = None if data else schema_from(manifest["data"]["schema"])
    opened = open_texts(Kept(checkpoint.origin.sources), home, options, schema)
    return Restored(opened, checkpoint, found)

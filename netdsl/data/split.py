"""Which rows make up each part: their numbers by count and share, and the draw."""

from collections.abc import Mapping
from typing import Final, NoReturn

import numpy as np

from netdsl.data.draws import permutation
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import SplitPlan
from netdsl.semantics.schema import PartName

PARTS: Final[tuple[PartName, ...]] = ("train", "valid", "test")
_NEARLY: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows each part has. `own_test` tells that those of `test` come from the source's own."""

    rows: Mapping[PartName, int]
    own_test: bool


def size_parts(split: SplitPlan | None, rows: int, own_test: int | None, between: int | None = None) -> Sizes:
    """Work out how many rows each part has.

    Without a split all rows are for training. A share is one of all rows to split; a `train` that is not
    named takes what the others leave. A test part that the source has is the test part: whole if nothing is
    said, else as many of its rows as asked for. `between` rows are no part's where a part follows another.

    Errors: E0534 when there are not as many rows, E0535 for a part or a size that cannot be, E0543 when
    nothing is left to train on.
    """
    wanted: dict[PartName, int | float] = {"train": 1.0} if split is None else _wanted(split)
    if between is not None:
        _refuse_draw(split)
    tested: dict[PartName, int] = {}
    if own_test is not None:
        tested = {"test": _own_test(split, wanted.pop("test", own_test), own_test)}
    if between is not None:
        rows = max(0, rows - between * (len({"train", *(part for part in wanted if wanted[part])}) - 1))
    sizes = _sizes(split, wanted, rows)
    if not sizes.get("train"):
        help = "ask for fewer rows in the other parts: `train` takes what they leave if it is not named"
        _refuse("E0543", "no rows are left to train on", split, help)
    ordered = {part: (sizes | tested)[part] for part in PARTS if part in sizes | tested}
    return Sizes({part: count for part, count in ordered.items() if count}, own_test is not None)


def draw_parts(
    split: SplitPlan | None, sizes: Sizes, rows: int, own_test: int, labels: np.ndarray | None, seed: int
) -> dict[PartName, np.ndarray]:
    """Draw the rows of each part, in rising order. With labels the draw is stratified.

    The draw depends on the seed, that of the split, and the number of rows alone.
    """
    key = (seed, split.seed if split else 0)
    parts: dict[PartName, np.ndarray] = {}
    counts = dict(sizes.rows)
    if sizes.own_test and "test" in counts:
        chosen = permutation(own_test, "test", *key)[: counts.pop("test")]
        parts["test"] = np.sort(chosen)
    order = permutation(rows, "split", *key)
    if labels is not None:
        order = _interleaved(order, labels[order])
    start = 0
    for part in ("test", "valid", "train"):
        if part in counts:
            parts[part] = np.sort(order[start : start + counts[part]])
            start += counts[part]
    return {part: parts[part] for part in PARTS if part in parts}


def lay_parts(sizes: Sizes, between: int) -> dict[PartName, np.ndarray]:
    """Lay the parts one after the other, `between` rows apart: for rows whose neighbors share something."""
    parts: dict[PartName, np.ndarray] = {}
    start = 0
    for part, count in sizes.rows.items():
        if part == "test" and sizes.own_test:
            parts[part] = np.arange(count)
        else:
            parts[part] = np.arange(start, start + count)
            start += count + between
    return parts


def oversample(rows: np.ndarray, labels: np.ndarray, share: float, *key: int | str) -> np.ndarray:
    """Return the rows, with rows of rare classes again until each has that share of the largest class.

    Every row of a class is drawn once more before one is drawn twice more.
    """
    counts = np.bincount(labels)
    wanted = int(np.ceil(share * counts.max() - _NEARLY))
    added = [rows]
    for each in np.flatnonzero((counts > 0) & (counts < wanted)):
        members = rows[labels == each]
        rounds = -(-(wanted - len(members)) // len(members))
        draws = [members[permutation(len(members), *key, int(each), turn)] for turn in range(rounds)]
        added.append(np.concatenate(draws)[: wanted - len(members)])
    return np.concatenate(added)


def oversampled_count(labels: np.ndarray, share: float) -> int:
    """Return how many rows `oversample` gives."""
    counts = np.bincount(labels)
    wanted = int(np.ceil(share * counts.max() - _NEARLY))
    return int(np.maximum(counts[counts > 0], wanted).sum())


def _wanted(split: SplitPlan) -> dict[PartName, int | float]:
    wanted: dict[PartName, int | float] = {}
    for name, size in split.sizes.items():
        part = next((each for each in PARTS if each == name), None)
        if part is None:
            _refuse("E0535", f"there is no part `{name}`; the parts are `train`, `valid`, `test`", split)
        if isinstance(size, bool) or size < 0 or (isinstance(size, float) and size > 1 + _NEARLY):
            _refuse(
                "E0535",
                f"`{name}` cannot be {size:g}: a part is a number of rows, or a share up to 100%",
                split,
            )
        wanted[part] = size
    return wanted


def _own_test(split: SplitPlan | None, size: int | float, own_test: int) -> int:
    if isinstance(size, float):
        if abs(size - 1) > _NEARLY and size:
            _refuse(
                "E0535",
                f"`test={size:.4g}` could be a share of all rows, or of the {own_test:,} test rows that the "
                "source has of its own",
                split,
                help=f"leave `test` out for all of them, or give their number, `test={own_test}`",
            )
        return own_test if size else 0
    if size > own_test:
        message = f"`test` asks for {size:,} rows, and the source's own test part has {own_test:,}"
        _refuse("E0534", message, split, f"leave `test` out for all of them, or ask for up to {own_test}")
    return size


def _refuse_draw(split: SplitPlan | None) -> None:
    if split is not None and split.seed:
        message = "the rows of this source follow one another, and are not drawn"
        _refuse("E0535", message, split, "leave `seed` out of the split: its parts are stretches of the text")


def _sizes(split: SplitPlan | None, wanted: Mapping[PartName, int | float], rows: int) -> dict[PartName, int]:
    counts = {part: size for part, size in wanted.items() if not isinstance(size, float)}
    shares = {part: size for part, size in wanted.items() if isinstance(size, float)}
    total = sum(shares.values())
    if total > 1 + _NEARLY:
        help = "make them 100 % or less together; `train` takes what the others leave if it is not named"
        _refuse("E0534", f"the shares are {100 * total:.6g} % together", split, help)
    sizes = counts | _shared_out(shares, rows)
    asked = sum(sizes.values())
    if asked > rows:
        parts = ", ".join(f"{part} {count:,}" for part, count in sizes.items())
        message = f"the parts ask for {asked:,} rows ({parts}), and there are {rows:,}"
        _refuse("E0534", message, split, "ask for fewer, or for shares such as `valid=10%`")
    if "train" not in wanted:
        sizes["train"] = rows - asked
    return sizes


def _shared_out(shares: Mapping[PartName, float], rows: int) -> dict[PartName, int]:
    """Round so that shares of 100 % together take all rows: where each part ends is what is rounded."""
    sizes: dict[PartName, int] = {}
    end, before = 0.0, 0
    for part, share in shares.items():
        end += share * rows
        sizes[part] = int(np.floor(end + 0.5)) - before
        before += sizes[part]
    return sizes


def _interleaved(order: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Reorder so that any stretch has the classes in their shares: by the rank of a row in its class."""
    counts = np.bincount(labels)
    grouped = np.argsort(labels, kind="stable")
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.empty(len(labels))
    rank[grouped] = (np.arange(len(labels)) - starts + 0.5) / counts[labels[grouped]]
    return np.asarray(order[np.argsort(rank, kind="stable")])


def _refuse(code: str, message: str, split: SplitPlan | None, help: str | None = None) -> NoReturn:
    fail(code, message, split.span if split else None, help=help, exit_code=Exit.USAGE)

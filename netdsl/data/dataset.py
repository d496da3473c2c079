"""A data set as the rest of netdsl sees it: its schema, and the rows of each part."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netdsl.data.access import Access, is_offline
from netdsl.data.content import Arrays, Content
from netdsl.data.filling import Fills, fill, measure_fills
from netdsl.data.pairs import pairs_of
from netdsl.data.places import Places, data_folder
from netdsl.data.problems import fail, placed
from netdsl.data.sources import open_source
from netdsl.data.split import Sizes, draw_parts, lay_parts, oversample, oversampled_count, size_parts
from netdsl.diagnostics import Diagnostic, Exit
from netdsl.semantics.experiment import DataPlan
from netdsl.semantics.schema import FieldSchema, PartName, Schema

if TYPE_CHECKING:
    from netdsl.data.download import Opener, Report


def open_data(
    plan: DataPlan,
    *,
    folder: Path,
    data_dir: Path | None = None,
    seed: int = 0,
    offline: bool = False,
    allowed: tuple[Path, ...] = (),
    report: "Report | None" = None,
    opener: "Opener | None" = None,
) -> "Dataset":
    """Open what a `data` block names. Rows are read when a part is asked for, where the source allows it.

    `folder` is that of the `.net` file; names in it are looked for there, then in `data_dir` (else in
    NETDSL_DATA_DIR). `seed` is that of the data (split, toys), not of a training. `allowed` are folders
    outside that may be read; `report` is told how far a download is.

    Errors: E0520 to E0545, with the exit codes of usage and data.
    """
    places = Places(folder, data_folder(data_dir), allowed)
    span = plan.source.span
    with placed(span):
        content = open_source(plan, Access(places, seed, is_offline(offline), opener, report))
    if not content.rows:
        fail("E0543", f"`{plan.name}` has no rows", span, help="check the file that it is read from")
    sizes = size_parts(plan.split, content.rows, content.own_test, content.between)
    return Dataset(plan, content, sizes, seed)


class Dataset:
    """An opened data set. Nothing in it changes; what was read is kept."""

    def __init__(
        self,
        plan: DataPlan,
        content: Content,
        sizes: Sizes,
        seed: int,
        parts: Mapping[PartName, np.ndarray] | None = None,
    ) -> None:
        self._plan = plan
        self._content = content
        self._sizes = sizes
        self._seed = seed
        self._parts = parts
        self._pairs = pairs_of(content, plan.pairs, plan.span) if plan.pairs else None
        self._check_labels_are_there()

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Return what is worth a look in the data."""
        return self._content.warnings

    @cached_property
    def schema(self) -> Schema:
        """Return what is known of the data: fields, and the rows of each part."""
        rows = dict(self._sizes.rows)
        if self._plan.balance is not None:
            rows["train"] = oversampled_count(self._labels[self._drawn["train"]], self._plan.balance)
        if self._pairs is None:
            return Schema(self._plan.name, self._content.fields, rows, self._plan.span)
        paired = {part: count * self._pairs.count for part, count in rows.items()}
        return Schema(self._plan.name, self._pairs.fields(), paired, self._plan.span)

    @cached_property
    def fills(self) -> Fills:
        """Return what stands for a missing cell, by column; empty unless `missing` is mean or category."""
        if self._plan.missing not in {"mean", "category"}:
            return {}
        rows = self._drawn["train"]
        fills: dict[str, float | str] = {}
        for field in self._content.fields:
            if not field.target:
                fills |= measure_fills(field, self._content.load(field.name, False)[rows], self._plan.span)
        return fills

    def part(self, name: PartName) -> Arrays:
        """Return the fields of a part, rows first: numbers float32 or uint8, labels and categories int32.

        Units: raw, as the source has them.
        Errors: E0545 when the split has no such part; those of the source's files.
        """
        rows = self._rows(name)
        fields = {field.name: self._field(field, name, rows) for field in self._content.fields}
        if self._pairs is None:
            return fields
        values, labels = fields[self._pairs.field.name], fields[self._pairs.label.name]
        return self._pairs.draw(values, labels, "pairs", self._seed, name)

    def rows(self, name: PartName) -> np.ndarray:
        """Return which rows of the source a part has (those of its own test part for that one).

        Of pairs it is the row of the first example.
        """
        rows = self._rows(name)
        return rows if self._pairs is None else self._pairs.rows(rows)

    def _rows(self, name: PartName) -> np.ndarray:
        if name not in self._drawn:
            parts = ", ".join(f"`{each}`" for each in self._drawn)
            help = f"it has {parts}; name `{name}` in `split`"
            fail(
                "E0545",
                f"`{self._plan.name}` has no part `{name}`",
                self._plan.span,
                help=help,
                exit_code=Exit.USAGE,
            )
        if name == "train" and self._plan.balance is not None:
            return self._balanced
        return self._drawn[name]

    def place(self, name: PartName, row: int) -> str:
        """Say where a row of a part stands in its file."""
        return self._content.place(self._is_own_test(name), int(self.rows(name)[row]))

    def with_parts(self, parts: Mapping[PartName, np.ndarray]) -> "Dataset":
        """Return the same data with other parts, of the rows to split (for folds). A test part stays."""
        drawn = dict(parts)
        if "test" in self._drawn:
            drawn.setdefault("test", self._drawn["test"])
        rows = {name: len(each) for name, each in drawn.items()}
        return Dataset(self._plan, self._content, replace(self._sizes, rows=rows), self._seed, drawn)

    @cached_property
    def _drawn(self) -> Mapping[PartName, np.ndarray]:
        if self._parts is not None:
            return self._parts
        split, content = self._plan.split, self._content
        if content.between is not None:
            return lay_parts(self._sizes, content.between)
        labels = self._labels if split and split.stratified else None
        return draw_parts(split, self._sizes, content.rows, content.own_test or 0, labels, self._seed)

    @cached_property
    def _labels(self) -> np.ndarray:
        return self._content.load(self._content.labels[0].name, False)

    @cached_property
    def _balanced(self) -> np.ndarray:
        assert self._plan.balance is not None
        rows = self._drawn["train"]
        return oversample(rows, self._labels[rows], self._plan.balance, "balance", self._seed)

    def _field(self, field: FieldSchema, name: PartName, rows: np.ndarray) -> np.ndarray:
        with placed(self._plan.source.span):
            whole = self._content.load(field.name, self._is_own_test(name))
        taken = whole if len(rows) == len(whole) and _counts_up(rows) else whole[rows]
        return taken if field.target or not self.fills else fill(field, taken, self.fills)

    def _is_own_test(self, name: PartName) -> bool:
        return name == "test" and self._sizes.own_test

    def _check_labels_are_there(self) -> None:
        wanted = "balance" if self._plan.balance is not None else None
        if self._plan.split is not None and self._plan.split.stratified:
            wanted = "stratified"
        count = len(self._content.labels)
        if wanted and count != 1:
            found = "no label" if not count else f"{count} labels"
            span = self._plan.span
            help = "a table's label is named with `label=`" if not count else None
            message = f"`{wanted}` needs one label to go by, and `{self._plan.name}` has {found}"
            fail("E0536", message, span, help=help, exit_code=Exit.USAGE)


def _counts_up(rows: np.ndarray) -> bool:
    return bool((rows == np.arange(len(rows))).all())

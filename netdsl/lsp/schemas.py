"""What the data of open files is like: read beside the work of the editor, and kept until it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedError
from pathlib import Path
from threading import Lock
from typing import Any, Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Span, is_allowed
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.semantics.experiment import DataPlan
from netdsl.semantics.schema import Schema

PATIENCE: Final = 0.3
"""Seconds that an analysis waits for data; what takes longer is told when it is there."""
_KEPT: Final = 16
_FAILURE_KEPT: Final = 3.0
"""Seconds after which data that could not be read is tried again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of data: its schema where it could be read, and what there is to tell.

    `pending` tells that it is still being read.
    """

    schema: Schema | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    pending: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    plan: DataPlan
    told: Future[Told]
    since: float


class Schemas:
    """Reads data, each once; nothing is downloaded."""

    def __init__(self, data_dir: Path | None = None, allowed: tuple[Path, ...] = ()) -> None:
        self._data_dir = data_dir
        self._allowed = allowed
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="netdsl-data")
        self._entries: dict[Any, _Entry] = {}
        self._lock = Lock()

    def get(
        self, plan: DataPlan, folder: Path, ready: Callable[[], None], patience: float = PATIENCE
    ) -> Told:
        """Return what is known of data; `ready` is called, in another thread, when it is there later."""
        entry = self._entry(plan, folder)
        try:
            told = entry.told.result(patience)
        except WaitedError:
            entry.told.add_done_callback(lambda _: ready())
            return Told(pending=True)
        schema = None if told.schema is None else replace(told.schema, span=plan.span)
        moved = (_moved(each, entry.plan, plan) for each in told.diagnostics)
        return Told(schema, tuple(each for each in moved if not is_allowed(each)))

    def close(self) -> None:
        """Stop reading."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _entry(self, plan: DataPlan, folder: Path) -> _Entry:
        key = (folder, _key(plan), tuple(_stamps(plan, folder, self._data_dir)))
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None or _is_stale(entry):
                entry = _Entry(plan, self._pool.submit(self._read, plan, folder), time.monotonic())
            self._entries[key] = entry  # the newest at the end
            while len(self._entries) > _KEPT:
                del self._entries[next(iter(self._entries))]
            return entry

    def _read(self, plan: DataPlan, folder: Path) -> Told:
        from netdsl.data import open_data

        try:
            dataset = open_data(
                plan,
                folder=folder,
                data_dir=self._data_dir,
                seed=plan.split.seed if plan.split else 0,
                offline=True,
                allowed=self._allowed,
            )
            return Told(dataset.schema, dataset.warnings)
        except DiagnosticError as error:
            return Told(None, error.diagnostics)


def _is_stale(entry: _Entry) -> bool:
    if not entry.told.done():
        return False
    failed = entry.told.exception() is not None or entry.told.result().schema is None
    return failed and time.monotonic() - entry.since > _FAILURE_KEPT


def _key(plan: DataPlan) -> str:
    """Return what a plan says, without the places where it says so."""
    split = plan.split and (dict(plan.split.sizes), plan.split.stratified, plan.split.seed)
    source = (plan.source.name, plan.source.positional, dict(plan.source.named))
    return repr((plan.name, source, split, plan.missing, plan.balance, plan.pairs))


def _stamps(plan: DataPlan, folder: Path, data_dir: Path | None) -> Iterator[tuple[str, int, int]]:
    """Yield the times and sizes of the files that a plan names, to notice when one changes."""
    for name in _texts((plan.source.positional, plan.source.named)):
        for place in (folder, data_dir):
            try:
                status = (place / name).stat() if place is not None else None
            except (OSError, ValueError):
                continue
            if status is not None:
                yield name, status.st_mtime_ns, status.st_size


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case tuple():
            for each in value:
                yield from _texts(each)


def _moved(diagnostic: Diagnostic, before: DataPlan, now: DataPlan) -> Diagnostic:
    """Return a diagnostic of an older text with its places in the newest."""
    if before is now:
        return diagnostic
    pairs = zip(_places(before), _places(now), strict=False)
    places = {(old.start, old.end): new for old, new in pairs}

    def moved(label: Label) -> Label:
        if label.span.source.name != now.span.source.name:
            return label  # in a data file
        return replace(label, span=places.get((label.span.start, label.span.end), now.source.span))

    primary = diagnostic.primary and moved(diagnostic.primary)
    return replace(diagnostic, primary=primary, secondary=tuple(map(moved, diagnostic.secondary)), fix=None)


def _places(plan: DataPlan) -> list[Span]:
    """Return the places of a plan, in an order that two plans of one meaning share."""
    spans = [plan.span, plan.source.span, *(plan.source.spans[name] for name in sorted(plan.source.spans))]
    return [*spans, *([plan.split.span] if plan.split and plan.split.span else [])]

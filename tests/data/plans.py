"""What the tests of data share: plans as the semantics makes them, and calls that are to fail."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest

from netdsl.data import Dataset, open_data
from netdsl.diagnostics import Diagnostic, DiagnosticError, Source, Span
from netdsl.semantics.experiment import DataPlan, SourcePlan, SplitPlan

DATA = Path(os.environ.get("NETDSL_DATA_DIR", ""))
SPAN = Span(Source("model.net", "data d { source = … }"), 9, 20)

needs_data = pytest.mark.skipif(not (DATA / "mnist").is_dir(), reason="the data folder is not here")


def source(name: str, *positional: Any, **named: Any) -> SourcePlan:
    return SourcePlan(name, positional, named, SPAN, {})


def split(
    sizes: Mapping[str, int | float] | None = None, *, stratified: bool = False, seed: int = 0
) -> SplitPlan:
    return SplitPlan(sizes or {}, stratified, seed, SPAN)


def plan(
    source_plan: SourcePlan,
    parts: SplitPlan | None = None,
    *,
    missing: Literal["error", "drop", "mean", "category"] = "error",
    balance: float | None = None,
) -> DataPlan:
    return DataPlan("d", source_plan, parts, missing, balance, SPAN)


def opened(data_plan: DataPlan, folder: Path | None = None, data_dir: Path | None = None) -> Dataset:
    return open_data(data_plan, folder=folder or DATA, data_dir=data_dir or folder or DATA)


def refused(work: Callable[[], object]) -> Diagnostic:
    """Do something that is to fail; return the only mistake told."""
    with pytest.raises(DiagnosticError) as caught:
        work()
    (diagnostic,) = caught.value.diagnostics
    assert all(ord(each) >= 32 for each in diagnostic.message)
    return diagnostic


def text_of(diagnostic: Diagnostic) -> str:
    return "\n".join((diagnostic.message, *diagnostic.notes, diagnostic.help or ""))

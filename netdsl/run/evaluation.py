"""Measures the weights of a run, or of a file, on a part of its data."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.lazy_dataclass import dataclass
from netdsl.run.checkpoint import restore
from netdsl.run.engine import Engine
from netdsl.run.options import Options
from netdsl.semantics.experiment import Figure
from netdsl.semantics.schema import PartName
from netdsl.training.measure import Figures, Meter
from netdsl.training.signals import Signals


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures by part, and what they are figures of."""

    parts: Mapping[str, Figures]
    figures: tuple[Figure, ...]


def evaluate_weights(
    path: Path, part: PartName | None, options: Options, signals: Signals, *, folder: Path | None = None
) -> Measured:
    """Measure weights: on one part, or on all that the data has.

    Errors: those of reading the weights and the data; E0838 for a model without data or a part it has not.
    """
    restored = restore(path, options, data=True, folder=folder)
    dataset = restored.opened.dataset
    if dataset is None:
        raise _absent(f"`{restored.opened.experiment.model}` has no data to be measured on")
    names: tuple[PartName, ...] = ("train", "valid", "test")
    parts = [each for each in names if dataset.schema.rows.get(each)]
    if part is not None and part not in parts:
        raise _absent(f"the data has no part `{part}`, only {', '.join(parts)}")
    values = restored.checkpoint.values
    with Engine(restored.opened.experiment, options.threads, options.device) as engine:
        meter = Meter(engine.programs(), restored.opened.experiment.figures, signals)
        meter.load(values)
        figures: dict[str, Figures] = {}
        for name in parts if part is None else [part]:
            rows = engine.part(dataset, name, values)
            figures[name] = meter.measure(rows, np.arange(rows.rows, dtype=np.int64))
    return Measured(figures, restored.opened.experiment.figures)


def _absent(message: str) -> DiagnosticError:
    return DiagnosticError([Diagnostic("E0838", message, help="name another part")], Exit.DATA)

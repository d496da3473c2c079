"""Measures where the time of a program goes: of a training's steps, or of predictions."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.run.engine import BATCH, Engine
from netdsl.run.gradient_point import scalars_of_first_step
from netdsl.run.opening import ABSENT, Opened, open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of, start_values

if TYPE_CHECKING:
    from netdsl.explain.profile import Profile
    from netdsl.program import Program
    from netdsl.runtime import Executable
    from netdsl.runtime.watch import Spent

Which: TypeAlias = Literal["training", "prediction"]

STRETCH: Final = 0.05
"""Seconds of steps that a training runs at a time: what lies between two such stretches is measured too."""

SEGMENT: Final = 0.004
"""Seconds of steps that are measured together: less than a program has a core for before others get it."""

SECONDS: Final = 1.0
"""How long is measured where no number of steps is given."""

LEAST: Final = 3
"""Segments that are measured then, however long they take, and stretches."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured: the program, rows of a batch (those of the file), how many steps (a second of
    them)."""

    which: Which = "training"
    batch: int | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment of steps: its times, and the seconds from call to return."""

    spent: Spent
    seconds: float

    @property
    def of_a_step(self) -> float:
        """Seconds of a step, from its first launch to its last."""
        return self.spent.seconds / self.spent.steps

    @property
    def between(self) -> float:
        """Seconds for each step that lie before its first launch and after its last."""
        return (self.seconds - self.spent.seconds - self.spent.noting) / self.spent.steps


def profile_file(path: Path, options: Options, settings: Settings) -> Profile:
    """Measure the steps of a file's program, on its data, or on drawn pictures where they are not here.

    Errors: those of opening the file and its data; E0915 for a model that has nothing to predict from.
    """
    try:
        return _profile(open_file(path, options), options, settings)
    except DiagnosticError as error:
        if options.stand_in or not {each.code for each in error.diagnostics} <= ABSENT:
            raise
    return _profile(open_file(path, replace(options, stand_in=True)), options, settings)


def _profile(opened: Opened, options: Options, settings: Settings) -> Profile:
    """Measure, and put together what was found. The segment that took least is told: what others do on this
    machine only adds to a time."""
    from netdsl.runtime.cuda import choice

    device = choice.chosen(options.device)
    if device is not None:
        from netdsl.run.device_profile import device_profile

        return device_profile(opened, device, settings)
    from netdsl.explain.profile import Profile, entries_of
    from netdsl.lowering.cpu.expand import barriers
    from netdsl.passes.plan_memory import plan_memory
    from netdsl.runtime.limits import limits

    executable, rows, batch = _executable(opened, options, settings)
    segments, between = _segments(opened, executable, rows, batch, settings.steps)
    executable.close()
    best = min(segments, key=lambda each: each.of_a_step)
    spent, program = best.spent, executable.program
    plan = plan_memory(program, batch)
    known = limits(len(spent.waits), 4 * (plan.kept_size + plan.values_size))
    return Profile(
        model=opened.experiment.model,
        program=settings.which,
        data=data_of(opened),
        batch=batch,
        segments=len(segments),
        steps=sum(each.spent.steps for each in segments),
        seconds=best.of_a_step,
        middle=statistics.median(each.of_a_step for each in segments),
        between=between,
        cores=spent.worked / spent.seconds,
        entries=entries_of(program, spent, batch, known),
        waits=tuple(map(float, spent.waits.mean(axis=0) / known.clock / spent.steps)),
        barriers=barriers(program) if len(spent.waits) > 1 else 0,
        limits=known,
    )


def _executable(opened: Opened, options: Options, settings: Settings) -> tuple[Executable, int, int]:
    """Return a program with weights to begin with and rows to train on, how many they are, and the batch."""
    from netdsl.runtime import Executable

    raw = parts_of(opened.dataset)
    start = start_values(opened, raw)
    predicting = settings.which == "prediction"
    with Engine(opened.experiment, options.threads, "cpu") as engine:
        program = engine.compiled.program("inference" if predicting else "training")
        if program is None or (predicting and not opened.experiment.inputs):
            message = f"`{opened.experiment.model}` has no inputs, and so nothing to predict from"
            raise DiagnosticError([Diagnostic("E0915", message)], Exit.USAGE)
        part = engine.part(opened.dataset, "train", start) if opened.dataset is not None else None
    rows = part.rows if part is not None else 1
    usual = BATCH if predicting else opened.experiment.training.batch
    batch = settings.batch or min(usual or rows, rows)
    executable = Executable(program, options.threads or threads_of(program, batch))
    for name in executable.names():
        executable.write(name, start[name])
    executable.bind(part.prepared if part is not None else {})
    return executable, rows, batch


def threads_of(program: Program, batch: int) -> int:
    """Return how many threads a run takes by itself, where all have their cores: one where there is little
    to do in a step."""
    from netdsl.runtime.devices import default_threads
    from netdsl.runtime.sharing import steps_of

    return steps_of(program, batch, default_threads(), fixed=False).sharing.threads


def _segments(
    opened: Opened, executable: Executable, rows: int, batch: int, steps: int | None
) -> tuple[list[_Segment], float]:
    """Warm up, and measure so many steps, or a second of them, a segment after the other.

    Returned are the segments, and the seconds for each step that lie between stretches of steps.
    """
    from netdsl.runtime.watch import Watch

    scalars = scalars_of_first_step(opened.experiment, rows)
    seed = opened.experiment.training.seed
    executable.watch = Watch(executable.program)

    def segment(count: int, step: int) -> _Segment:
        order: NDArray[np.int64] = np.arange(step * batch, (step + count) * batch, dtype=np.int64) % rows
        start = time.perf_counter()
        executable.run(order, batch, step=step, seed=seed, scalars=scalars)
        seconds = time.perf_counter() - start
        assert executable.watch is not None
        return _Segment(executable.watch.take(), seconds)

    segment(1, 0)
    one = segment(1, 1).of_a_step
    size, done = max(1, int(SEGMENT / one)), 2
    stretch = max(1, int(STRETCH / one)) if steps is None else min(size, steps)
    stretches = []
    for _ in range(LEAST):
        stretches.append(segment(stretch, done))
        done += stretch
    between = min(each.between for each in stretches)
    left = LEAST * size if steps is None else steps
    found: list[_Segment] = []
    began = time.perf_counter()
    while left > 0 or (steps is None and time.perf_counter() - began < SECONDS):
        found.append(segment(size if steps is None else min(size, left), done))
        done += found[-1].spent.steps
        left -= found[-1].spent.steps
    return found, between


def data_of(opened: Opened) -> str:
    """Tell what the rows are from."""
    from netdsl.data.stand_in import StandIn

    if opened.dataset is None:
        return "no data"
    name = opened.dataset.schema.name
    return f"drawn pictures in place of `{name}`" if isinstance(opened.dataset, StandIn) else f"`{name}`"

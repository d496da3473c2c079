"""Measures where the time of a program goes on a CUDA device: its launches, one by one."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.run.engine import BATCH, Engine
from netdsl.run.gradient_point import scalars_of_first_step
from netdsl.run.opening import Opened
from netdsl.run.profile import Settings, data_of
from netdsl.run.training import parts_of, start_values

if TYPE_CHECKING:
    from netdsl.explain.profile import Profile
    from netdsl.runtime.cuda.device import Device

SEGMENTS: Final = 5
STEPS: Final = 200
"""Steps of a segment where no number is given."""


def device_profile(opened: Opened, device: Device, settings: Settings) -> Profile:
    """Measure steps, and then each launch of one by itself.

    Errors: E0915 for a model that has nothing to predict from.
    """
    from netdsl.explain.profile import Profile, entries_of_device
    from netdsl.runtime.cuda.executable import DeviceExecutable
    from netdsl.runtime.limits import Limits

    predicting = settings.which == "prediction"
    start = start_values(opened, parts_of(opened.dataset))
    with Engine(opened.experiment, None, device) as engine:
        executable = engine.executable("inference" if predicting else "training")
        if executable is None or (predicting and not opened.experiment.inputs):
            message = f"`{opened.experiment.model}` has no inputs, and so nothing to predict from"
            raise DiagnosticError([Diagnostic("E0915", message)], Exit.USAGE)
        assert isinstance(executable, DeviceExecutable)
        part = engine.part(opened.dataset, "train", start) if opened.dataset is not None else None
        rows = part.rows if part is not None else 1
        usual = BATCH if predicting else opened.experiment.training.batch
        batch = settings.batch or min(usual or rows, rows)
        for name in executable.names():
            executable.write(name, start[name])
        executable.bind(part.prepared if part is not None else {})
        seed, scalars = opened.experiment.training.seed, scalars_of_first_step(opened.experiment, rows)
        steps = settings.steps or STEPS
        order: NDArray[np.int64] = np.arange(steps * batch, dtype=np.int64) % rows
        times = []
        for _ in range(1 + SEGMENTS):
            began = time.perf_counter()
            executable.run(order, batch, seed=seed, scalars=scalars)
            times.append((time.perf_counter() - began) / steps)
        each = executable.time_launches(order, batch, seed=seed, scalars=scalars)
        flops, bandwidth = device.limits()
        # The first run records the launches.
        times = times[1:]
        limits = Limits(1, 1.0, flops, {"memory": bandwidth}, {})
        return Profile(
            model=opened.experiment.model,
            program=settings.which,
            data=data_of(opened),
            batch=batch,
            segments=SEGMENTS,
            steps=steps * SEGMENTS,
            seconds=min(times),
            middle=statistics.median(times),
            between=0.0,
            cores=1.0,
            entries=entries_of_device(executable.program, each, batch, limits),
            waits=(),
            barriers=0,
            limits=limits,
            device=device.name,
        )

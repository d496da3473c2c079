"""The programs of one experiment, each made into an executable when it is first needed."""

from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from netdsl.garbage import seldom_collected
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import PartName
from netdsl.training.executable import Part, Programs, Values

if TYPE_CHECKING:
    from netdsl.compiler import Compiled
    from netdsl.data import Dataset
    from netdsl.graph import Precision
    from netdsl.program import Program
    from netdsl.runtime import Executable as CpuExecutable
    from netdsl.runtime.cuda.device import Device
    from netdsl.runtime.cuda.executable import DeviceExecutable

    Executable: TypeAlias = CpuExecutable | DeviceExecutable

Kind: TypeAlias = Literal["training", "inference", "evaluation", "preparation", "whole"]

KINDS: tuple[Kind, ...] = get_args(Kind)

PREPARED = "prepared/"

BATCH = 512
"""Rows of a batch where rows are prepared or predicted."""

PIECE = 8 * BATCH
"""Rows that are prepared at a time."""


def programs_of(compiled: "Compiled") -> "dict[Kind, Program]":
    """Return the programs that an experiment has, by what they are for."""
    found = {kind: compiled.program(kind) for kind in KINDS}
    return {kind: program for kind, program in found.items() if program is not None}


class Engine:
    """Runs an experiment's programs with at most `threads` threads, or on a device."""

    def __init__(self, experiment: Experiment, threads: int | None, device: "str | Device" = "cpu") -> None:
        """Choose the device; `auto` is a CUDA device where one works.

        Errors: E0963 and E0906 for a device that is asked for and not there.
        """
        with seldom_collected():
            from netdsl.compiler import compile_experiment
        from netdsl.program import Target
        from netdsl.runtime.cuda.choice import chosen
        from netdsl.runtime.devices import cpu

        self.experiment = experiment
        self.device = chosen(device) if isinstance(device, str) else device
        rows = experiment.training.batch or BATCH
        target = Target(tiles=cpu().level == "amx")
        if self.device is not None:
            target = Target("cuda", rows=rows, blas=self.device.blas is not None)
        self.compiled: Compiled = compile_experiment(experiment, target)
        self.threads = threads
        self._made: dict[Kind, Executable] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @seldom_collected()
    def executable(self, kind: Kind) -> "Executable | None":
        """Return the executable of a program; None where the experiment has no such program."""
        if kind not in self._made and (program := self.compiled.program(kind)) is not None:
            self._made[kind] = self._execute(program)
        return self._made.get(kind)

    def _execute(self, program: "Program") -> "Executable":
        if self.device is None:
            from netdsl.runtime import Executable

            return Executable(program, at_most=self.threads)
        from netdsl.runtime.cuda.executable import DeviceExecutable

        return DeviceExecutable(program, self.device)

    @property
    def device_name(self) -> str:
        """The name of what the programs run on, with the library that makes large products there."""
        if self.device is None:
            return "CPU"
        return self.device.name if self.device.blas is None else f"{self.device.name} with {self.device.blas}"

    @property
    def precision(self) -> "Precision":
        """What the factors of the model's products are rounded to: on the CPU never."""
        return "float32" if self.device is None else self.experiment.training.precision

    def programs(self) -> Programs:
        """Return what a training needs."""
        training = self.executable("training")
        assert training is not None
        return Programs(training, self.executable("evaluation"), self.executable("whole"))

    def part(self, dataset: "Dataset", name: PartName, values: Values) -> Part:
        """Return a part with its rows as the programs read them, scaled by what was fitted.

        Errors: E0544 for a value that is not finite when it is scaled.
        """
        from netdsl.data.scaling import check_prepared

        raw = dataset.part(name)
        rows = len(next(iter(raw.values())))
        prepared = self._prepared(raw, rows, values)
        check_prepared({key.removeprefix(PREPARED): each for key, each in prepared.items()}, dataset, name)
        return Part(rows, {**raw, **prepared}, raw)

    def load(self, kind: Kind, values: Values) -> "Executable":
        """Return the executable of a program with these weights in it."""
        executable = self.executable(kind)
        assert executable is not None
        for name in executable.names():
            executable.write(name, values[name])
        return executable

    def close(self) -> None:
        """Give the memory back."""
        for each in self._made.values():
            each.close()
        self._made.clear()
        if self.device is not None:
            self.device.close()

    def _prepared(self, raw: Values, rows: int, values: Values) -> Values:
        if self.compiled.preparation is None or rows == 0:
            return {}
        executable = self.load("preparation", values)
        prepared: dict[str, NDArray[np.generic]] = {}
        for start in range(0, rows, PIECE):
            # A piece at a time: binding makes floats of bytes, and those of all rows would be large.
            piece = {name: each[start : start + PIECE] for name, each in raw.items()}
            executable.bind(piece)
            count = min(PIECE, rows - start)
            for name, each in executable.run(np.arange(count, dtype=np.int64), BATCH).items():
                whole = prepared.setdefault(name, np.empty((rows, *each.shape[1:]), each.dtype))
                whole[start : start + count] = each
        return prepared

"""netdsl's own training and inference programs of a workload."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from benchmarks.drawn import draw_data
from benchmarks.workloads import Workload
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import parts_of, start_values
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.simulated import SimulatedDevice

INPUTS = "prepared/image", "image", "x", "characters"
TARGETS = "label", "next", "t"


class Ours:
    """A workload's programs, with the train part bound to that of the training. `objective`
    has the losses of the last run with penalties."""

    def __init__(
        self,
        workload: Workload,
        rate: float,
        threads: int,
        folder: Path,
        text: str | None = None,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        overrides = {"rate": str(rate)} if workload.dropout else {}
        if precision != "float32":
            overrides["train.precision"] = precision
        opened = open_file(laid_down(workload, folder, text), Options(overrides=overrides))
        assert opened.dataset is not None
        self.workload = workload
        self.start = start_values(opened, parts_of(opened.dataset))
        self.engine = Engine(opened.experiment, threads, opened_device(device))
        self.part = self.engine.part(opened.dataset, "train", self.start)
        self.program = self.engine.load("training", self.start)
        self.program.bind(self.part.prepared)
        self.objective = np.zeros(0, np.float32)
        self.step = 0
        self.inferring = False

    def run(self, order: np.ndarray) -> np.ndarray:
        """Take steps over rows; return their losses."""
        scalars = {"epoch": 0.0, "steps": 1e4, "epochs": 1.0, "examples": float(self.part.rows)}
        batch = self.workload.batch
        found = self.program.run(order, batch, step=self.step, seed=1, scalars=scalars)
        self.step += len(order) // batch
        self.objective = np.asarray(found.get("objective", found["loss"]))
        return np.asarray(found["loss"])

    def infer(self, order: np.ndarray, batch: int) -> np.ndarray:
        """Return the outputs of rows, which are handed in so many at a time."""
        program = self.engine.executable("inference")
        assert program is not None
        if not self.inferring:
            self.engine.load("inference", self.start)
            self.inferring = True
        names = [each.name for each in program.program.inputs]
        found = []
        for at in range(0, len(order), batch):
            rows = order[at : at + batch]
            fields = {name: self.part.prepared[name][rows] for name in names}
            found.append(next(iter(program.apply(fields, len(rows), batch).values())))
        return np.concatenate(found)

    def keep(self, folder: Path) -> None:
        """Write the initial weights, the prepared rows and their order for the peers."""
        weights = {name: each for name, each in self.start.items() if "@" not in name}
        np.savez(folder / "start.npz", allow_pickle=False, **weights)
        x, t = (next(name for name in names if name in self.part.prepared) for names in (INPUTS, TARGETS))
        np.savez(folder / "rows.npz", x=self.part.prepared[x], t=self.part.prepared[t])
        whole = self.part.rows // self.workload.batch * self.workload.batch
        np.save(folder / "order.npy", np.random.default_rng(0).permutation(self.part.rows)[:whole])

    def flops(self) -> float:
        """Return the operations of a training step."""
        rows = {"rows": self.workload.batch}
        phases = self.program.program.phases
        return float(sum(phase.times * each.flops.value(rows) for phase in phases for each in phase.steps))

    def peak(self) -> float:
        """Return the billions of operations a second that one core reaches now, doing nothing else."""
        from netdsl.runtime.measure import peak

        return max(peak().gflops for _ in range(3))


def opened_device(name: str) -> str | Device:
    """Return what an engine is told of a device: `simulated` is the stepper."""
    return SimulatedDevice() if name == "simulated" else name


def laid_down(workload: Workload, folder: Path, text: str | None) -> Path:
    """Return the path of a copy of the workload's file, or of other text, with the data it draws."""
    draw_data(workload.name, folder)
    file = Path(shutil.copy(workload.file, folder))
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return file


def compiled(file: Path, threads: int) -> None:
    """Compile a file and write its initial weights, so that its first step could be made."""
    opened = open_file(file, Options())
    with Engine(opened.experiment, threads) as engine:
        engine.load("training", start_values(opened, parts_of(opened.dataset)))

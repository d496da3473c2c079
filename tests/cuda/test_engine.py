"""A whole training by the engine on a simulated device: data, evaluation and figures as on the CPU."""

from pathlib import Path

import pytest

from netdsl.run.engine import Engine
from netdsl.run.manifest import manifest_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import job_of, parts_of
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.simulated import SimulatedDevice
from netdsl.training.loop import train
from netdsl.training.progress import reporter_for
from netdsl.training.records import Result
from netdsl.training.signals import Signals

FILE = """data moons {
    source = moons(n=60, noise=0.1)
    scale  = zscore
    split  = (train=70%, valid=30%)
}

model net(x: [2]) = x -> dense(4) -> tanh -> dropout(0.1) -> dense(2) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.05)
    epochs    = 2
    batch     = 16
    metrics   = [accuracy]
}
"""


def trained(path: Path, device: str | Device) -> Result:
    opened = open_file(path, Options())
    with Engine(opened.experiment, 1, device) as engine, Signals() as signals:
        job = job_of(opened, engine, parts_of(opened.dataset))
        return train(job, reporter=reporter_for("quiet"), signals=signals)


def test_the_manifest_tells_the_device(tmp_path: Path) -> None:
    path = tmp_path / "moons.net"
    path.write_text(FILE)
    opened = open_file(path, Options())
    with Engine(opened.experiment, 1, SimulatedDevice()) as engine:
        manifest = manifest_of(opened, tmp_path, parts_of(opened.dataset), engine)
    assert manifest["device"] == {"kind": "cuda", "name": "a simulated device", "driver": "stepper"}
    assert manifest["precision"] == "float32"


@pytest.mark.slow
def test_a_training_has_the_figures_of_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "moons.net"
    path.write_text(FILE)
    cpu, device = trained(path, "cpu"), trained(path, SimulatedDevice())
    assert set(cpu.parts) == set(device.parts)
    for part, figures in cpu.parts.items():
        for name, value in figures.items():
            assert device.parts[part][name] == pytest.approx(value, rel=1e-5), name

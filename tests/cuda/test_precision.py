"""Products and convolutions of the precision that a train block asks for."""

from pathlib import Path

import pytest

from netdsl.run.engine import Engine
from netdsl.run.manifest import manifest_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.precision import precision_notes
from netdsl.run.training import parts_of
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.simulated import SimulatedDevice

MOONS = """\
data moons {
    source = moons(n=40)
    split  = (train=80%, valid=20%)
}

model net(x: [2]) = x -> dense(6) -> tanh -> dense(2) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.01)
    precision = bf16
    epochs    = 1
}
"""


def engine_of(folder: Path, device: str | Device, text: str = MOONS) -> Engine:
    path = folder / "moons.net"
    path.write_text(text)
    return Engine(open_file(path, Options()).experiment, 1, device)


@pytest.mark.parametrize(("device", "used"), [("cpu", "float32"), ("cuda", "bf16")])
def test_the_manifest_tells_the_precision_that_is_used(tmp_path: Path, device: str, used: str) -> None:
    with engine_of(tmp_path, "cpu" if device == "cpu" else SimulatedDevice()) as engine:
        opened = open_file(tmp_path / "moons.net", Options())
        manifest = manifest_of(opened, tmp_path, parts_of(opened.dataset), engine)
    assert manifest["precision"] == used


def test_the_cpu_says_that_products_stay_as_they_are(tmp_path: Path) -> None:
    with engine_of(tmp_path, "cpu") as engine:
        (note,) = precision_notes(engine, None)
    assert (note.code, note.is_error) == ("W0605", False)
    assert note.primary is not None
    assert note.primary.span.text == "bf16"
    with engine_of(tmp_path, "cpu", MOONS.replace("= bf16", "= bf16  # allow W0605")) as engine:
        assert precision_notes(engine, None) == ()
    with engine_of(tmp_path, "cpu", MOONS.replace("bf16", "float32")) as engine:
        assert precision_notes(engine, None) == ()


def test_a_run_that_goes_on_tells_where_its_precision_changes(tmp_path: Path) -> None:
    with engine_of(tmp_path, SimulatedDevice()) as engine:
        assert precision_notes(engine, None) == precision_notes(engine, "bf16") == ()
        (note,) = precision_notes(engine, "float32")
    assert note.message == "factors of products are in bf16 from here on"
    with engine_of(tmp_path, "cpu") as engine:
        (note,) = precision_notes(engine, "bf16")
    assert note.notes == ("the run began with factors of products in bf16",)

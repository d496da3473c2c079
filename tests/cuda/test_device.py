"""What runs on a CUDA device: NETDSL_TEST_CUDA=device pytest tests/cuda -m gpu."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.cli.main import main
from netdsl.kernels.cuda.products import matrix_product
from netdsl.kernels.cuda.tiling import TILES, Tile
from netdsl.program import ROWS
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import job_of, parts_of, start_values
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.standing import device_names
from netdsl.training.loop import train
from netdsl.training.progress import reporter_for
from netdsl.training.signals import Signals
from tests.cuda.running import numbers, run

EPOCHS = "digits_mlp", "lenet_digits", "residual_digits", "lenet"
"""The last one is of MNIST (NETDSL_DATA_DIR), the others of the digits that netdsl brings."""

MODELS = Path(__file__).resolve().parents[2] / "models"
pytestmark = [pytest.mark.gpu, pytest.mark.slow, pytest.mark.usefixtures("toolchain")]


@pytest.mark.parametrize("tile", TILES, ids=str)
@pytest.mark.parametrize("splits", [1, 5])
@pytest.mark.parametrize("shape", [(512, 384, 640), (1000, 10, 333), (65, 129, 31)])
def test_products_of_matrices_of_many_tiles(shape: tuple[int, int, int], tile: Tile, splits: int) -> None:
    rng = np.random.default_rng(0)
    height, width, deep = shape
    x, w = numbers(rng, height, deep), numbers(rng, deep, width)
    work = matrix_product(ROWS, width, deep, height, tile=tile, splits=splits)
    got = [run(work, height * width, {"x": x, "w": w}, height) for _ in range(2)]
    np.testing.assert_array_equal(got[0], got[1])
    np.testing.assert_allclose(got[0].reshape(height, width), x.astype(np.float64) @ w, atol=2e-3)


@pytest.mark.parametrize("model", EPOCHS)
def test_the_first_steps_are_those_of_the_cpu(model: str) -> None:
    """Rounding makes trainings drift apart, so the first losses are the closest."""
    cpu, device = (losses_of_steps(MODELS / f"{model}.net", each, 10) for each in ("cpu", "cuda"))
    np.testing.assert_allclose(device, cpu, rtol=1e-3)
    assert device[0] == pytest.approx(cpu[0], rel=1e-5)


@pytest.mark.parametrize("model", EPOCHS)
def test_an_epoch_is_that_of_the_cpu(model: str) -> None:
    losses = {device: losses_after_an_epoch(MODELS / f"{model}.net", device) for device in ("cpu", "cuda")}
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-2)


def test_an_epoch_has_the_same_bits_again() -> None:
    once, again = (losses_after_an_epoch(MODELS / "lenet_digits.net", "cuda") for _ in range(2))
    assert once == again


def test_the_command_trains_on_the_device(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(MODELS / "digits_mlp.net")
    given = ["train", model, "train.epochs=1", "--device", "cuda", "--run-dir", str(tmp_path), "--json"]
    assert main(given) == 0
    assert device_names()[0] in capsys.readouterr().out


def test_rows_that_are_sent_give_the_bits_of_rows_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    stayed = losses_after_an_epoch(MODELS / "digits_mlp.net", "cuda")
    monkeypatch.setattr("netdsl.runtime.cuda.executable.SHARE", 0.0)
    assert losses_after_an_epoch(MODELS / "digits_mlp.net", "cuda") == stayed


def losses_of_steps(path: Path, device: str | Device, steps: int) -> NDArray[np.float32]:
    """Return the losses of the first steps of a training, over the rows of the train part in their order."""
    opened = open_file(path, Options())
    assert opened.dataset is not None
    batch = opened.experiment.training.batch
    assert batch is not None
    start = start_values(opened, parts_of(opened.dataset))
    with Engine(opened.experiment, 1, device) as engine:
        rows = engine.part(opened.dataset, "train", start)
        program = engine.load("training", start)
        program.bind(rows.prepared)
        scalars = {"epoch": 0.0, "steps": 1e4, "epochs": 1.0, "examples": float(rows.rows)}
        return np.asarray(program.run(np.arange(steps * batch), batch, seed=1, scalars=scalars)["loss"])


def losses_after_an_epoch(path: Path, device: str | Device) -> dict[str, float]:
    """Return the loss of each part behind a training of one epoch."""
    opened = open_file(path, Options(overrides={"train.epochs": "1"}))
    with Engine(opened.experiment, 1, device) as engine, Signals() as signals:
        job = job_of(opened, engine, parts_of(opened.dataset))
        result = train(job, reporter=reporter_for("quiet"), signals=signals)
    return {name: float(str(figures["loss"])) for name, figures in result.parts.items() if "loss" in figures}

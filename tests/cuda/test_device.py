"""What runs on a CUDA device: NETDSL_TEST_CUDA=device pytest tests/cuda -m gpu."""

from pathlib import Path

import numpy as np
import pytest

from netdsl.kernels.cuda.products import matrix_product
from netdsl.kernels.cuda.tiling import TILES, Tile
from netdsl.program import ROWS
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.training import job_of, parts_of
from netdsl.training.loop import train
from netdsl.training.progress import reporter_for
from netdsl.training.signals import Signals
from tests.cuda.running import numbers, run

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


@pytest.mark.parametrize("model", ["digits_mlp", "lenet_digits", "residual_digits"])
def test_an_epoch_is_that_of_the_cpu(model: str) -> None:
    losses = {device: loss_after_an_epoch(MODELS / f"{model}.net", device) for device in ("cpu", "cuda")}
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-2)


def test_rows_that_are_sent_give_the_bits_of_rows_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    stayed = loss_after_an_epoch(MODELS / "digits_mlp.net", "cuda")
    monkeypatch.setattr("netdsl.runtime.cuda.executable.SHARE", 0.0)
    assert loss_after_an_epoch(MODELS / "digits_mlp.net", "cuda") == stayed


def loss_after_an_epoch(path: Path, device: str) -> float:
    opened = open_file(path, Options(overrides={"train.epochs": "1"}))
    with Engine(opened.experiment, 1, device) as engine, Signals() as signals:
        job = job_of(opened, engine, parts_of(opened.dataset))
        result = train(job, reporter=reporter_for("quiet"), signals=signals)
    return float(str(result.parts["train"]["loss"]))

"""What the courses say of data: their splits, and the pixels of MNIST that never vary."""

from pathlib import Path

import numpy as np
import pytest

from netdsl.data.scaling import constant_columns, fit
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.run.opening import Opened, open_file
from netdsl.run.options import Options

TEXT = """\
data d {{
    source = {source}
    split  = {split}
    scale  = {scale}
}}

model net({inputs}) = {chain}

train {{
    model     = net
    data      = d
    loss      = {loss}
    optimizer = sgd(0.1)
    batch     = 32
    epochs    = 1
}}
"""


def opened(folder: Path, **given: str) -> Opened:
    toy = {"inputs": "x: [2]", "chain": "x -> dense(1) -> sigmoid", "loss": "binary_cross_entropy"}
    path = folder / "net.net"
    path.write_text(TEXT.format(**{"scale": "zscore", **toy, **given}), encoding="utf-8")
    return open_file(path, Options())


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        ("(train=70%, test=30%)", (7000, 0, 3000)),
        ("(train=80%, valid=10%, test=10%)", (8000, 1000, 1000)),
        ("(train=60%, valid=20%, test=20%)", (6000, 2000, 2000)),
        ("(train=98%, valid=1%, test=1%)", (9800, 100, 100)),
        ("(train=99.5%, valid=0.4%, test=0.1%)", (9950, 40, 10)),
    ],
)
def test_the_splits_of_the_courses(split: str, rows: tuple[int, int, int], tmp_path: Path) -> None:
    dataset = opened(tmp_path, source="moons(n=10k)", split=split).dataset
    assert dataset is not None
    parts = [dataset.part(name)["x"] for name in ("train", "valid", "test") if dataset.schema.rows.get(name)]
    assert [len(each) for each in parts] == [each for each in rows if each]
    assert len(np.unique(np.concatenate(parts), axis=0)) == 10_000  # each row is in one part


def test_67_pixels_of_mnist_never_vary_and_become_zero(tmp_path: Path) -> None:
    made = opened(
        tmp_path,
        source="mnist()",
        split="(train=60k, test=10k)",
        inputs="image: [28, 28, 1]",
        chain="image -> flatten -> dense(10) -> softmax",
        loss="cross_entropy",
    )
    assert made.dataset is not None
    assert made.experiment.schema is not None
    train = made.dataset.part("train")
    (warning,) = constant_columns(made.experiment.schema, made.experiment.weights, train)
    assert "67 of its 784" in warning.message
    leaves = {("input", name): each[:500] for name, each in train.items()}
    leaves |= {("state", name): each for name, each in fit(made.experiment.weights, train).items()}
    run = Run(500, leaves=leaves, scalars={"training": 0.0})
    scaled = evaluate(made.experiment.graph, run, ["prepared/image"])["prepared/image"]
    constant = np.ptp(train["image"], axis=0) == 0
    assert constant.sum() == 67
    assert not scaled[:, constant].any()
    assert np.isfinite(scaled).all()

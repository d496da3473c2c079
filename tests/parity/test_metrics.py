"""Metrics over a whole part beside scikit-learn's, by the compiled program, on 10,000 and 60,000 rows too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as peer

import netdsl
from netdsl.training.measure import Figures

pytestmark = pytest.mark.parity

Array = NDArray[Any]


def measured(folder: Path, metrics: str, p: Array, t: Array, kind: str = "label") -> Figures:
    """Return figures of given outputs over all rows: the model hands its input on."""
    np.savez(folder / "data.npz", allow_pickle=False, p=p.astype(np.float32), t=t)
    file = folder / "case.net"
    file.write_text(
        f"""
data given {{
    source = npz("data.npz", {kind}=t)
    split  = (train=100%)
}}
layer as_it_is(x: [n]) {{
    g = gain([n])
    return g * x
}}
loss any(y, t) = mean((y - t)^2)
model net(p: {list(p.shape[1:])}) = p -> as_it_is
train {{
    model     = net
    data      = given
    loss      = any
    optimizer = sgd(0)
    epochs    = 1
    metrics   = {metrics}
}}
"""
    )
    return netdsl.evaluate(start(file, folder), "train")["train"]


def start(file: Path, folder: Path) -> Path:
    """Keep the weights as they begin, without a training."""
    run = netdsl.train(file, run_dir=folder / "runs", style="quiet")
    assert run.folder is not None
    return run.folder


def plain(figures: Figures) -> Mapping[str, Any]:
    return {name: np.asarray(value) for name, value in figures.items()}


def classified(rows: int, classes: int, seed: int, digits: int) -> tuple[Array, Array]:
    """Make probabilities, rounded so that there are ties, and classes that they tell something of."""
    draw = np.random.default_rng(seed)
    t = draw.choice(classes, rows, p=np.arange(1, classes + 1) / sum(range(1, classes + 1)))
    scores = draw.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[t]
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return np.round(p, digits).astype(np.float32), t


CASES = {
    "few": (200, 4, 2),
    "ties": (500, 3, 1),
    "ten thousand": (10_000, 10, 3),
    "sixty thousand": (60_000, 10, 7),
}


@pytest.mark.parametrize("case", CASES)
def test_classes(case: str, tmp_path: Path) -> None:
    rows, classes, digits = CASES[case]
    p, t = classified(rows, classes, 1, digits)
    said = p.argmax(1)
    found = plain(
        measured(
            tmp_path,
            "(acc=accuracy, prec=precision, rec=recall, f=f1, one=f1(class=1), prec0=precision(class=0), "
            "rec2=recall(class=2), area=auc, table=confusion, cost=cross_entropy, many=perplexity)",
            p, t,
        )
    )  # fmt: skip
    average = {"average": "macro", "zero_division": 0}
    assert found["acc"] == pytest.approx(peer.accuracy_score(t, said), rel=1e-6)
    assert found["prec"] == pytest.approx(peer.precision_score(t, said, **average), rel=1e-5)
    assert found["rec"] == pytest.approx(peer.recall_score(t, said, **average), rel=1e-5)
    assert found["f"] == pytest.approx(peer.f1_score(t, said, **average), rel=1e-5)
    assert found["one"] == pytest.approx(peer.f1_score(t, said, average=None)[1], rel=1e-5)
    assert found["prec0"] == pytest.approx(peer.precision_score(t, said, average=None)[0], rel=1e-5)
    assert found["rec2"] == pytest.approx(peer.recall_score(t, said, average=None)[2], rel=1e-5)
    np.testing.assert_array_equal(found["table"], peer.confusion_matrix(t, said))
    areas = [peer.roc_auc_score(t == each, p[:, each]) for each in range(classes)]
    assert found["area"] == pytest.approx(np.mean(areas), rel=1e-5)
    clipped = np.maximum(p[np.arange(rows), t].astype(np.float64), 1e-30)
    assert found["many"] == pytest.approx(np.exp(-np.log(clipped).mean()), rel=1e-4)


@pytest.mark.parametrize(("rows", "digits"), [(101, 1), (10_000, 2), (60_000, 7)])
def test_yes_or_no(rows: int, digits: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    t = (draw.random(rows) < 0.2).astype(np.int64)
    p = np.round(1 / (1 + np.exp(-(draw.normal(size=rows) + 1.2 * t - 0.5))), digits).astype(np.float32)
    said = (p > 0.5).astype(int)
    metrics = (
        "(acc=accuracy, prec=precision, f=f1, of_yes=f1(class=1), prec1=precision(class=1), "
        "rec1=recall(class=1), area=auc, table=confusion)"
    )
    found = plain(measured(tmp_path, metrics, p[:, None], t))
    assert found["acc"] == pytest.approx(peer.accuracy_score(t, said), rel=1e-6)
    assert found["prec"] == pytest.approx(peer.precision_score(t, said, average="macro"), rel=1e-5)
    assert found["f"] == pytest.approx(peer.f1_score(t, said, average="macro"), rel=1e-5)
    assert found["of_yes"] == pytest.approx(peer.f1_score(t, said), rel=1e-5)
    assert found["prec1"] == pytest.approx(peer.precision_score(t, said), rel=1e-5)
    assert found["rec1"] == pytest.approx(peer.recall_score(t, said), rel=1e-5)
    assert found["area"] == pytest.approx(peer.roc_auc_score(t, p), rel=1e-5)
    np.testing.assert_array_equal(found["table"], peer.confusion_matrix(t, said))


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers(outputs: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    t = (100 + draw.normal(size=(5000, outputs)) * np.arange(1, outputs + 1)).astype(np.float32)
    y = (t + 0.3 + draw.normal(size=t.shape)).astype(np.float32)
    found = plain(measured(tmp_path, "[r2, explained_variance, rmse, absolute_error]", y, t, kind="target"))
    assert found["r2"] == pytest.approx(peer.r2_score(t, y), rel=1e-4)
    assert found["explained_variance"] == pytest.approx(peer.explained_variance_score(t, y), rel=1e-4)
    assert found["rmse"] == pytest.approx(np.sqrt(peer.mean_squared_error(t, y)), rel=1e-5)
    assert found["absolute_error"] == pytest.approx(peer.mean_absolute_error(t, y), rel=1e-5)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k(k: int, tmp_path: Path) -> None:
    p, t = classified(2000, 10, 5, 7)
    found = plain(measured(tmp_path, f"[top_k(k={k})]", p, t))
    assert found["top_k"] == pytest.approx(peer.top_k_accuracy_score(t, p, k=k), rel=1e-6)

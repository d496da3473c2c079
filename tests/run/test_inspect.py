"""Causes put into a model on purpose: the message names the operation and its place."""

from pathlib import Path

import numpy as np
import pytest

import netdsl
from netdsl.diagnostics import Diagnostic, DiagnosticError
from tests.run.models import DIGITS


def spoiled(folder: Path, *, layer: str = "", loss: str = "", more: str = "") -> Path:
    text = DIGITS
    if layer:
        text = text.replace("-> relu ->", "-> odd ->").replace(
            "model mlp", f"layer odd(x) = {layer}\nmodel mlp"
        )
    if loss:
        text = text.replace("cross_entropy + 1e-4 * l2(weights)", "own")
        text = text.replace("model mlp", f"loss own(p, t) = {loss}\nmodel mlp")
    path = folder / "spoiled.net"
    path.write_text(text.replace("train {", "train {" + more))
    return path


def told(path: Path, **given: object) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        netdsl.train(path, style="quiet", run_dir=None, **given)  # type: ignore[arg-type]
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("layer", "loss", "operation", "place", "cure"),
    [
        ("", "-sum(t * log(max(p - 0.5, 0)))", "log", "log(max(p - 0.5, 0))", "log(max(p, 1e-7))"),
        ("x / max(x, 0)", "", "divide", "/", "ratio(a, b)"),
        ("exp(100 * x^2)", "", "exp", "exp(100 * x^2)", "88.7"),
        ("sqrt(x)", "", "sqrt", "sqrt(x)", "no root"),
        ("", "mean((p - t)^(0 - 2)) + mean(p^0.5 - log(0 * p))", "log", "log(0 * p)", "logarithm"),
    ],
)
def test_the_first_step_fails(
    layer: str, loss: str, operation: str, place: str, cure: str, tmp_path: Path
) -> None:
    found = told(spoiled(tmp_path, layer=layer, loss=loss))
    assert found.code == "E0701"
    assert found.message.endswith("in epoch 1, at step 1")
    assert found.primary is not None
    assert found.primary.span.text == place
    assert any(note.startswith(f"`{operation}` of values in ") for note in found.notes)
    assert found.help is not None
    assert cure in found.help


def test_a_rate_that_is_too_high(tmp_path: Path) -> None:
    path = spoiled(tmp_path, loss="1k * mean((log(p) - t)^2)")
    path.write_text(path.read_text().replace("adam(lr)", "sgd(lr)"))
    found = told(path, lr=1e3)
    assert found.code == "E0701"
    assert "learning rate" in (found.help or "")


def test_a_number_in_the_data_that_is_none(tmp_path: Path) -> None:
    from netdsl.run.inspect import inspect
    from netdsl.training.executable import Failure

    net = netdsl.compile(spoiled(tmp_path))
    images = np.zeros((4, 8, 8, 1), np.float32)
    images[2, 0, 0, 0] = np.nan
    rows = {"image": images, "label": np.zeros(4, np.int32)}
    failure = Failure(0, 0, np.array([1, 2]), dict(net.weights))
    assert (
        inspect(net.experiment, rows, failure).note
        == "`image` itself is not finite in row 3 of the train part"
    )


def test_weights_that_were_lost_before(tmp_path: Path) -> None:
    from netdsl.run.inspect import inspect
    from netdsl.training.executable import Failure

    net = netdsl.compile(spoiled(tmp_path))
    values = {**net.weights, "mlp/dense_2/b": np.full(10, np.inf, np.float32)}
    note = inspect(net.experiment, {}, Failure(5, 0, np.array([0]), values)).note
    assert note.startswith("`mlp/dense_2/b` is not finite before this step")

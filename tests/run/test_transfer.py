"""Frozen parts stand still, cost nothing and keep no states; a new head begins on a body trained before."""

import signal
from pathlib import Path

import numpy as np
import pytest

import netdsl
from netdsl.compiler import compile_experiment
from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.run.net import Trained
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.start import initial_values
from netdsl.run.training import Runs, parts_of, train_file
from netdsl.run.transfer import begun_with
from netdsl.training.progress import Quiet
from netdsl.training.records import EpochRecord
from netdsl.training.signals import Signals

BODY = """
data some {{
    source = {source}
    split  = (train=80, valid=40)
}}
model net(x: [2]) {{
    h = x -> dense(12) as stem -> batchnorm as norm -> relu
    return h -> dense({classes}) as {head} -> softmax
}}
train {{
    model     = net
    data      = some
    loss      = cross_entropy + 0.001 * l2(weights)
    optimizer = adam(lr=(stem=0.01, rest=0.02))
    batch     = 16
    epochs    = {epochs}
    seed      = 3
    {more}
}}
"""


def write(
    folder: Path, name: str, more: str = "", head: str = "head", classes: int = 2, epochs: int = 2
) -> Path:
    source = f"blobs(n=120, classes={classes}, noise=0.5)"
    path = folder / f"{name}.net"
    path.write_text(BODY.format(source=source, classes=classes, head=head, epochs=epochs, more=more))
    return path


def trained(path: Path) -> Trained:
    return netdsl.train(path, run_dir=path.parent / "runs", style="quiet")


def test_frozen_parts_stand_still_with_their_moving_averages(tmp_path: Path) -> None:
    path = write(tmp_path, "some", "freeze = [stem, norm]")
    start, end = netdsl.compile(path).weights, trained(path).weights
    still = {name for name in start if np.array_equal(start[name], end[name])}
    assert still == {f"net/stem/{each}" for each in "wb"} | {
        f"net/norm/{each}" for each in ("gamma", "beta", "mu", "var")
    }


def test_without_freezing_all_of_them_move(tmp_path: Path) -> None:
    path = write(tmp_path, "some")
    start, end = netdsl.compile(path).weights, trained(path).weights
    assert not [name for name in start if np.array_equal(start[name], end[name])]


def test_nothing_is_computed_for_what_is_frozen(tmp_path: Path) -> None:
    """Below a frozen body no gradient is needed; a frozen layer between passes its gradient on."""
    opened = open_file(write(tmp_path, "some", "freeze = [stem, norm]"), Options())
    compiled = compile_experiment(opened.experiment)
    outputs = compiled.graphs["differentiated"].outputs
    assert {each for each in outputs if each.startswith("gradient/")} == {
        "gradient/net/head/w", "gradient/net/head/b"
    }  # fmt: skip
    origins = [origin for step in compiled.training.steps() for origin in step.origins]
    derived = {origin.path for origin in origins if origin.of == "gradient"}
    assert not [each for each in derived if each.startswith(("net/stem", "net/norm"))]
    states = {name for name in compiled.training.kept if "@" in name}
    assert states == {f"net/head/{each}@{state}" for each in "wb" for state in "mv"}
    between = compile_experiment(open_file(write(tmp_path, "other", "freeze = [head]"), Options()).experiment)
    assert "gradient/net/stem/w" in between.graphs["differentiated"].outputs
    assert "gradient/net/head/w" not in between.graphs["differentiated"].outputs


class Interrupting(Quiet):
    """Lets a signal arrive at the end of the second epoch."""

    def epoch(self, record: EpochRecord) -> None:
        """Take the figures of an epoch."""
        if record.epoch == 2:
            signal.raise_signal(signal.SIGTERM)


def test_a_frozen_training_goes_on_where_it_was(tmp_path: Path) -> None:
    frozen = "freeze = [stem, norm]"
    whole = trained(write(tmp_path, "whole", frozen, epochs=5))
    path = write(tmp_path, "half", frozen, epochs=5)
    with Signals() as signals:
        half = train_file(
            path, Options(), Runs(tmp_path / "runs"), Interrupting(), signals, lambda told: None
        )
    assert half.result.reason == "interrupted"
    assert half.folder is not None
    on = netdsl.train(path, run_dir=tmp_path / "runs", style="quiet", resume=half.folder)
    assert on.digest == whole.digest != half.digest


def begun(path: Path) -> tuple[dict[str, np.ndarray], tuple[Diagnostic, ...]]:
    opened = open_file(path, Options())
    found = begun_with(opened, initial_values(opened.experiment, parts_of(opened.dataset)["train"]))
    return found.values, found.warnings


def test_a_new_head_on_a_body_trained_before(tmp_path: Path) -> None:
    first = trained(write(tmp_path, "first"))
    assert first.folder is not None
    more = f'freeze = [stem, norm]\n    start  = "runs/{first.folder.name}"'
    path = write(tmp_path, "second", more, head="new_head", classes=3)
    values, warnings = begun(path)
    for name in ("net/stem/w", "net/stem/b", "net/norm/mu", "net/norm/var"):
        np.testing.assert_array_equal(values[name], first.weights[name])
    (told,) = warnings
    assert told.code == "W0606"
    assert told.message.startswith("2 of the 8 weights are not in")
    assert told.notes[0] == "new: `net/new_head/w`, `net/new_head/b`"
    assert told.notes[2] == "in the file, and not in this model: `net/head/b`, `net/head/w`"
    assert told.primary is not None
    second = trained(path)
    np.testing.assert_array_equal(second.weights["net/stem/w"], first.weights["net/stem/w"])
    assert not np.array_equal(second.weights["net/new_head/w"], values["net/new_head/w"])


def test_frozen_weights_that_begin_anew_are_a_mistake_of_names(tmp_path: Path) -> None:
    first = trained(write(tmp_path, "first"))
    assert first.folder is not None
    path = write(tmp_path, "second", f'freeze = [base]\n    start = "runs/{first.folder.name}"')
    path.write_text(path.read_text().replace("as stem", "as base").replace("stem=", "base="))
    (told,) = begun(path)[1]
    assert told.help == "`net/base/w` is frozen and was never trained: name its part as the file does"


def test_a_head_of_another_shape_under_the_same_name(tmp_path: Path) -> None:
    first = trained(write(tmp_path, "first"))
    assert first.folder is not None
    path = write(tmp_path, "second", f'start = "runs/{first.folder.name}"', classes=3)
    with pytest.raises(DiagnosticError) as caught:
        begun(path)
    (told,) = caught.value.diagnostics
    assert told.code == "E0834"
    assert told.notes == ("there it is [12, 2], here [12, 3]",)
    assert told.help is not None
    assert "another name" in told.help


def test_what_is_measured_of_the_data_is_measured_anew(tmp_path: Path) -> None:
    path = write(tmp_path, "first")
    path.write_text(path.read_text().replace("valid=40)\n", "valid=40)\n    scale  = zscore\n"))
    first = trained(path)
    assert first.folder is not None
    text = path.read_text().replace("train=80", "train=60")
    (tmp_path / "second.net").write_text(
        text.replace("seed      = 3", f'seed = 3\n    start = "runs/{first.folder.name}"')
    )
    values, warnings = begun(tmp_path / "second.net")
    assert not warnings
    np.testing.assert_array_equal(values["net/stem/w"], first.weights["net/stem/w"])
    assert not np.array_equal(values["some/x/center"], first.weights["some/x/center"])


def test_a_run_goes_on_without_the_weights_it_began_with(tmp_path: Path) -> None:
    first = trained(write(tmp_path, "first"))
    assert first.folder is not None
    file = first.folder / "last.safetensors"
    (tmp_path / "earlier.safetensors").write_bytes(file.read_bytes())
    path = write(tmp_path, "second", 'start = "earlier.safetensors"', epochs=1)
    second = trained(path)
    assert second.folder is not None
    (tmp_path / "earlier.safetensors").unlink()
    on = netdsl.train(path, run_dir=tmp_path / "runs", style="quiet", resume=second.folder)
    assert on.digest == second.digest

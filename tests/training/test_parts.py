"""Stops, schedules, advice, digests, pace and the store, each by itself."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.files.tensors import write_tensors
from netdsl.semantics.experiment import EarlyStop, Figure, TargetStop, TimeStop
from netdsl.training.advice import advise
from netdsl.training.checkpoints import Checkpoint, Counters, Origin, load_checkpoint, save_checkpoint
from netdsl.training.digest import digest
from netdsl.training.pace import Pace
from netdsl.training.rows import sample_of
from netdsl.training.schedules import Schedule, Schedules
from netdsl.training.stopping import Stopping, Watch
from netdsl.training.store import Store, new_store, newest_run, read_history, read_manifest

ACCURACY = Figure("accuracy", "example", "higher")


# ---- stops ------------------------------------------------------------------------------------


def test_watch_wants_more_than_the_minimum_change() -> None:
    watch = Watch("valid.loss", "lower", 0.1)
    seen = [watch.see(value, epoch) for epoch, value in enumerate([1.0, 0.95, 0.9, 0.89, math.nan], 1)]
    assert seen == [True, False, False, True, False]
    assert (watch.best, watch.epoch) == (0.89, 4)


def test_early_stop_waits_as_many_epochs_as_it_says() -> None:
    stopping = Stopping([EarlyStop("valid", "accuracy", 2)], [ACCURACY], ["train", "valid"])
    reasons = []
    for epoch, value in enumerate([0.5, 0.6, 0.6, 0.55, 0.7], 1):
        figures = {"valid.accuracy": value}
        stopping.see(figures, epoch)
        reasons.append(stopping.decide(figures, epoch, 0.0))
    assert reasons == [None, None, None, "early", None]


def test_without_early_stop_the_valid_loss_decides_what_is_best() -> None:
    assert Stopping([], [], ["train", "valid"]).best.figure == "valid.loss"
    assert Stopping([], [], ["train"]).best.figure == "train.loss"
    assert not Stopping([], [], ["train"]).restores


def test_several_targets_are_met_together() -> None:
    stops = [TargetStop("valid", "accuracy", 0.9), TargetStop("valid", "loss", 0.2)]
    stopping = Stopping(stops, [ACCURACY], ["train", "valid"])
    assert stopping.decide({"valid.accuracy": 0.95, "valid.loss": 0.3}, 1, 0.0) is None
    assert stopping.unmet({"valid.accuracy": 0.95, "valid.loss": 0.3}) == (stops[1],)
    assert stopping.decide({"valid.accuracy": 0.9, "valid.loss": 0.2}, 1, 0.0) == "target"


def test_time_stop() -> None:
    stopping = Stopping([TimeStop(60)], [], ["train"])
    assert stopping.decide({}, 1, 59.9) is None
    assert stopping.decide({}, 1, 60) == "time"


def test_stopping_remembers() -> None:
    first = Stopping([EarlyStop("valid", "loss", 2)], [], ["train", "valid"])
    first.see({"valid.loss": 0.5}, 3)
    second = Stopping([EarlyStop("valid", "loss", 2)], [], ["train", "valid"])
    second.restore([(each[0], each[1]) for each in first.save()])  # type: ignore[misc]
    assert second.best == first.best


# ---- schedules --------------------------------------------------------------------------------


def test_schedules_keep_their_states() -> None:
    def advance(known: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
        total = known["total"] + known["valid.loss"]
        return total * known["epoch"], {"total": total}

    schedules = Schedules([Schedule("rate", 1.0, {"total": 0.0}, advance)])
    assert schedules.values == {"rate": 1.0}
    schedules.advance({"valid.loss": 2.0, "epoch": 3.0})
    assert schedules.values == {"rate": 6.0}
    again = Schedules([Schedule("rate", 1.0, {"total": 0.0}, advance)])
    again.restore(schedules.save())
    again.advance({"valid.loss": 1.0, "epoch": 1.0})
    assert again.values == {"rate": 3.0}


# ---- advice -----------------------------------------------------------------------------------


def told(train: list[float], valid: list[float], penalty: float = 0.0, **figures: float) -> str:
    history = [
        {"train": {"loss": a, "objective": a + penalty, **figures}, "valid": {"loss": b}}
        for a, b in zip(train, valid, strict=True)
    ]
    return " ".join(advise(history, {}, "finished"))


def test_advice_of_the_curves() -> None:
    assert "overfits" in told([1, 0.8, 0.6, 0.4, 0.2, 0.1], [1, 0.8, 0.7, 0.8, 0.9, 1.0])
    assert "hardly moved" in told([2.3026, 2.3025, 2.3026, 2.3025, 2.3026], [2.3026] * 5)
    assert "up and down" in told([1, 3, 1, 4, 1, 5], [1] * 6)
    assert "the penalty beside it is 0.4" in told(
        [1, 0.5, 0.4, 0.4, 0.4, 0.4], [1, 0.5, 0.4, 0.4, 0.4, 0.4], penalty=0.4
    )
    assert "came to rest at 0.4" in told([1, 0.5, 0.4, 0.4, 0.4, 0.4], [1, 0.5, 0.4, 0.4, 0.4, 0.4])
    smoothed = [1, 0.5, 0.4, 0.4, 0.4, 0.4]
    assert "came to rest" in told(smoothed, smoothed, accuracy=0.9)
    assert told(smoothed, smoothed, accuracy=0.99) == ""
    assert "more epochs" in told([1, 0.8, 0.6, 0.5, 0.4], [1, 0.8, 0.6, 0.5, 0.4])
    assert told([1, 0.5, 0.1, 0.04, 0.04, 0.04], [1, 0.5, 0.1, 0.05, 0.05, 0.05]) == ""
    assert told([1, 3], [1, 3]) == ""


# ---- digests, pace, rows ----------------------------------------------------------------------


def test_digest_sees_names_shapes_and_bits_but_no_states() -> None:
    w = np.arange(6, dtype=np.float32).reshape(2, 3)
    first = digest({"w": w, "b": w[0]})
    assert first == digest({"b": w[0].copy(), "w": np.asfortranarray(w), "w@m": w})
    assert first != digest({"w": w.reshape(3, 2), "b": w[0]})
    assert first != digest({"w": w, "c": w[0]})
    assert digest({"w": np.float32(0) * w}) != digest({"w": np.float32(-0.0) * w})


def test_pace_finds_the_size_of_a_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("netdsl.training.pace.perf_counter", lambda: now)
    pace = Pace(50 / 1024)
    sizes = []
    for _ in range(8):
        sizes.append(pace.steps)
        pace.begin()
        now += pace.steps / 1024
        pace.end(pace.steps)
    assert sizes == [1, 4, 16, 50, 50, 50, 50, 50]
    pace.begin()
    now += 10
    pace.end(50)
    assert pace.steps == 1


def test_sample_is_spread_and_always_the_same() -> None:
    assert sample_of(5, None).tolist() == [0, 1, 2, 3, 4]
    assert sample_of(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert sample_of(10, 4).tolist() == [0, 2, 5, 7]
    assert len(set(sample_of(50_001, 10_000).tolist())) == 10_000


# ---- checkpoints and the store ----------------------------------------------------------------


def checkpoint(step: int = 3) -> Checkpoint:
    values = {"w": np.array([[1.5, -2.0]], np.float32), "mean": np.array(0.1, np.float32)}
    counters = Counters(epoch=1, position=2, step=step, seconds=0.1, rows=30, loss=0.1 + 0.2, objective=1 / 3)
    return Checkpoint(
        values, counters, [[0.5, 1]], {"lr": {"value": 0.1, "states": {}}}, Origin({"m.net": "…"}, {"a": 1})
    )


def test_checkpoints_come_back_to_the_bit(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", checkpoint())
    found = load_checkpoint(tmp_path / "c")
    assert found.counters == checkpoint().counters
    assert found.watches == [[0.5, 1]]
    assert found.schedules == {"lr": {"value": 0.1, "states": {}}}
    assert found.origin == checkpoint().origin
    assert {name: value.shape for name, value in found.values.items()} == {"w": (1, 2), "mean": ()}


@pytest.mark.parametrize(
    ("metadata", "code"),
    [({}, "E0830"), ({"format": "netdsl-2"}, "E0831"), ({"format": "netdsl-1", "progress": "{}"}, "E0830")],
)
def test_files_that_are_no_checkpoints(metadata: dict[str, str], code: str, tmp_path: Path) -> None:
    write_tensors(tmp_path / "c", {"w": np.zeros(2, np.float32)}, metadata)
    with pytest.raises(DiagnosticError) as caught:
        load_checkpoint(tmp_path / "c")
    assert caught.value.diagnostics[0].code == code


def test_best_is_written_before_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    written: list[str] = []
    monkeypatch.setattr("netdsl.training.store.save_checkpoint", lambda path, _: written.append(path.name))
    store.keep(checkpoint(), best=True)
    assert written == []
    store.flush(checkpoint())
    store.flush(checkpoint())
    assert written == ["best.safetensors", "last.safetensors", "last.safetensors"]


def test_epochs_that_take_long_are_saved_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.training.store.AT_EPOCHS", 0.0)
    store = Store(tmp_path)
    store.keep(checkpoint(), best=True)
    assert (tmp_path / "best.safetensors").exists()
    assert (tmp_path / "last.safetensors").exists()


def test_names_of_runs(tmp_path: Path) -> None:
    assert new_store(tmp_path, "digits").folder.name == "digits-1"
    assert new_store(tmp_path, "digits").folder.name == "digits-2"
    assert new_store(tmp_path, "zwei Wörter").folder.name == "zwei-W-rter-1"
    assert new_store(tmp_path, "…").folder.name == "run-1"
    (tmp_path / "digits-9").mkdir()
    assert new_store(tmp_path, "digits").folder.name == "digits-10"
    assert newest_run(tmp_path, "digits") is None
    save_checkpoint(tmp_path / "digits-2" / "last.safetensors", checkpoint())
    assert newest_run(tmp_path, "digits") == tmp_path / "digits-2"
    assert newest_run(tmp_path / "nowhere", "digits") is None


def test_history_ends_at_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n{"epo')
    assert read_history(tmp_path / "history.jsonl") == [{"epoch": 1}, {"epoch": 2}]
    assert Store(tmp_path).history(1) == [{"epoch": 1}]
    assert (tmp_path / "history.jsonl").read_text() == '{"epoch": 1}\n'


@pytest.mark.parametrize(("content", "code"), [(None, "E0832"), ("{", "E0833"), ("[]", "E0833")])
def test_manifests(content: str | None, code: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DiagnosticError) as caught:
        read_manifest(tmp_path)
    assert caught.value.diagnostics[0].code == code

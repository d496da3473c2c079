import math
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError, Exit
from netdsl.semantics.experiment import EarlyStop, Stop, TargetStop, TimeStop
from netdsl.training.executable import Failure, Finding
from netdsl.training.job import Job
from netdsl.training.loop import train
from netdsl.training.progress import Quiet
from netdsl.training.records import EpochRecord, Moment, Result
from netdsl.training.schedules import Schedule
from netdsl.training.signals import Signals
from netdsl.training.store import Store
from tests.training.machine import ROWS, Softmax, job


class Heard(Quiet):
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.records: list[EpochRecord] = []
        self.moments: list[Moment] = []

    def advance(self, moment: Moment) -> None:
        self.moments.append(moment)

    def epoch(self, record: EpochRecord) -> None:
        self.records.append(record)


def halved(figures: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
    """Halve the rate whenever the valid loss did not fall."""
    loss = figures["valid.loss"]
    rate = figures["rate"] if loss < figures["best"] else figures["rate"] / 2
    return rate, {"rate": rate, "best": min(loss, figures["best"])}


HALVED = Schedule("lr", 0.4, {"rate": 0.4, "best": math.inf}, halved)
EARLY = EarlyStop("valid", "loss", 3)


def run(
    given: Job, folder: Path | None = None, *, resume: bool = False, signals: Signals | None = None
) -> Result:
    store = None if folder is None else Store(folder)
    return train(given, reporter=Quiet(), signals=signals or Signals(), store=store, resume=resume)


def without_time(result: Result) -> list[dict[str, object]]:
    return [{name: each[name] for name in each if name != "seconds"} for each in result.history]


def program(given: Job) -> Softmax:
    assert isinstance(given.programs.training, Softmax)
    return given.programs.training


def test_learns_and_measures_every_part() -> None:
    result = run(job(epochs=20))
    assert result.reason == "finished"
    assert result.epochs == 20
    assert result.steps == 20 * math.ceil(ROWS / 16)
    assert set(result.parts) == {"train", "valid", "test"}
    accuracy, errors = result.parts["test"]["accuracy"], result.parts["test"]["errors"]
    assert isinstance(accuracy, float)
    assert accuracy > 0.5
    assert errors == pytest.approx(20 * (1 - accuracy))


def test_train_loss_is_the_mean_over_the_rows_of_the_epoch() -> None:
    given = job(epochs=1, noise=0.0)
    losses, sizes = [], []
    twin = program(job(epochs=1, noise=0.0))
    assert given.order is not None
    order = given.order(0)
    for at in range(0, ROWS, 16):
        rows = order[at : at + 16]
        losses.append(float(twin.run(rows, 16)["loss"][0]))
        sizes.append(len(rows))
    result = run(given)
    record = result.history[0]["train"]
    assert isinstance(record, dict)
    assert record["loss"] == pytest.approx(np.average(losses, weights=sizes), rel=1e-6)
    assert record["objective"] == pytest.approx(record["loss"] + 1)
    assert sizes[-1] == ROWS % 16


@pytest.mark.parametrize(("batch", "steps"), [(None, 1), (1, ROWS), (16, 5), (ROWS * 2, 1)])
def test_steps_of_an_epoch(batch: int | None, steps: int) -> None:
    assert run(job(epochs=2, batch=batch)).steps == 2 * steps


def test_length_in_steps_cuts_the_last_epoch() -> None:
    result = run(job(epochs=7, measure="steps"))
    assert (result.steps, result.epochs) == (7, 2)


def test_segments_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    long = job(batch=1, stops=(EARLY,))
    monkeypatch.setattr("netdsl.training.pace.SEGMENT", 10.0)
    first = run(long)
    monkeypatch.setattr("netdsl.training.loop.Pace", lambda: _Single())
    single = job(batch=1, stops=(EARLY,))
    second = run(single)
    assert max(program(long).segments) > 1
    assert max(program(single).segments) == 1
    assert first.digest == second.digest
    assert without_time(first) == without_time(second)


class _Single:
    steps = 1

    def begin(self) -> None:
        pass

    def end(self, steps: int) -> None:
        pass


def test_early_stop_restores_the_best_weights() -> None:
    result = run(job(epochs=200, stops=(EARLY,)))
    assert result.reason == "early"
    assert result.epochs == result.epoch + 3
    losses = [each["valid"]["loss"] for each in result.history]  # type: ignore[index]
    assert result.epoch == 1 + losses.index(min(losses))
    assert result.parts["valid"]["loss"] == pytest.approx(min(losses))


def test_early_stop_can_keep_the_last_weights() -> None:
    result = run(job(epochs=200, stops=(replace(EARLY, restore="last"),)))
    assert result.reason == "early"
    assert result.epoch == result.epochs


def test_early_stop_looks_in_the_direction_of_the_figure() -> None:
    result = run(job(epochs=60, stops=(EarlyStop("valid", "accuracy", 4),)))
    accuracies = [each["valid"]["accuracy"] for each in result.history]  # type: ignore[index]
    assert result.parts["valid"]["accuracy"] == max(accuracies)


def test_target_met_and_missed() -> None:
    met = run(job(epochs=50, stops=(TargetStop("valid", "accuracy", 0.6),)))
    assert (met.reason, met.unmet) == ("target", ())
    assert met.epochs < 50
    target = TargetStop("valid", "accuracy", 1.01)
    assert run(job(epochs=2, stops=(target,))).unmet == (target,)


def test_time_stops_within_an_epoch() -> None:
    given = job(epochs=10_000, stops=(TimeStop(0.05),))
    result = run(given)
    assert result.reason == "time"
    assert 0.05 <= result.seconds < 2


def test_schedule_with_memory_sees_the_figures() -> None:
    given = replace(job(epochs=12, schedules=(HALVED,)), rate=lambda scalars: scalars["lr"])
    rates = [each["lr"] for each in run(given).history]
    assert rates[0] == 0.4
    assert rates[-1] in [0.4 / 2**k for k in range(1, 12)]


def test_without_data_steps_are_told_in_pieces() -> None:
    given = job()
    machine = _Parabola()
    plan = replace(given.plan, measure="steps", length=250, batch=None)
    dataless = Job(
        "ravine", plan, (), replace(given.programs, training=machine, evaluation=None), machine.start, {}
    )
    result = run(dataless)
    assert result.steps == 250
    assert len(result.history) == 84
    assert result.parts["train"]["loss"] == pytest.approx(0, abs=1e-6)


class _Parabola(Softmax):
    def __init__(self) -> None:
        super().__init__(trains=True)
        self.start = {"w": np.array([3.0], np.float32)}
        self.values = dict(self.start)

    def _step(
        self, rows: object, step: int, seed: int, scalars: Mapping[str, float]
    ) -> dict[str, np.ndarray]:
        loss = float(self.values["w"][0]) ** 2
        self.values["w"] = self.values["w"] * np.float32(0.9)
        return {"loss": np.array(loss, np.float32)}


# ---- not a number -----------------------------------------------------------------------------


def test_loss_that_is_no_number_is_replayed_and_told(tmp_path: Path) -> None:
    seen: list[Failure] = []

    def inspect(failure: Failure) -> Finding:
        seen.append(failure)
        return Finding("the scores are too large")

    twin = job(epochs=3, batch=1)
    run(replace(twin, plan=replace(twin.plan, length=2)))
    spoiled = replace(job(epochs=3, batch=1), inspect=inspect)
    assert spoiled.order is not None
    at = 33
    twin_program = program(twin)
    assert twin.order is not None
    twin_program.run(twin.order(2)[:at], 1, step=2 * ROWS, seed=5)
    original = Softmax._step

    def step(self: Softmax, rows: np.ndarray, step: int, seed: int, scalars: Mapping[str, float]) -> object:
        values = original(self, rows, step, seed, scalars)
        return {**values, "objective": np.float32("nan")} if step == 2 * ROWS + at else values

    program(spoiled)._step = step.__get__(program(spoiled))  # type: ignore[method-assign]
    with pytest.raises(DiagnosticError) as caught:
        run(spoiled, tmp_path)
    (told,) = caught.value.diagnostics
    assert caught.value.exit_code == Exit.FAILED
    assert told.code == "E0701"
    assert f"epoch 3, at step {2 * ROWS + at + 1}" in told.message
    assert "the scores are too large" in told.notes
    (failure,) = seen
    assert failure.step == 2 * ROWS + at
    assert failure.rows.tolist() == [spoiled.order(2)[at]]
    for name, value in twin_program.values.items():
        assert np.array_equal(failure.values[name], value)


def test_growing_loss_is_said_to_come_from_the_rate() -> None:
    given = job(epochs=400, schedules=(Schedule("lr", 1e30, {}, lambda figures: (1e37, {})),), noise=0.0)
    with pytest.raises(DiagnosticError) as caught:
        run(given)
    assert caught.value.diagnostics[0].code in ("E0701", "E0702")


# ---- interruption and resuming ----------------------------------------------------------------


def interrupted_at(given: Job, segment: int, folder: Path) -> Result:
    """Train until a signal arrives while a certain segment runs."""
    signals = Signals()
    count = 0

    def before() -> None:
        nonlocal count
        count += 1
        if count == segment:
            signal.raise_signal(signal.SIGTERM)

    program(given).before_run = before
    with signals:
        return run(given, folder, signals=signals)


def remembering(stops: tuple[Stop, ...] = (EarlyStop("valid", "loss", 4),)) -> Job:
    return job(epochs=12, batch=4, stops=stops, schedules=(HALVED,))


@pytest.mark.parametrize("segment", [1, 2, 3, 5, 8, 11])
def test_resumed_training_ends_in_the_same_bits(
    segment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdsl.training.loop.Pace", lambda: _Single7())
    whole = run(remembering())
    first = interrupted_at(remembering(), segment, tmp_path)
    assert (first.reason, first.signal) == ("interrupted", signal.SIGTERM)
    second = run(remembering(), tmp_path, resume=True)
    assert second.digest == whole.digest
    assert without_time(second) == without_time(whole)
    assert (second.epoch, second.epochs, second.steps) == (whole.epoch, whole.epochs, whole.steps)


class _Single7(_Single):
    steps = 7


def test_a_signal_while_measuring_leaves_the_epoch_to_be_measured(tmp_path: Path) -> None:
    whole = run(remembering())
    given = remembering()
    signals = Signals()
    evaluation = given.programs.evaluation
    assert isinstance(evaluation, Softmax)
    evaluation.before_run = lambda: signal.raise_signal(signal.SIGINT) if signals.received is None else None
    with signals:
        first = run(given, tmp_path, signals=signals)
    assert (first.reason, len(first.history)) == ("interrupted", 0)
    assert run(remembering(), tmp_path, resume=True).digest == whole.digest


def test_resuming_a_finished_training_gives_its_result_again(tmp_path: Path) -> None:
    first = run(remembering(), tmp_path)
    given = remembering()
    again = run(given, tmp_path, resume=True)
    assert again.digest == first.digest
    assert again.parts == first.parts
    assert program(given).segments == []


def test_resuming_takes_the_newer_of_the_two_states(tmp_path: Path) -> None:
    whole = run(remembering())
    interrupted_at(remembering(), 30, tmp_path)
    best = (tmp_path / "best.safetensors").read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    interrupted_at(remembering(), 2, other)
    (other / "best.safetensors").write_bytes(best)
    (other / "history.jsonl").write_bytes((tmp_path / "history.jsonl").read_bytes())
    assert run(remembering(), other, resume=True).digest == whole.digest


def test_history_is_cut_to_the_checkpoint(tmp_path: Path) -> None:
    whole = run(remembering())
    interrupted_at(remembering(), 30, tmp_path)
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"epoch": 99}\n{"epoch": 1')
    resumed = run(remembering(), tmp_path, resume=True)
    assert without_time(resumed) == without_time(whole)
    assert (tmp_path / "history.jsonl").read_text().count("\n") == len(whole.history)


def test_files_of_a_run_hold_the_weights_of_the_result(tmp_path: Path) -> None:
    from netdsl.training.checkpoints import load_checkpoint
    from netdsl.training.digest import digest

    result = run(remembering(), tmp_path)
    assert result.weights == tmp_path / "best.safetensors"
    assert digest(load_checkpoint(result.weights).values) == result.digest
    assert load_checkpoint(tmp_path / "last.safetensors").counters.epoch == result.epochs
    assert "scale/mean" in load_checkpoint(result.weights).values

"""The loop: epochs of segments of steps, figures after each epoch, until the length or a stop ends it."""

import time
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from netdsl.training.advice import advise
from netdsl.training.checkpoints import Checkpoint, Counters, Origin
from netdsl.training.digest import digest
from netdsl.training.executable import Array, Failure, Values
from netdsl.training.failures import loss_failed, valid_failed
from netdsl.training.job import Job, length_of
from netdsl.training.measure import Figures, Meter, SignalError
from netdsl.training.pace import Pace
from netdsl.training.progress import Reporter
from netdsl.training.records import EpochRecord, Moment, Opening, Record, Result, full_names
from netdsl.training.rows import sample_of
from netdsl.training.schedules import Schedules
from netdsl.training.signals import Signals
from netdsl.training.stopping import Reason, Stopping
from netdsl.training.store import Store


def train(
    job: Job,
    *,
    reporter: Reporter,
    signals: Signals,
    store: Store | None = None,
    origin: Origin | None = None,
    resume: bool = False,
) -> Result:
    """Train until the length or a stop ends it, and return what came out.

    A signal ends it after the step that is running; the state is saved, so that `resume` continues with
    the same rows, counters and states, to the same bits.

    Errors: E0701 where the loss of a step is not finite, E0702 where that of the valid part is not.
    """
    training = _Training(job, reporter, signals, store, origin)
    if resume:
        training.resume()
    return training.run()


class _Training:
    """A training under way. What a checkpoint keeps is in `counters`, `stopping` and `schedules`."""

    def __init__(
        self, job: Job, reporter: Reporter, signals: Signals, store: Store | None, origin: Origin | None
    ) -> None:
        self.job, self.reporter, self.signals, self.store, self.origin = job, reporter, signals, store, origin
        self.program = job.programs.training
        self.length = length_of(job)
        self.stopping = Stopping(job.plan.stops, job.figures, tuple(job.parts))
        self.counters = Counters(use="best" if self.stopping.restores else "last")
        self.schedules = Schedules(job.schedules)
        self.meter = Meter(job.programs, job.figures, signals)
        self.history: list[Record] = []
        self.pace = Pace()
        self.clock = time.perf_counter()
        self.resumed = False
        self._load(job.start)
        self.kept = self._checkpoint()
        self.best: Checkpoint | None = None

    # ---- from start to end --------------------------------------------------------------------

    def run(self) -> Result:
        """Run to the end."""
        self.reporter.begin(self._opening())
        self.clock = time.perf_counter() - self.counters.seconds
        if self.store is not None and not self.resumed:
            self.store.begin(self.kept)
        try:
            with self.signals.deferred():
                reason = self._epochs()
                return self._finish(reason)
        finally:
            self.reporter.close()

    def resume(self) -> None:
        """Go back to where an earlier run of the same store stood."""
        assert self.store is not None
        last, self.best = self.store.resume()
        self.resumed = True
        self.counters = replace(last.counters)
        self.stopping.restore([(best, epoch) for best, epoch in last.watches])
        self.schedules.restore(last.schedules)
        self._load(last.values)
        self.kept = last
        self.history = self.store.history(self.counters.epoch)

    def _epochs(self) -> Reason:
        if self.counters.stopped is not None:
            return _reason(self.counters.stopped)
        while self.counters.epoch < self.length.epochs:
            late = self._steps()
            if self.signals.received is not None:
                return "interrupted"
            reason = self._end_epoch()
            if reason is not None:
                return reason
            if late:
                return "time"
        return "finished"

    # ---- steps --------------------------------------------------------------------------------

    def _steps(self) -> bool:
        """Take the steps of an epoch that are left; return early, with True, when the time is up."""
        counters = self.counters
        order = self._order(counters.epoch)
        steps = self.length.steps_of(counters.epoch)
        while counters.position < steps:
            if self.signals.received is not None:
                return False
            self._segment(order, min(self.pace.steps, steps - counters.position))
            counters.seconds = time.perf_counter() - self.clock
            self.reporter.advance(self._moment(steps))
            if self.stopping.late(counters.seconds):
                return True
            if self.store is not None and self.store.due_within_epoch():
                self._keep()
                self.store.save_last(self.kept)
        return False

    def _segment(self, order: NDArray[np.int64], steps: int) -> None:
        counters, batch = self.counters, self.length.batch
        rows = order[counters.position * batch : (counters.position + steps) * batch]
        self.pace.begin()
        outputs = self.program.run(
            rows, batch, step=counters.step, seed=self.job.plan.seed, scalars=self._scalars()
        )
        self.pace.end(steps)
        loss, objective = outputs["loss"], outputs.get("objective", outputs["loss"])
        bad = np.flatnonzero(~np.isfinite(objective))
        if len(bad):
            self._fail(int(bad[0]), float(objective[bad[0]]))
        sizes = np.full(steps, batch, np.float64)
        sizes[-1] = len(rows) - (steps - 1) * batch
        counters.loss = _add_up(counters.loss, loss, sizes)
        counters.objective = _add_up(counters.objective, objective, sizes)
        counters.rows += len(rows)
        counters.position += steps
        counters.step += steps

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self.job.order is None:
            return np.arange(self.length.entries, dtype=np.int64)
        return self.job.order(epoch)

    def _scalars(self) -> dict[str, float]:
        return {
            "epoch": float(self.counters.epoch),
            "steps": float(self.length.steps),
            "epochs": float(self.length.epochs),
            "examples": float(self.job.parts["train"].rows if self.job.parts else 1),
            **self.schedules.values,
        }

    # ---- the end of an epoch ------------------------------------------------------------------

    def _end_epoch(self) -> Reason | None:
        """Measure, remember, save and tell; return why to stop, or None."""
        counters = self.counters
        values = self._values()
        try:
            parts = self._measure(values)
        except SignalError:
            return "interrupted"
        rate = self._rate()
        figures = full_names(parts)
        epoch = counters.epoch + 1
        self._check_valid(figures, epoch)
        best = self.stopping.see(figures, epoch)
        self.schedules.advance({**self._scalars(), **figures})
        seconds = time.perf_counter() - self.clock
        record = EpochRecord(epoch, counters.step, seconds, parts, rate, best)
        self._next_epoch()
        self.kept = self._checkpoint(values)
        if best:
            self.best = self.kept
        self._record(record)
        return self.stopping.decide(figures, epoch, counters.seconds)

    def _next_epoch(self) -> None:
        counters = self.counters
        counters.epoch += 1
        counters.position = counters.rows = 0
        counters.loss = counters.objective = 0.0
        counters.seconds = time.perf_counter() - self.clock

    def _record(self, record: EpochRecord) -> None:
        line = record.record()
        self.history.append(line)
        if self.store is not None:
            self.store.append(line)
            self.store.keep(self.kept, best=record.best)
        self.reporter.epoch(record)

    def _measure(self, values: Values) -> dict[str, Figures]:
        """Return the figures after an epoch: the loss averaged over its steps, metrics of the parts."""
        counters, job = self.counters, self.job
        means = {"loss": counters.loss / counters.rows, "objective": counters.objective / counters.rows}
        if job.programs.evaluation is None:
            return {"train": means}
        self.meter.load(values)
        parts: dict[str, Figures] = {"train": means}
        if job.sample != 0 and len(job.figures) > 0:
            parts["train"] = {**self._train_sample(), **means}
        if "valid" in job.parts:
            part = job.parts["valid"]
            parts["valid"] = self.meter.measure(part, np.arange(part.rows, dtype=np.int64))
        return parts

    def _train_sample(self) -> Figures:
        part = self.job.parts["train"]
        return self.meter.measure(part, sample_of(part.rows, self.job.sample))

    def _rate(self) -> float | None:
        if self.job.rate is None:
            return None
        step = self.counters.step
        scalars = {**self._scalars(), "step": float(step - 1), "t": float(step)}
        return self.job.rate(scalars)

    def _check_valid(self, figures: dict[str, float], epoch: int) -> None:
        value = figures.get("valid.loss", 0.0)
        if not np.isfinite(value):
            self._flush()
            raise valid_failed(epoch, value, self.history)

    # ---- failure ------------------------------------------------------------------------------

    def _fail(self, offset: int, value: float) -> None:
        """Make the step again from the last state that was kept, find out where it went wrong, and raise."""
        counters, batch = self.counters, self.length.batch
        position, step = counters.position + offset, counters.step + offset
        order = self._order(counters.epoch)
        self._load(self.kept.values)
        first = self.kept.counters
        scalars = self._scalars()
        if position > first.position:
            rows = order[first.position * batch : position * batch]
            self.program.run(rows, batch, step=first.step, seed=self.job.plan.seed, scalars=scalars)
        rows = order[position * batch : (position + 1) * batch]
        values = self._values()
        failure = Failure(
            step, counters.epoch, rows, values, {**scalars, "step": float(step), "t": step + 1.0}
        )
        found = self.job.inspect(failure) if self.job.inspect is not None else None
        self._flush()
        raise loss_failed(failure, value, self.history, found, self.store.folder if self.store else None)

    def _flush(self) -> None:
        if self.store is not None:
            self.store.flush(self.kept)

    # ---- the end ------------------------------------------------------------------------------

    def _finish(self, reason: Reason) -> Result:
        if reason == "interrupted":
            self._keep()
            self._flush()
            return self._result(reason, self.kept.values, self.counters.epoch, {})
        if self.counters.stopped is None:
            self.counters.stopped = reason
            self.counters.use = "best" if self.stopping.restores and reason != "target" else "last"
            self.kept = self._checkpoint(self.kept.values)
        self._flush()
        best = self.best if self.counters.use == "best" else None
        final = best or self.kept
        try:
            parts = self._final_figures(final.values)
        except SignalError:
            parts = {}
        return self._result(reason, final.values, final.counters.epoch, parts)

    def _final_figures(self, values: Values) -> dict[str, Figures]:
        job = self.job
        if job.programs.evaluation is None:
            return {"train": {name: _last(self.history, name) for name in ("loss", "objective")}}
        self.meter.load(values)
        parts: dict[str, Figures] = {"train": self._train_sample()} if job.sample != 0 else {}
        for name, part in job.parts.items():
            if name != "train":
                parts[name] = self.meter.measure(part, np.arange(part.rows, dtype=np.int64))
        return parts

    def _result(self, reason: Reason, values: Values, epoch: int, parts: dict[str, Figures]) -> Result:
        store = self.store
        weights = None if store is None else store.best if values is not self.kept.values else store.last
        unmet = () if reason in ("target", "interrupted") else self.stopping.unmet(full_names(parts))
        return Result(
            reason=reason,
            epochs=self.counters.epoch,
            steps=self.counters.step,
            epoch=epoch,
            seconds=self.counters.seconds,
            parts=parts,
            history=tuple(self.history),
            values=values,
            digest=digest(values),
            folder=None if store is None else store.folder,
            weights=weights,
            signal=self.signals.received,
            unmet=unmet,
            advice=advise(self.history, parts, reason),
        )

    # ---- states -------------------------------------------------------------------------------

    def _load(self, values: Values) -> None:
        for name in self.program.names():
            self.program.write(name, values[name])

    def _values(self) -> dict[str, Array]:
        """Return a copy of everything that is kept, with what the training program does not have."""
        return {**self.job.start, **{name: self.program.read(name) for name in self.program.names()}}

    def _checkpoint(self, values: Values | None = None) -> Checkpoint:
        return Checkpoint(
            self._values() if values is None else values,
            Counters(**asdict(self.counters)),
            self.stopping.save(),
            self.schedules.save(),
            self.origin,
        )

    def _keep(self) -> None:
        self.kept = self._checkpoint()

    def _opening(self) -> Opening:
        job = self.job
        names = ["loss", *(each.name for each in job.figures if each.shape == () and each.name != "loss")]
        shown = [name for name in names if name != "objective"]
        parts = [part for part in ("train", "valid") if part in job.parts or part == "train"]
        columns = tuple(f"{part}.{name}" for part in parts for name in shown)
        return Opening(
            job.name,
            self.length.epochs,
            self.length.steps,
            {name: part.rows for name, part in job.parts.items()},
            columns,
            None if self.store is None else self.store.folder,
            self.counters.epoch + 1 if self.resumed else None,
            job.order is None,
            job.device,
        )

    def _moment(self, steps: int) -> Moment:
        counters = self.counters
        mean = counters.objective / counters.rows
        return Moment(counters.epoch + 1, counters.step, counters.position, steps, mean)


def _add_up(total: float, values: Array, sizes: NDArray[np.float64]) -> float:
    """Add values times sizes to a total, one after the other, so that no cut into segments shows in it."""
    products = values.astype(np.float64) * sizes
    return float(np.cumsum(np.concatenate(([total], products)))[-1])


def _last(history: list[Record], name: str) -> float:
    figures = history[-1]["train"] if history else {}
    value = figures.get(name) if isinstance(figures, dict) else None
    return float("nan") if value is None else float(value)


def _reason(text: str) -> Reason:
    reasons: tuple[Reason, ...] = ("finished", "early", "target", "time")
    return next(each for each in reasons if each == text)

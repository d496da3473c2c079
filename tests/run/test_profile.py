"""Measured profiles: what holds whatever the machine is busy with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from netdsl.compiler import Compiled, compile_experiment
from netdsl.diagnostics import DiagnosticError
from netdsl.explain.profile import Profile, by_kernel, by_line
from netdsl.kernels.cpu.machine import machine
from netdsl.lowering.cpu.expand import barriers
from netdsl.program import Program
from netdsl.run import profile as profiling
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.run.profile import Settings, profile_file, threads_of
from netdsl.runtime import Executable, devices
from netdsl.runtime import limits as measuring
from netdsl.runtime.limits import LEVELS, Limits, limits
from netdsl.runtime.measure import LANES, Launch
from netdsl.runtime.threads import Threads
from netdsl.runtime.watch import Spent, Watch

MOONS = """\
data moons {
    source = moons(n=200)
    split  = (train=80%, valid=20%)
}

model net(x: [2]) = x -> dense(24) -> tanh
    -> dense(2) -> softmax

train {
    loss      = cross_entropy
    optimizer = adam(0.01)
    batch     = 32
    epochs    = 1
}
"""
SUMS = """\
data sums {
    source = addition(n=200, bits=6)
    split  = (train=80%, valid=20%)
}

model adder(x: [t, 2]) = x -> lstm(8, sequence=yes) -> pointwise(1) -> sigmoid -> reshape([t])

train {
    loss      = binary_cross_entropy
    optimizer = adam(0.01)
    batch     = 16
    epochs    = 1
}
"""
SADDLE = """\
model saddle() {
    w = weight([2], constant(1))
    return sum(w * w)
}

train {
    optimizer = sgd(0.1)
    steps     = 2
}
"""
TEXTS = {"moons": MOONS, "sums": SUMS, "saddle": SADDLE}


def measured(folder: Path, name: str, threads: int = 1, **settings: object) -> Profile:
    path = folder / f"{name}.net"
    path.write_text(TEXTS[name], encoding="utf-8")
    return profile_file(path, Options(threads=threads), Settings(**{"steps": 6, **settings}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("threads", [1, 3])
def test_costs_add_up(name: str, threads: int, tmp_path: Path) -> None:
    found = measured(tmp_path, name, threads)
    assert found.limits.threads == threads
    assert found.steps >= 6
    assert found.cost.seconds > 0
    assert (found.waiting > 0) == (threads > 1)
    assert (found.barriers > 0) == (threads > 1)
    for costs in (by_line(found), by_kernel(found)):
        assert sum(each.cost.seconds for each in costs) == pytest.approx(found.cost.seconds)
        assert sum(each.cost.flops for each in costs) == pytest.approx(found.cost.flops)
    assert found.cost.flops > 0


def test_the_fastest_segment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three segments of two steps with made-up counts, 100 for each call and barrier in the fastest."""

    def made(program: Program, seconds: float) -> profiling._Segment:
        calls, phases = sum(len(step.calls) for step in program.steps()), len(program.phases)
        counts, waits = (np.full((2, each), int(50 * seconds)) for each in (calls, phases))
        return profiling._Segment(Spent(counts, counts, waits, 2, seconds, 1.5 * seconds), seconds)

    def segments(
        opened: object, executable: Executable, *_: object
    ) -> tuple[list[profiling._Segment], float]:
        return [made(executable.program, seconds) for seconds in (6.0, 2.0, 4.0)], 0.25

    program = training(tmp_path, "moons")
    phases = len(program.phases)
    # So many counts a second that those of a thread fill the fastest segment.
    clock = 50.0 * (sum(len(step.calls) for step in program.steps()) + phases)
    known = Limits(2, clock, 1e9, dict.fromkeys(LEVELS, 1e9), {"L1": 1000, "L2": 9000})
    monkeypatch.setattr(profiling, "_segments", segments)
    monkeypatch.setattr("netdsl.runtime.limits.limits", lambda threads, footprint: known)
    found = measured(tmp_path, "moons", 2)
    assert (found.seconds, found.middle, found.between, found.cores) == (1.0, 2.0, 0.25, 1.5)
    assert (found.segments, found.steps) == (3, 6)
    assert found.waits == pytest.approx([50 / clock] * phases)
    assert found.cost.seconds + found.waiting == pytest.approx(found.seconds)
    assert found.rest == pytest.approx(0, abs=1e-9)


def test_threads_are_those_that_a_training_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "default_threads", lambda: 3)
    program = training(tmp_path, "moons")
    assert (threads_of(program, 32), threads_of(program, 1_000_000)) == (1, 3)
    path = tmp_path / "moons.net"
    assert profile_file(path, Options(), Settings(steps=2)).limits.threads == 1
    assert profile_file(path, Options(threads=2), Settings(steps=2)).limits.threads == 2


def test_only_what_is_measured_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    program = Compiled.program

    def noted(self: Compiled, name: str) -> Program | None:
        asked.append(name)
        return program(self, name)

    monkeypatch.setattr(Compiled, "program", noted)
    measured(tmp_path, "moons", which="prediction", batch=64)
    assert set(asked) == {"inference"}


@pytest.mark.parametrize("threads", [1, 2])
def test_every_line_with_work_is_there(threads: int, tmp_path: Path) -> None:
    found = {each.line: each for each in by_line(measured(tmp_path, "moons", threads))}
    assert found.keys() >= {6, 7, 10, 11}
    assert found[6].text == "model net(x: [2]) = x -> dense(24) -> tanh"
    assert {"forward", "gradient"} <= found[6].roles.keys()
    assert list(found[11].roles) == ["update"]
    assert all(each.cost.seconds > 0 for line, each in found.items() if line)


def test_a_prediction_has_no_way_back(tmp_path: Path) -> None:
    found = measured(tmp_path, "moons", which="prediction", batch=64)
    assert found.batch == 64
    assert {role for each in by_line(found) for role in each.roles} == {"forward"}


def test_a_batch_may_have_more_rows_than_the_data(tmp_path: Path) -> None:
    assert measured(tmp_path, "moons", batch=500).batch == 500


def test_a_model_without_inputs_has_nothing_to_predict_from(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="E0915"):
        measured(tmp_path, "saddle", which="prediction")


# ---- launches and what they are of ------------------------------------------------------------


def training(folder: Path, name: str) -> Program:
    path = folder / f"{name}.net"
    path.write_text(TEXTS[name], encoding="utf-8")
    found = compile_experiment(open_file(path, Options()).experiment).training
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["moons", "sums"])
def test_the_portions_of_a_step_are_all_of_its_calls(name: str, tmp_path: Path) -> None:
    for step in training(tmp_path, name).steps():
        assert step.origins
        if step.portions:
            assert sum(each.calls for each in step.portions) == len(step.calls)
            assert all(each.origins for each in step.portions)


@pytest.mark.parametrize("name", ["moons", "sums"])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_launch_is_counted_once(name: str, threads: int, tmp_path: Path) -> None:
    program = training(tmp_path, name)
    executable = Executable(program, threads)
    executable.watch = watch = Watch(program)
    opened = open_file(tmp_path / f"{name}.net", Options())
    assert opened.dataset is not None
    executable.bind(dict(opened.dataset.part("train")))
    with pytest.raises(ValueError, match="nothing was run"):
        watch.take()
    scalars = {"epoch": 0.0, "steps": 9.0, "epochs": 1.0, "examples": 9.0}
    executable.run(np.arange(48, dtype=np.int64), 16, scalars=scalars)
    spent = watch.take()
    executable.close()
    assert (spent.steps, spent.calls.shape) == (
        3,
        (threads, sum(len(each.calls) for each in program.steps())),
    )
    times = [phase.times for phase in program.phases for step in phase.steps for _ in step.calls]
    assert (spent.launches.sum(axis=0) >= 3 * np.array(times)).all()
    assert ((spent.calls > 0) == (spent.launches > 0)).all()
    assert (spent.waits.sum() > 0) == (threads > 1)
    assert ((spent.waits > 0).sum(axis=1) <= barriers(program)).all()


def test_limits_are_measured_of_each_level() -> None:
    found = limits(2, 0)
    assert found.threads == 2
    assert tuple(found.bandwidth) == LEVELS
    assert min(found.flops, found.clock, *found.bandwidth.values()) > 0
    assert found.caches["L1"] < found.caches["L2"]


def test_limits_are_what_all_threads_do_by_the_time_of_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    """With made-up counts: a second for each measurement."""
    sizes: list[int] = []
    multiplied: list[Launch] = []

    def counts(team: Threads, launches: Sequence[Launch], times: int) -> float:
        assert len(launches) == team.count == 3
        if launches[0][0] == "add_lines":
            sizes.append(times * 3 * 64 * launches[0][1][-1])
        else:
            multiplied.append(launches[0])
        return 1000.0

    caches = {"L1": 32 * 1024, "L2": 1 << 20}
    monkeypatch.setattr(measuring, "cache_sizes", lambda: caches)
    monkeypatch.setattr(measuring, "_clock", lambda: 1000.0)
    monkeypatch.setattr(measuring, "_counts", counts)
    found = limits(3, 90 << 20)
    ((name, (_, turns)),) = multiplied
    each = {"multiply_adds": LANES * machine().sums, "multiply_tiles": 32 * 32 * 32}[name]
    assert found.flops == 3 * 2 * each * turns
    assert list(found.bandwidth.values()) == [3 * each for each in sizes]
    # Two arrays that fill half of a cache, or a thread's share of the footprint: read, read and written.
    once = [3 * each // 2 for each in (caches["L1"] // 2, caches["L2"] // 2, 30 << 20)]
    assert [each % size for each, size in zip(sizes, once, strict=True)] == [0, 0, 0]

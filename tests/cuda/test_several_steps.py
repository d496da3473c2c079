"""Steps of one graph, whose launches stand in the first phase they may, have the bits of steps one by one."""

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.kernels.cuda.kernel import make
from netdsl.lowering.cuda import words
from netdsl.lowering.cuda.library import of_library
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.passes.legalize import legalize
from netdsl.passes.scan_stage import stage_scans
from netdsl.program import Program
from netdsl.runtime.cuda import executable as executables
from netdsl.runtime.cuda import steps
from netdsl.runtime.cuda.device import Launch, Span
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.schedule import scheduled
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.test_streaming import ROWS, Arrays, fields_of, opened
from tests.cuda.test_training import training_graph
from tests.lowering.running import start_of
from tests.lowering.test_scan import fields_of as fields_of_scan
from tests.lowering.test_scan import network
from tests.operations.test_scan import CELLS

KERNEL = of_library(make("nothing", {"x": "float"}, "pass", 32, ((1, 1),)))


def launch(reads: list[Span], writes: list[Span]) -> Launch:
    return Launch(KERNEL, (0,), (0,), 1, tuple(reads), tuple(writes))


def test_a_launch_waits_for_what_it_reads_and_for_readers_of_what_it_writes() -> None:
    makes_a = launch([], [(0, 10)])
    makes_b = launch([], [(10, 20)])
    reads_a = launch([(4, 6)], [(20, 30)])
    writes_half_of_a = launch([], [(5, 12)])
    reads_nothing_new = launch([(40, 50)], [(30, 40)])
    given = [makes_a, makes_b, reads_a, writes_half_of_a, reads_nothing_new]
    assert scheduled(given) == [[makes_a, makes_b, reads_nothing_new], [reads_a], [writes_half_of_a]]


def test_what_follows_a_writer_of_the_same_place_stays_behind_it() -> None:
    first, second = launch([], [(0, 10)]), launch([], [(0, 10)])
    reader = launch([(0, 1)], [])
    assert scheduled([first, second, reader]) == [[first], [second], [reader]]


def test_readers_of_one_place_are_together() -> None:
    readers = [launch([(0, 10)], [(10 * n, 10 * n + 10)]) for n in range(1, 4)]
    assert scheduled(readers) == [readers]


def test_values_of_too_many_elements_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executables, "LARGEST", 64)
    executable = opened(lower_to_device(legalize(training_graph()), "test", 4), SimulatedDevice())
    executable.bind(fields_of())
    with pytest.raises(DiagnosticError, match="elements") as error:
        executable.run(np.arange(ROWS), 20)
    assert [each.code for each in error.value.diagnostics] == ["E0964"]


def results(program: Program, batch: int) -> Arrays:
    executable = opened(program, SimulatedDevice())
    executable.bind(fields_of())
    found = executable.run(np.random.default_rng(0).permutation(ROWS), batch, step=3, seed=5)
    return {**found, **{name: executable.read(name) for name in executable.names()}}


@pytest.mark.parametrize("batch", [1, 2])
def test_steps_of_one_graph_have_the_bits_of_steps_one_by_one(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = lower_to_device(legalize(training_graph()), "test", 4)
    many = results(program, batch)
    assert batch * words.TOGETHER < ROWS or batch > 1
    monkeypatch.setattr(steps, "MOST", 1)
    for name, each in results(program, batch).items():
        np.testing.assert_array_equal(many[name], each, err_msg=name)


def test_steps_overlap_in_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    program = lower_to_device(legalize(training_graph()), "test", 4)
    counts: dict[int, int] = {}

    class Counting(SimulatedDevice):
        def recorded(self, phases):  # type: ignore[no-untyped-def]
            counts[sum(map(len, phases))] = len(phases)
            return super().recorded(phases)

    executable = opened(program, Counting())
    executable.bind(fields_of())
    executable.run(np.arange(ROWS), 1)
    (one, phases_of_one), (many, phases_of_many) = sorted(counts.items())
    assert many == words.TOGETHER * (one - 1) + 1
    # The last phase of each step but the last is that of the next step's first.
    assert phases_of_many <= words.TOGETHER * (phases_of_one - 2) + 2


def test_scans_of_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = next(each for each in CELLS if each.name != "shared")
    graph = network(cell, 3, reverse=False)
    legal = legalize(stage_scans(graph))
    start = start_of(graph, np.random.default_rng(3))
    found = []
    for most in (steps.MOST, 1):
        monkeypatch.setattr(steps, "MOST", most)
        executable = DeviceExecutable(lower_to_device(legal, "test", 4), SimulatedDevice())
        for name in executable.names():
            executable.write(name, start[name])
        executable.bind(fields_of_scan(graph, 5))
        order = np.arange(5).repeat(4)
        found.append(
            {**executable.run(order, 1), **{name: executable.read(name) for name in executable.names()}}
        )
    for name, each in found[1].items():
        np.testing.assert_array_equal(found[0][name], each, err_msg=name)


def test_only_the_last_step_of_a_graph_moves_the_cursors_on() -> None:
    program = lower_to_device(legalize(training_graph()), "test", 4)
    ends = {
        name: 1 << 20
        for phase in program.phases
        for step in phase.steps
        for call in step.calls
        for each in call.arguments
        for name in each.symbols()
        if name.startswith("at(")
    }
    known = {**dict.fromkeys(ends, 0), "rows": 2, "slots": 0}
    launching = steps.Launching(program, known, ends, "context")
    found = launching.steps(3)
    moving = [each for each in found if isinstance(each, Launch) and each.kernel.name == "advance"]
    assert moving == found[-1:]
    assert moving[0].arguments == (0, 3)
    assert moving[0].writes

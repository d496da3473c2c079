"""Rows that the device has no room for are sent batch by batch, and nothing else changes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.passes.legalize import legalize
from netdsl.program import Program
from netdsl.runtime.cuda import executable as executables
from netdsl.runtime.cuda.device import Event, Queue
from netdsl.runtime.cuda.executable import DeviceExecutable
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.test_training import training_graph

ROWS = 23
Arrays = dict[str, NDArray[Any]]
LATE: list[tuple[Queue, ...]] = [(), ("copies",), ("steps",), ("steps", "copies")]


@pytest.fixture(scope="module")
def program() -> Program:
    return lower_to_device(legalize(training_graph()), "test", 4)


def fields_of(rows: int = ROWS) -> Arrays:
    rng = np.random.default_rng(0)
    return {"prepared/x": rng.normal(size=(rows, 8)).astype(np.float32), "label": rng.integers(0, 3, rows)}


def opened(program: Program, device: SimulatedDevice) -> DeviceExecutable:
    executable, rng = DeviceExecutable(program, device), np.random.default_rng(1)
    for name in executable.names():
        shape = executable.read(name).shape
        executable.write(name, np.abs(rng.normal(size=shape) * 0.3).astype(np.float32))
    return executable


def passes(executable: DeviceExecutable, batches: Sequence[int] = (4,)) -> Arrays:
    """Return results and kept values after a pass for each batch, in another order each."""
    found: Arrays = {}
    for number, batch in enumerate(batches):
        order = np.random.default_rng(number).permutation(ROWS)
        results = executable.run(order, batch, step=number, seed=3)
        found |= {f"{name} {number}": each for name, each in results.items()}
    return found | {name: executable.read(name) for name in executable.names()}


def streamed(program: Program, device: SimulatedDevice, batches: Sequence[int] = (4,)) -> Arrays:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executables, "SHARE", 0.0)
        executable = opened(program, device)
        executable.bind(fields_of())
    found = passes(executable, batches)
    executable.close()
    return found


@pytest.fixture(scope="module")
def resident(program: Program) -> Arrays:
    executable = opened(program, SimulatedDevice())
    executable.bind(fields_of())
    return passes(executable)


@pytest.mark.parametrize("late", LATE, ids=lambda late: "+".join(late) or "prompt")
def test_results_are_those_of_rows_on_the_device(
    program: Program, resident: Arrays, late: tuple[Queue, ...]
) -> None:
    same(streamed(program, SimulatedDevice(late=late)), resident)


def test_passes_of_other_batches_follow_each_other(program: Program) -> None:
    batches = (4, 7, 30, 3)
    executable = opened(program, SimulatedDevice())
    executable.bind(fields_of())
    same(streamed(program, SimulatedDevice(late=("copies",)), batches), passes(executable, batches))


def test_a_pass_over_no_rows(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executables, "SHARE", 0.0)
    executable = opened(program, SimulatedDevice())
    executable.bind(fields_of())
    found = executable.run(np.zeros(0, np.int64), 4)
    assert found
    assert all(len(each) == 0 for each in found.values())


class Forgetful(SimulatedDevice):
    """Leaves the waits of one place out: the host's, or those of a queue."""

    def __init__(self, place: str, late: tuple[Queue, ...]) -> None:
        super().__init__(late=late)
        self.place = place

    def follow(self, queue: Queue, event: Event) -> None:
        if queue != self.place:
            super().follow(queue, event)

    def wait(self, event: Event) -> None:
        if self.place != "host":
            super().wait(event)


@pytest.mark.parametrize(
    ("place", "late"), [("steps", ("copies",)), ("copies", ("steps",)), ("host", ("steps", "copies"))]
)
def test_a_wait_that_is_missing_is_found(
    program: Program, resident: Arrays, place: str, late: tuple[Queue, ...]
) -> None:
    found = streamed(program, Forgetful(place, late))
    assert any(not np.array_equal(found[name], each) for name, each in resident.items())


class Small(SimulatedDevice):
    """Has so many bytes left when the weights are there, and counts what the queue of copies is asked for."""

    copies = 0

    def leave(self, room: int) -> None:
        self._room += room - self.free_memory()

    def copy(self, address: int, array: NDArray[Any]) -> None:
        self.copies += 1
        super().copy(address, array)


@pytest.mark.parametrize(("room", "resident"), [(1 << 20, True), (ROWS * 36, False)])
def test_rows_stay_where_half_of_what_is_free_has_room(program: Program, room: int, resident: bool) -> None:
    device = Small()
    executable = opened(program, device)
    device.leave(room)
    executable.bind(fields_of())
    device.leave(1 << 20)
    passes(executable)
    assert device.copies == (0 if resident else 2 * 6)


def test_rows_make_way_for_the_values_of_a_large_batch(program: Program) -> None:
    device, other = Small(), opened(program, SimulatedDevice())
    executable = opened(program, device)
    fields = fields_of(1000)
    wanted = sum(each.astype(np.int32).nbytes for each in fields.values())
    device.leave(2 * wanted)
    for each in (executable, other):
        each.bind(fields)
    device.leave(512)
    same(passes(executable), passes(other))
    assert device.copies == 2 * 6


def test_values_that_have_no_room_are_told(program: Program) -> None:
    device = Small()
    executable = opened(program, device)
    executable.bind(fields_of())
    device.leave(256)
    with pytest.raises(DiagnosticError) as error:
        passes(executable, (20,))
    assert [each.code for each in error.value.diagnostics] == ["E0964"]
    device.leave(1 << 20)
    passes(executable, (20,))


def test_rows_bound_anew_stay_again(program: Program) -> None:
    device = Small()
    executable = opened(program, device)
    device.leave(ROWS * 36)
    executable.bind(fields_of())
    device.leave(1 << 20)
    executable.bind(fields_of())
    passes(executable)
    assert device.copies == 0


def same(found: Arrays, expected: Arrays) -> None:
    assert set(found) == set(expected)
    for name, each in expected.items():
        np.testing.assert_array_equal(found[name], each, err_msg=name)


@pytest.mark.parametrize("room", [1 << 30, 20_000])
def test_nothing_runs_once_it_is_closed(program: Program, room: int) -> None:
    executable = opened(program, SimulatedDevice(room))
    executable.bind(fields_of())
    passes(executable)
    executable.close()
    order, name = np.arange(4), executable.names()[0]
    for use in (
        lambda: executable.bind(fields_of()),
        lambda: executable.run(order, 2),
        lambda: executable.apply(fields_of(), 4, 2),
        lambda: executable.time_launches(order, 2),
        lambda: executable.read(name),
        lambda: executable.write(name, np.zeros(1)),
    ):
        with pytest.raises(ValueError, match="this executable is closed"):
            use()
    executable.close()

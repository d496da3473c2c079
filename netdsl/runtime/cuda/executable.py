"""A device program with its memory, ready to run: the same to the trainer as an executable of the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import is_batched
from netdsl.lowering.cuda import words
from netdsl.lowering.cuda.formulas import CONTEXT
from netdsl.passes.plan_memory import MemoryPlan, plan_memory
from netdsl.program import Buffer, Program
from netdsl.program.layout import size
from netdsl.runtime.cuda.device import Device
from netdsl.runtime.cuda.memory import LARGEST, UNIT, Array, NoRoomError, TooLargeError
from netdsl.runtime.cuda.schedule import scheduled
from netdsl.runtime.cuda.steps import Launching, Steps
from netdsl.runtime.cuda.streaming import Streaming
from netdsl.runtime.fields import checked_fields, checked_order, checked_value, room
from netdsl.runtime.numbers import Numbers

SHARE: Final = 0.5
"""The part of the free memory that bound rows may take. What is left is for values, of other programs too."""


APART: Final = 1 << 25
"""Bytes up to which values share no memory: launches that would wait for memory alone then overlap, those of
the next step too. The cache of a large device holds so much, so it costs no time to be wasteful."""


IN_A_ROW: Final = 20
"""Launches that are timed together, in one graph: a single one is shorter than what an event costs."""

ROUNDS: Final = 3


class DeviceExecutable:
    """One program on a device. Not to be used by two Python threads at once."""

    def __init__(self, program: Program, device: Device) -> None:
        """Load or compile the kernels and make room for what is kept."""
        self.program = program
        self._device = device
        device.prepare(program.kernels)
        plan = plan_memory(program, 1, unit=UNIT)
        self._places = plan.kept
        self._kept, self._values = Array(device), Array(device)
        self._others: dict[str, Array] = {}
        """What lies beside the planned memory: the context, numbers, the order of rows, fields, results."""

        self._recorded: dict[int, Steps] = {}
        self._kept.fit(4 * plan.kept_size)
        self._other(CONTEXT, 8 * words.COUNT * words.TOGETHER)
        self._numbers = Numbers(program.scalars)
        self._bound: dict[str, NDArray[Any]] | None = None
        self._rows: int | None = None
        self._batched = [each.buffer for each in program.inputs if is_batched(each.shape)]
        self._streaming: Streaming | None = None
        """What sends bound rows to the device, where they do not stay on it."""

        self._plans: dict[int, MemoryPlan] = {}
        self._closed = False
        for buffer in program.buffers.values():
            if buffer.role == "constant":
                self._put(buffer, np.asarray(buffer.values, np.float32))
            elif buffer.role in ("weight", "state"):
                self._put(buffer, np.zeros(buffer.shape, np.float32))

    # ---- weights ------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Return the names of the weights and states that it keeps."""
        return tuple(self.program.kept)

    def read(self, name: str) -> NDArray[np.float32]:
        """Return a copy of a weight or state, row-major.

        Errors: ValueError for an executable that is closed.
        """
        self._check_open()
        buffer = self.program.buffers[self.program.kept[name]]
        array = np.empty(buffer.shape, np.float32)
        self._device.read(self._kept.address + 4 * self._places[buffer.name], array)
        return array

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Set a weight or state.

        Errors: ValueError for another shape, and for an executable that is closed; KeyError for a name it
        does not keep.
        """
        self._check_open()
        buffer = self.program.buffers[self.program.kept[name]]
        self._put(buffer, checked_value(name, buffer, value))

    def _put(self, buffer: Buffer, value: NDArray[Any]) -> None:
        self._device.write(self._kept.address + 4 * self._places[buffer.name], value)

    # ---- rows ---------------------------------------------------------------------------------

    def bind(self, fields: Mapping[str, NDArray[Any]]) -> None:
        """Take all rows of a part, to be picked from by `run`: they stay on the device if it has room.

        Errors: E0720 for a field that is missing, E0721 for one of another shape or kind, E0722 for an index
        out of range; ValueError for an executable that is closed.
        """
        self._check_open()
        bound, self._rows = checked_fields(self.program.inputs, fields)
        self._bound = {each.buffer: bound[each.name] for each in self.program.inputs}
        self._stop_streaming()
        wanted = sum(self._bound[name].nbytes for name in self._batched)
        held = sum(self._others[name].size for name in self._batched if name in self._others)
        if wanted > held and wanted > held + SHARE * self._device.free_memory():
            self._stream()
        for name, array in self._bound.items():
            if self._streaming is None or name not in self._batched:
                self._device.write(self._other(name, array.nbytes), array)

    def run(
        self,
        order: NDArray[np.int64],
        batch: int,
        *,
        step: int = 0,
        seed: int = 0,
        scalars: Mapping[str, float] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Pass once over the rows of `order`, in batches, the steps numbered from `step`.

        Shapes: an output for each example is (rows of `order`, …), one for each batch (batches, …).
        Errors: IndexError for a row that is not there; ValueError for a batch of no rows, and for an
        executable that is closed.
        """
        self._check_open()
        rows = np.ascontiguousarray(order, np.int64)
        checked_order(rows, batch, self._rows, bound=self._bound is not None or not self.program.inputs)
        return self._pass(rows, batch, step, seed, scalars or {})

    def apply(self, fields: Mapping[str, NDArray[Any]], rows: int, batch: int) -> dict[str, NDArray[Any]]:
        """Bind fields of so many rows and pass over them from the first to the last.

        Errors: as those of `bind`; IndexError where the fields that the program reads have fewer rows.
        """
        self.bind(fields)
        if self._rows is not None and rows > self._rows:
            raise IndexError(f"there are {self._rows} rows, and {rows} are asked for")
        return self._pass(np.arange(rows, dtype=np.int64), batch, 0, 0, {})

    def time_launches(
        self,
        order: NDArray[np.int64],
        batch: int,
        *,
        seed: int = 0,
        scalars: Mapping[str, float] | None = None,
    ) -> list[float]:
        """Return the seconds of each launch of a step, in the program's order but for the one that moves
        cursors on: of some in a row, the fastest time of several. Weights are of no use afterwards."""
        self._check_open()
        self._begin(order, batch, 0, seed, scalars or {})
        found = []
        for launch in self._launching(self._plan(batch), batch).each():
            recorded = self._device.recorded([[launch]] * IN_A_ROW)
            times = [self._device.timed(recorded) for _ in range(ROUNDS)]
            found.append(min(times) / IN_A_ROW)
        return found

    def _pass(
        self, order: NDArray[np.int64], batch: int, step: int, seed: int, scalars: Mapping[str, float]
    ) -> dict[str, NDArray[Any]]:
        results = self._begin(order, batch, step, seed, scalars)
        self._advance(order, batch)
        for name, array in results.items():
            if array.size:
                self._device.read(self._others[f"result {name}"].address, array)
        self._device.finish()
        return results

    def _begin(
        self, order: NDArray[np.int64], batch: int, step: int, seed: int, scalars: Mapping[str, float]
    ) -> dict[str, NDArray[Any]]:
        """Make ready for a pass; return where its results are wanted."""
        full, rest = divmod(len(order), batch)
        steps = full + (rest > 0)
        results = {each.name: room(each, len(order), steps) for each in self.program.outputs}
        table = self._numbers.of_batches(len(order), batch, step, scalars)
        context = np.zeros((words.TOGETHER, words.COUNT), np.int64)
        context[:, words.CURSOR] = np.arange(words.TOGETHER)
        context[:, words.BATCH], context[:, words.FIRST_STEP] = batch, step
        context[:, words.SEED] = np.uint64(seed % 2**64).astype(np.int64)
        sizes = {CONTEXT: context.nbytes, "numbers": table.nbytes, "order": order.nbytes}
        sizes |= {f"result {name}": array.nbytes for name, array in results.items()}
        counts = [count for count, times in ((batch, full), (rest, 1)) if count and times]
        self._make_room(sizes, counts)
        places = order
        if self._streaming is not None and counts:
            places = self._streaming.order(len(order), counts[0])
        for name, array in ((CONTEXT, context), ("numbers", table), ("order", places)):
            self._device.write(self._others[name].address, array)
        return results

    def _advance(self, order: NDArray[np.int64], batch: int) -> None:
        """Take all steps of a pass for which there is room."""
        if not len(order):
            return
        if self._streaming is None:
            full, rest = divmod(len(order), batch)
            for rows, times in ((batch, full), (rest, 1)):
                if rows and times:
                    self._steps(rows).run(times)
            return
        self._streaming.begin([self._others[name].address for name in self._batched], min(batch, len(order)))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            self._streaming.step(chosen, self._steps(len(chosen)))

    def close(self) -> None:
        """Give the memory back: nothing runs afterwards, and weights are lost."""
        self._closed = True
        self._stop_streaming()
        self._recorded.clear()
        for each in (self._kept, self._values, *self._others.values()):
            each.free()
        self._others.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this executable is closed")

    # ---- room ---------------------------------------------------------------------------------

    def _make_room(self, sizes: Mapping[str, int], counts: Sequence[int]) -> None:
        """Make room for what has these sizes, and for steps of each number of rows. Bound rows make way.

        Errors: NoRoomError.
        """
        try:
            self._fit(sizes, counts)
        except NoRoomError:
            if self._streaming is not None or not self._batched:
                raise
            self._stream()
            self._fit(sizes, counts)

    def _fit(self, sizes: Mapping[str, int], counts: Sequence[int]) -> None:
        for name, wanted in sizes.items():
            self._other(name, wanted)
        # Values are placed one by one, so a plan for fewer rows may be the larger.
        if self._values.fit(max((4 * self._plan(each).values_size for each in counts), default=0)):
            self._recorded.clear()
        if self._streaming is not None:
            for name, wanted in zip(
                self._batched, self._streaming.sizes(max(counts, default=0)), strict=True
            ):
                self._other(name, wanted)

    def _stream(self) -> None:
        """Keep bound rows on the host, and send those of a batch when their turn comes."""
        assert self._bound is not None
        for name in self._batched:
            if name in self._others:
                self._others[name].free()
        self._streaming = Streaming(self._device, [self._bound[name] for name in self._batched])

    def _stop_streaming(self) -> None:
        if self._streaming is not None:
            self._streaming.close()
            self._streaming = None

    # ---- launches -----------------------------------------------------------------------------

    def _other(self, name: str, size: int) -> int:
        """Return the address of memory beside the planned, which has room for so many bytes."""
        array = self._others.setdefault(name, Array(self._device))
        if array.fit(size):
            # Recorded launches know addresses.
            self._recorded.clear()
        return array.address

    def _steps(self, rows: int) -> Steps:
        """Return the launches of steps of so many rows, recorded when they are first wanted."""
        if rows not in self._recorded:
            self._recorded[rows] = self._record(self._plan(rows), rows)
        return self._recorded[rows]

    def _plan(self, rows: int) -> MemoryPlan:
        if rows not in self._plans:
            largest = max((size(each, rows) for each in self.program.buffers.values()), default=0)
            if largest >= LARGEST:
                raise TooLargeError(largest)
            plan = plan_memory(self.program, rows, unit=UNIT, apart=True)
            if 4 * plan.values_size > APART:
                plan = plan_memory(self.program, rows, unit=UNIT)
            self._plans[rows] = plan
        return self._plans[rows]

    def _record(self, plan: MemoryPlan, rows: int) -> Steps:
        launching, device = self._launching(plan, rows), self._device
        return Steps(lambda count: device.recorded(scheduled(launching.steps(count))), launching.count())

    def _launching(self, plan: MemoryPlan, rows: int) -> Launching:
        symbols = {"rows": rows, "slots": len(self.program.scalars.slots)}
        ends: dict[str, int] = {}
        for places, array in ((plan.kept, self._kept), (plan.values, self._values)):
            for name, place in places.items():
                symbols[f"at({name})"] = start = array.address + 4 * place
                ends[f"at({name})"] = start + 4 * size(self.program.buffers[name], rows)
        for name, array in self._others.items():
            symbols[f"at({name})"] = array.address
            ends[f"at({name})"] = array.address + array.size
        return Launching(self.program, symbols, ends, CONTEXT)

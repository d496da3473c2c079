"""A program with its memory, ready to run: weights that stay, and passes over rows that are bound to it."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.kernels.cpu.context import ALIGNMENT, BARRIER_WORDS
from netdsl.lazy_dataclass import dataclass
from netdsl.lowering.cpu import words
from netdsl.lowering.cpu.expand import Site, Tables, expand
from netdsl.lowering.cpu.text import module_text
from netdsl.passes.plan_memory import MemoryPlan, plan_memory
from netdsl.program import LANES, Buffer, Program
from netdsl.program.layout import size, stride
from netdsl.runtime.arena import CANARY, PAGE, Memory, address, aligned
from netdsl.runtime.devices import default_threads
from netdsl.runtime.fields import checked_fields, checked_order, checked_value, room
from netdsl.runtime.load import library, load
from netdsl.runtime.numbers import Numbers
from netdsl.runtime.packing import packed, unpacked
from netdsl.runtime.prepared_call import PreparedCall, prepared_call
from netdsl.runtime.sharing import Steps, steps_of
from netdsl.runtime.threads import Threads
from netdsl.runtime.watch import Watch


@dataclass(frozen=True, slots=True)
class _Expansion:
    """The launch tables for one number of rows and of threads, and the memory plan they were made for.

    `lists` and `contexts` are what the threads are handed.
    """

    tables: Tables
    plan: MemoryPlan
    site: Site
    lists: list[tuple[int, int]]
    contexts: list[int]


class Executable:
    """One program on the CPU. Not to be used by two Python threads at once."""

    def __init__(
        self, program: Program, threads: int | None = None, *, at_most: int | None = None, guard: int = 0
    ) -> None:
        """Make room for what is kept; kernels are loaded, or compiled, when their rows are first passed.

        Without a number of `threads` there are as many as are worth while for the work, and as get their
        cores, but `at_most` so many, or as many as may run at once; results are the same. A `guard` of so
        many elements beside each buffer finds kernels that write where they must not.
        """
        self.program = program
        self.threads = threads or at_most or default_threads()
        self._chosen = threads is not None
        self._guard = guard
        self._intruded: set[str] = set()
        self._kernels: dict[str, int] = {}
        self._team = Threads(self.threads)
        plan = plan_memory(program, 1, guard)
        self._places = plan.kept
        context = words.result_word(len(program.inputs), len(program.outputs))
        self._context_words = -(-context // BARRIER_WORDS) * BARRIER_WORDS
        numbers = -(-max(1, len(program.scalars.slots)) // LANES) * LANES
        self._memory = Memory(
            aligned(plan.kept_size + PAGE // 4),
            aligned(0),
            aligned(0),
            aligned(self._context_words * self.threads, np.int64, ALIGNMENT),
            aligned(2 * numbers * self.threads),
            aligned(BARRIER_WORDS, np.int64, ALIGNMENT),
        )
        self._numbers = Numbers(program.scalars)
        self._expansions: dict[tuple[int, int], _Expansion] = {}
        self._calls: dict[int, PreparedCall] = {}
        self._steps: dict[int, Steps] = {}
        self._in_turn = np.arange(0, dtype=np.int64)
        self._closed = False
        self.watch: Watch | None = None
        """Runs the launch lists in place of the threads, to time them."""
        if guard:
            self._memory.kept.view(np.uint32)[:] = CANARY
        for buffer in program.buffers.values():
            if guard and buffer.role in ("weight", "state"):
                self._put(buffer, np.zeros(buffer.shape, np.float32))
            if buffer.role == "constant":
                self._put(buffer, np.asarray(buffer.values, np.float32).reshape(buffer.shape))

    # ---- weights ------------------------------------------------------------------------------

    def names(self) -> tuple[str, ...]:
        """Return the names of the weights and states that it keeps."""
        return tuple(self.program.kept)

    def read(self, name: str) -> NDArray[np.float32]:
        """Return a copy of a weight or state, row-major."""
        buffer = self.program.buffers[self.program.kept[name]]
        return unpacked(self._region(buffer), buffer)

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Set a weight or state.

        Errors: ValueError for another shape; KeyError for a name it does not keep.
        """
        buffer = self.program.buffers[self.program.kept[name]]
        self._put(buffer, checked_value(name, buffer, value))

    def _put(self, buffer: Buffer, value: NDArray[Any]) -> None:
        self._region(buffer)[:] = packed(value, buffer)

    def _region(self, buffer: Buffer) -> NDArray[np.float32]:
        place = self._places[buffer.name]
        return self._memory.kept[place : place + size(buffer, 1)]

    # ---- rows ---------------------------------------------------------------------------------

    def bind(self, fields: Mapping[str, NDArray[Any]]) -> None:
        """Take all rows of a part, to be picked from by `run`. What the program does not read is not looked
        at.

        Errors: E0720 for a field that is missing, E0721 for one of another shape or kind, E0722 for an index
        out of range; ValueError for an executable that is closed.
        """
        self._check_open()
        bound, rows = checked_fields(self.program.inputs, fields)
        self._memory.bound = bound
        self._memory.rows = rows
        self._memory.addresses = [address(bound[each.name]) for each in self.program.inputs]

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

        A run is taken piece by piece: an exception between two pieces, as of a signal, leaves the weights as
        they are after the steps of the pieces before it.

        Shapes: an output for each example is (rows of `order`, …), one for each batch (batches, …).
        Errors: IndexError for a row that is not there; ValueError for a batch of no rows, and for an
        executable that is closed.
        """
        return self._pass(
            self._checked_order(np.ascontiguousarray(order, np.int64), batch),
            batch,
            step,
            seed,
            scalars or {},
        )

    def apply(self, fields: Mapping[str, NDArray[Any]], rows: int, batch: int) -> dict[str, NDArray[Any]]:
        """Pass over fields of so many rows from the first to the last, as `bind` and `run` would, in little
        time. What is bound afterwards is left open.

        Errors: as those of `bind`; IndexError where the fields that the program reads have fewer rows.
        """
        if rows in self._calls and rows <= batch and self.watch is None:
            found = self._calls[rows](fields)
            if found is not None:
                return found
        self.bind(fields)
        bound = self._memory.rows
        if bound is not None and rows > bound:
            raise IndexError(f"there are {bound} rows, and {rows} are asked for")
        if len(self._in_turn) < rows:
            self._in_turn = np.arange(rows, dtype=np.int64)
        found = self._pass(self._in_turn[:rows], batch, 0, 0, {})
        if 0 < rows <= batch and not self._guard:
            self._prepare(rows)
        return found

    def _prepare(self, rows: int) -> None:
        """Prepare the next call of so many rows, if it is small and its step not worth handing over."""
        steps = self._steps[rows]
        if steps.threads(1) > 1:
            return
        threads = steps.ready_threads()
        own = self._expansion(rows, 1)
        walk = self._team.alone(own.lists[0], own.contexts[0])
        if threads > 1:
            both = self._expansion(rows, threads)
            walk = self._team.pair(own.lists[0], both.lists, both.contexts)
        contexts = self._memory.contexts.reshape(self.threads, self._context_words)[:threads]
        table = self._numbers.table(np.full(1, rows, np.float64), 0, {})
        call = prepared_call(self.program, rows, table, contexts, walk)
        if call is not None:
            self._calls[rows] = call

    def _pass(
        self, order: NDArray[np.int64], batch: int, step: int, seed: int, scalars: Mapping[str, float]
    ) -> dict[str, NDArray[Any]]:
        full, rest = divmod(len(order), batch)
        steps = full + (rest > 0)
        results = {each.name: room(each, len(order), steps) for each in self.program.outputs}
        table = self._numbers.of_batches(len(order), batch, step, scalars)
        self._write_context(order, batch, step, seed, table, results)
        if full:
            self._walk(batch, 0, full)
        if rest:
            self._walk(rest, full, steps)
        return results

    def intruded(self) -> tuple[str, ...]:
        """Return the buffers beside which something was written: none, unless a kernel is wrong.

        Errors: ValueError for an executable that was made without guards.
        """
        if not self._guard:
            raise ValueError("this executable has no guards")
        return tuple(sorted(self._intruded))

    def close(self) -> None:
        """Give the memory back. Nothing runs afterwards; weights can still be read."""
        self._closed = True
        self._team.close()
        self._expansions.clear()
        self._calls.clear()
        self._memory.bound.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this executable is closed")

    def _checked_order(self, order: NDArray[np.int64], batch: int) -> NDArray[np.int64]:
        self._check_open()
        bound = len(self._memory.bound) >= len(self.program.inputs)
        checked_order(order, batch, self._memory.rows, bound=bound)
        return order

    def _write_context(
        self,
        order: NDArray[np.int64],
        batch: int,
        step: int,
        seed: int,
        table: NDArray[np.float32],
        results: Mapping[str, NDArray[Any]],
    ) -> None:
        contexts = self._memory.contexts.reshape(self.threads, self._context_words)
        addresses = self._memory.addresses + [address(results[each.name]) for each in self.program.outputs]
        row = words.of_run(batch, step, seed, address(order), address(table), addresses)
        contexts[:, words.BATCH : words.BATCH + len(row)] = row

    def _walk(self, rows: int, first: int, last: int) -> None:
        """Take steps a piece at a time, each with as many threads as have turned out best."""
        if rows not in self._steps:
            self._steps[rows] = steps_of(self.program, rows, self.threads, fixed=self._chosen)
        steps = self._steps[rows]
        sharing = steps.sharing
        while first < last:
            end = first + sharing.next_piece(last - first)
            threads = steps.threads(end - first)
            # What is done once for a number of threads does not count against it.
            expansion = self._expansion(rows, threads)
            self._team.make_ready(threads)
            began = perf_counter()
            cores = self._take_steps(expansion, rows, first, end)
            sharing.tell(end - first, threads, perf_counter() - began, cores)
            first = end

    def _take_steps(self, expansion: _Expansion, rows: int, first: int, last: int) -> float:
        """Take steps with the threads of an expansion; return how many cores they had."""
        if self._guard:
            for array in (self._memory.values, self._memory.scratch):
                array.view(np.uint32)[:] = CANARY
        team, lists, contexts = self._team, expansion.lists, expansion.contexts
        if self.watch is None:
            cores = team.run(lists, contexts, first, last)
        else:
            cores = self.watch.run(team, expansion.tables, lists, contexts, first, last)
        if self._guard:
            self._look_for_intruders(expansion.plan, rows)
        return cores

    def _look_for_intruders(self, plan: MemoryPlan, rows: int) -> None:
        memory = self._memory
        for places, array in (
            (plan.kept, memory.kept),
            (plan.values, memory.values),
            (plan.scratch, memory.scratch),
        ):
            for name, place in places.items():
                end = place + size(self.program.buffers[name], rows)
                bands = array[place - self._guard : place], array[end : end + self._guard]
                if any(np.any(band.view(np.uint32) != CANARY) for band in bands):
                    self._intruded.add(name)

    # ---- expansion ----------------------------------------------------------------------------

    def _expansion(self, rows: int, threads: int) -> _Expansion:
        if (rows, threads) not in self._expansions:
            self._load_kernels(rows)
            plan = plan_memory(self.program, rows, self._guard)
            self._make_room(plan)
            site = self._site(plan, rows, threads)
            tables = expand(self.program, site)
            lists = [(address(table), len(table)) for table in tables.threads]
            contexts = [own["context"] for own in site.own]
            self._expansions[rows, threads] = _Expansion(tables, plan, site, lists, contexts)
        return self._expansions[rows, threads]

    def _load_kernels(self, rows: int) -> None:
        """Load what is launched for so many rows and is not there yet, with what the threads need."""
        calls = (call for phase in self.program.phases for step in phase.steps for call in step.calls)
        launched = {call.kernel for call in calls if call.is_made({"rows": rows})} - self._kernels.keys()
        if not launched:
            return
        kernels = [kernel for name, kernel in self.program.kernels.items() if name in launched]
        generated = [kernel for kernel in kernels if kernel.text]
        hand_written = [kernel.name for kernel in kernels if not kernel.text] + ["interpret", "barrier"]
        self._kernels |= load(module_text(generated), [kernel.name for kernel in generated], hand_written)

    def _make_room(self, plan: MemoryPlan) -> None:
        memory = self._memory
        if plan.values_size > len(memory.values) or plan.scratch_size * self.threads > len(memory.scratch):
            memory.values = aligned(max(plan.values_size, len(memory.values)))
            memory.scratch = aligned(max(plan.scratch_size * self.threads, len(memory.scratch)))
            self._expansions.clear()
            self._calls.clear()

    def _site(self, plan: MemoryPlan, rows: int, threads: int) -> Site:
        memory = self._memory
        symbols: dict[str, int] = {"rows": rows}
        for places, array in (
            (plan.kept, memory.kept),
            (plan.values, memory.values),
            (plan.scratch, memory.scratch),
        ):
            symbols.update({f"at({name})": array.ctypes.data + 4 * place for name, place in places.items()})
        for buffer in self.program.buffers.values():
            symbols[f"stride({buffer.name})"] = stride(buffer, rows)
        own = [
            {
                "thread": thread,
                "scratch": 4 * plan.scratch_size * thread,
                "context": memory.contexts.ctypes.data + 8 * self._context_words * thread,
                "numbers": memory.numbers.ctypes.data + memory.numbers.nbytes // self.threads * thread,
            }
            for thread in range(threads)
        ]
        barrier = (library()["barrier"], memory.barrier.ctypes.data)
        return Site(self._kernels, symbols, own, barrier)

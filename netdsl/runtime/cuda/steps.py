"""Steps of a pass: many at once where a device is given many, one by one at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby, product
from typing import Final

from netdsl.lowering.cuda import words
from netdsl.program import Access, Call, Grid, LibraryProduct, Program, Repeat, Step, address
from netdsl.runtime.cuda.device import Launch, Recorded, Span
from netdsl.runtime.cuda.product import Product, placed_product

MOST: Final = 1024
"""Launches that are recorded at once, at most: a scan has thousands a step."""


class Steps:
    """Launches of so many steps at once, each number of steps recorded when it is first wanted.

    One by one, each step costs the host a launch of its graph, and ends before the next begins. Steps of one
    graph overlap where neither needs the other.
    """

    def __init__(self, record: Callable[[int], Recorded], launches: int) -> None:
        """Take what records so many steps, of so many launches each."""
        self._record = record
        self._sizes = (min(words.TOGETHER, max(1, MOST // launches)), 1)
        self._recorded: dict[int, Recorded] = {}

    def run(self, times: int) -> None:
        """Take so many steps, each after the one before; the device may still be at work afterwards."""
        for size in self._sizes:
            whole, times = divmod(times, size)
            if whole:
                if size not in self._recorded:
                    self._recorded[size] = self._record(size)
                self._recorded[size].run(whole)


@dataclass(frozen=True, slots=True)
class Launching:
    """Makes the launches of a program's steps, with numbers for its symbols. `ends` are where the memory
    behind each address ends."""

    program: Program
    symbols: Mapping[str, int]
    ends: Mapping[str, int]
    context: str
    """The buffer whose rows of words the steps of a graph read."""

    def count(self) -> int:
        """Return how many launches a step has."""
        return sum(
            len(phase.steps) * len(turns_of(repeat))
            for phase in self.program.phases
            for repeat in [phase.repeat]
        )

    def steps(self, count: int) -> list[Launch | Product]:
        """Return the launches of so many steps that follow each other, and the one that moves cursors on."""
        *phases, advance = self.program.phases
        found: list[Launch | Product] = []
        for number in range(count):
            words_of_step = self.symbols[f"at({self.context})"] + 8 * words.COUNT * number
            known = {**self.symbols, f"at({self.context})": words_of_step}
            for repeat, members in groupby(phases, lambda phase: phase.repeat):
                for turn, phase in product(turns_of(repeat), members):
                    found += [self._launch(step, known | turn) for step in phase.steps]
        (last,) = advance.steps
        found.append(self._launch(last, {**self.symbols, "steps": count}, writes_all=True))
        return found

    def each(self) -> list[Launch | Product]:
        """Return a launch for each step of the program but the one that moves cursors on: of a loop those of
        its first turn."""
        phases = self.program.phases[:-1]
        turns = [turns_of(phase.repeat)[0] for phase in phases]
        return [
            self._launch(step, {**self.symbols, **turn})
            for phase, turn in zip(phases, turns, strict=True)
            for step in phase.steps
        ]

    def _launch(
        self, step: Step, symbols: Mapping[str, int], *, writes_all: bool = False
    ) -> Launch | Product:
        if isinstance(step.work, LibraryProduct):
            touched = (tuple(self._spans(_symbols(each))) for each in (step.reads, step.writes))
            return placed_product(step.work, symbols, self.ends, *touched)
        (call,) = step.calls
        assert isinstance(step.work, Grid)
        # A kernel touches what it is passed, and nothing else that its values are made of.
        passed = frozenset(name for each in call.arguments for name in each.symbols())
        return Launch(
            self.program.kernels[call.kernel],
            tuple(int(each.value(symbols)) for each in call.arguments),
            tuple(self._end(call, place) for place in range(len(call.arguments))),
            step.work.count(symbols),
            tuple(self._spans(passed)),
            tuple(self._spans(passed if writes_all else _symbols(step.writes))),
        )

    def _end(self, call: Call, place: int) -> int:
        return max((self.ends.get(name, 0) for name in call.arguments[place].symbols()), default=0)

    def _spans(self, names: frozenset[str] | set[str]) -> Iterator[Span]:
        """Yield where buffers lie, by the symbols of their addresses."""
        yield from ((self.symbols[name], self.ends[name]) for name in sorted(names) if name in self.ends)


def _symbols(accesses: tuple[Access, ...]) -> frozenset[str]:
    return frozenset(name for each in accesses for name in address(each.buffer).symbols())


def turns_of(repeat: Repeat | None) -> list[dict[str, int]]:
    """Return the symbols of each turn of a loop, in order; one turn without symbols where there is none."""
    if repeat is None:
        return [{}]
    turns = [{"t": turn} for turn in range(repeat.times)]
    return turns[::-1] if repeat.reverse else turns

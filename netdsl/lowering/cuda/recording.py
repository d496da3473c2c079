"""Launches as they are put together: buffers, kernels, and steps in phases that follow each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from netdsl.graph import Graph, formula
from netdsl.lowering.cuda.points import total_of
from netdsl.program import (
    Access,
    Buffer,
    Call,
    Count,
    Grid,
    Kernel,
    LibraryProduct,
    Origin,
    Phase,
    Role,
    Step,
    address,
)


@dataclass(slots=True)
class Recording:
    """The program of a graph that is being made. `places` are the buffers of its values, `views` places
    within buffers, by name: of which, how many bytes behind its beginning."""

    graph: Graph
    buffers: dict[str, Buffer] = field(default_factory=dict, kw_only=True)
    kernels: dict[str, Kernel] = field(default_factory=dict, kw_only=True)
    views: dict[str, tuple[str, Count]] = field(default_factory=dict, kw_only=True)
    places: dict[int, Buffer] = field(default_factory=dict, kw_only=True)
    phases: list[Phase] = field(default_factory=list, kw_only=True)
    first: list[Step] = field(default_factory=list, kw_only=True)
    second: list[Step] = field(default_factory=list, kw_only=True)
    """Launches that nobody has closed a phase behind: those that need no other, and those behind them."""

    # ---- memory --------------------------------------------------------------------------------

    def place(self, index: int, name: str, role: Role = "value", **more: object) -> None:
        """Give a value a buffer of its own."""
        node = self.graph[index]
        buffer = Buffer(name, node.shape, node.dtype, role=role, **more)  # type: ignore[arg-type]
        self.buffers[name] = self.places[index] = buffer

    def view(self, index: int, name: str, whole: str, offset: Count) -> None:
        """Let a value lie in a buffer, so many bytes behind its beginning."""
        node = self.graph[index]
        self.views[name] = whole, offset
        self.places[index] = Buffer(name, node.shape, node.dtype)

    def in_memory(self, place: Count) -> Count:
        """Return an address with the buffer that it is in, rather than a view of it."""
        symbols = {f"at({name})": address(whole) + offset for name, (whole, offset) in self.views.items()}
        return place.where(symbols)

    def _whole(self, name: str) -> str:
        """Return the buffer that a name shows."""
        return self.views[name][0] if name in self.views else name

    # ---- launches ------------------------------------------------------------------------------

    def origins(self, nodes: Iterable[int]) -> tuple[Origin, ...]:
        """Return what is computed, for people."""
        return tuple(
            Origin(formula(self.graph, index), node.path, node.span, node.of)
            for index in nodes
            for node in (self.graph[index],)
        )

    def add(
        self,
        kernel: Kernel,
        arguments: tuple[Count, ...],
        grid: Grid,
        reads: Iterable[int],
        writes: Iterable[str],
        origins: tuple[Origin, ...],
        flops: Count = Count(),  # noqa: B008 - a number
        *,
        second: bool = False,
    ) -> None:
        """Add a launch, behind the others of its phase where it is a second one."""
        self.kernels[kernel.name] = kernel
        call = Call(kernel.name, tuple(map(self.in_memory, arguments)))
        self.add_step((call,), grid, reads, writes, origins, flops, second=second)

    def add_step(
        self,
        calls: tuple[Call, ...],
        work: Grid | LibraryProduct,
        reads: Iterable[int],
        writes: Iterable[str],
        origins: tuple[Origin, ...],
        flops: Count,
        *,
        room: str | None = None,
        second: bool = False,
    ) -> None:
        """Add a step that touches such values and buffers; nobody counts what it writes into its `room`."""
        named = dict.fromkeys(self._whole(self.places[each].name) for each in reads if each in self.places)
        written = tuple(dict.fromkeys(map(self._whole, writes)))
        touched = sum((4 * total_of(self.buffers[name].shape) for name in (*named, *written)), Count())
        written += () if room is None else (room,)
        accesses = tuple(map(Access, named)), tuple(map(Access, written))
        step = Step(calls, work, *accesses, origins, flops, touched)
        (self.second if second else self.first).append(step)

    def close_phase(self) -> None:
        """Begin a new phase: what is launched from now on may read what was launched before."""
        self.phases += [Phase(tuple(each)) for each in (self.first, self.second) if each]
        self.first, self.second = [], []

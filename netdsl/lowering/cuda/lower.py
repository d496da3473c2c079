"""From a graph to a device program: buffers, kernels, and a list of launches that follow each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from netdsl.graph import BATCH, Graph, Precision, formula
from netdsl.kernels.cuda.kernel import Work
from netdsl.lowering.bounds import below
from netdsl.lowering.cuda import words
from netdsl.lowering.cuda.blas import launch_product, library_product
from netdsl.lowering.cuda.finishing import launch_finished, may_go_on
from netdsl.lowering.cuda.folding import launch_folds
from netdsl.lowering.cuda.formulas import CONTEXT, Entries, Formulas
from netdsl.lowering.cuda.library import flops_of, leaves_pieces, library_work, of_library, pieces_of
from netdsl.lowering.cuda.loops import launch_loop, place_states
from netdsl.lowering.cuda.numbers import NumberSlots
from netdsl.lowering.cuda.plan import Plan
from netdsl.lowering.cuda.points import THREADS, Store, shared_out, total_of, write_points
from netdsl.lowering.cuda.recording import Recording
from netdsl.lowering.cuda.reductions import TOGETHER, alike
from netdsl.lowering.cuda.tables import sort_by_rows
from netdsl.lowering.headers import about
from netdsl.program import (
    Buffer,
    Count,
    Grid,
    Input,
    Kernel,
    LibraryProduct,
    Origin,
    Output,
    Program,
    Role,
    address,
    count_of,
    symbol,
)

ROWS: Final = 128
"""Rows of a batch that the tiles of products are chosen for."""

ADVANCE: Final = Kernel(
    "advance",
    "def advance(context, steps):\n"
    f"    if cuda.threadIdx.x < {words.TOGETHER}:\n"
    f"        at = cuda.threadIdx.x * {words.COUNT} + {words.CURSOR}\n"
    "        context[at] = context[at] + steps\n",
    ("the next batches",),
    ("long", "count"),
    32,
)


def lower_to_device(
    graph: Graph, name: str, rows: int = ROWS, precision: Precision = "float32", *, blas: bool = False
) -> Program:
    """Return the program of a graph that has been legalized: launches of a phase need none of each other.

    `rows` is the number of examples in a batch that it is made for; it runs any. `precision` is what factors
    of products and convolutions are rounded to; with `blas` a library makes the products it is worth for.
    """
    return Lowering(graph, rows, precision, blas).program(name)


@dataclass(slots=True)
class Lowering(Recording):
    """Makes the launches of a graph. The body of a loop is lowered by one of its own, whose inputs lie in
    `views`."""

    rows: int
    precision: Precision
    blas: bool = False
    numbers: NumberSlots = field(default_factory=NumberSlots)
    prefix: str = ""
    replaced: dict[int, int] = field(default_factory=dict)
    """The weights and states that new ones overwrite, by the value of the new one."""

    fields: dict[str, str] = field(default_factory=dict)
    works: dict[int, tuple[Work, Mapping[str, int]]] = field(default_factory=dict)
    products: dict[int, LibraryProduct | None] = field(default_factory=dict)
    """Products as a library makes them; None for those that our own kernels make."""

    pieces: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Of products whose sums lie in pieces: in which scratch memory, and in how many."""

    entries: dict[int, Entries] = field(default_factory=dict)
    """Of sums over the entries of a table: the entries in the order of its rows."""

    plan: Plan = field(init=False)

    def __post_init__(self) -> None:
        self.plan = Plan(self.graph, bool(self.prefix), self._in_pieces, self._may_finish)

    def program(self, name: str) -> Program:
        """Make the program."""
        self.place_leaves()
        for index in self.graph:
            if self.graph[index].operation.name == "loop":
                place_states(self, index)
        copies = self.place_values()
        early = [each for each in self._results() if self.plan.levels.get(each.index, -1) < self.plan.last]
        self.launch_levels({}, early)
        for stores in ([each for each in self._results() if each not in early], copies):
            self.launch_points(stores)
            self.close_phase()
        self._advance()
        kept = {label: self.places[index].name for label, index in self.graph.kept().items()}
        outputs = tuple(
            Output(each, self.graph[index].shape, self.graph[index].dtype)
            for each, index in self.graph.outputs.items()
        )
        return Program(
            name,
            self.buffers,
            self.kernels,
            tuple(self.phases),
            kept,
            self._inputs(),
            outputs,
            self.numbers.scalars(),
        )

    def _advance(self) -> None:
        """Launch what moves the cursors on by the steps of a graph: its last phase has that alone."""
        passed = address(CONTEXT), symbol("steps")
        self.add(ADVANCE, passed, Grid(((count_of(1), 1),)), (), (), (Origin("the next batches"),))
        self.close_phase()

    # ---- memory --------------------------------------------------------------------------------

    def place_leaves(self) -> None:
        """Give weights, states and constants their memory."""
        for index in self.graph:
            node = self.graph[index]
            role: Role
            match node.operation.name:
                case "weight" | "state" as role:
                    self.place(index, node.setting("name"), role, label=node.setting("name"))
                case "constant" if index not in self.plan.host:
                    name = f"{self.prefix}constant {index}"
                    self.place(index, name, "constant", values=node.setting("value"))
                case "input" if not self.prefix:
                    self.fields[node.setting("name")] = f"field {len(self.fields)}"

    def place_values(self) -> list[Store]:
        """Give each stored value a buffer, a new weight that of the old one; else it is copied at the end."""
        leaves = self.graph.kept()
        taken: set[int] = set()
        copies: list[Store] = []
        for name, index in self.graph.updates.items():
            leaf = leaves.get(name)
            if index in taken or leaf is None or not self._may_overwrite(index, leaf):
                copies.append(Store(index, name))
            else:
                taken.add(index)
                self.places[index], self.replaced[index] = self.places[leaf], leaf
        for index in sorted(self.plan.stored):
            if index not in self.places and self.graph[index].operation.name != "loop":
                self.place(index, f"{self.prefix}v{index}", label=formula(self.graph, index, 2))
        return copies

    def _may_overwrite(self, index: int, leaf: int) -> bool:
        """Tell whether nobody reads a weight in or after the launch that makes its new value, but the thread
        that writes it."""
        plan = self.plan
        if index not in plan.stored or leaf in self.graph.outputs.values():
            return False
        level = plan.levels[index]
        for each, reads in plan.reads.items():
            if leaf not in reads or plan.levels[each] < level:
                continue
            same = plan.levels[each] == level and reads[leaf] and plan.together(each, index)
            if not (same and self.graph[each].shape == self.graph[leaf].shape):
                return False
        return True

    def _inputs(self) -> tuple[Input, ...]:
        return tuple(
            Input(
                name,
                self.graph[index].shape,
                self.graph[index].dtype,
                self.fields[name],
                below(self.graph, index),
            )
            for name, index in self.graph.leaves("input").items()
        )

    # ---- launches ------------------------------------------------------------------------------

    def launch_levels(self, also: Mapping[int, Sequence[Store]], last: Sequence[Store] = ()) -> None:
        """Launch what makes all stored values; `also` are more stores of some of them, and the `last` ones go
        with the updates."""
        for level in range(self.plan.end):
            members = [index for index in sorted(self.plan.levels) if self.plan.levels[index] == level]
            together: list[Store] = []
            for index in (each for each, before in self.plan.before.items() if before == level):
                if self.plan.is_sorted(index):
                    self.entries[index] = sort_by_rows(self, index)
                else:
                    self._library(index)
            folds: dict[Hashable, list[int]] = {}
            for index in members:
                if self.plan.is_reduction(index):
                    folds.setdefault(alike(self.graph, index), []).append(index)
                    continue
                if self.plan.has_own_launch(index):
                    self._launch_alone(index)
                else:
                    together.append(self.store(index, self.places[index].name))
                    together += also.get(index, ())
            for each in folds.values():
                for start in range(0, len(each), TOGETHER):
                    launch_folds(self, each[start : start + TOGETHER])
            self.launch_points([*together, *(last if level == self.plan.last else ())])
            self.close_phase()

    def store(self, index: int, buffer: str, *, result: bool = False) -> Store:
        """Return the store of a value to a buffer, or a result."""
        return Store(index, buffer, "int" if self.graph[index].dtype == "int" else "float", result)

    def _launch_alone(self, index: int) -> None:
        match self.graph[index].operation.name:
            case "loop":
                self.close_phase()
                launch_loop(self, index)
            case "loop_part":
                pass  # its loop has stored it
            case _ if index in self.plan.finished:
                launch_finished(self, index)
            case _:
                self._library(index)

    def formulas(self, own: Iterable[int]) -> Formulas:
        """Return the writer of a launch that makes some values."""
        about = self.plan.host, self.numbers, self.fields, self.pieces, self.entries
        return Formulas(self.graph, self.places, frozenset(own), *about)

    def _results(self) -> list[Store]:
        return [self.store(each, f"result {name}", result=True) for name, each in self.graph.outputs.items()]

    def launch_points(self, stores: Sequence[Store]) -> None:
        """Launch threads that compute whole elements."""
        for each in shared_out(stores, lambda index: self.plan.reads.get(index, ()), self.replaced):
            self._launch_together(each)

    def _launch_together(self, stores: Sequence[Store]) -> None:
        of = self.formulas(each.index for each in stores if not each.result and self._is_own(each))
        grid = write_points(of, stores, self.rows)
        nodes = [each.index for each in stores]
        kernel = of.text.finish("points", about(self.graph, nodes, nodes), THREADS)
        reads = {other for each in nodes for other in self._sources(each)}
        work = sum((total_of(self.graph[each].shape) for each in nodes), Count())
        writes = [each.buffer for each in stores if not each.result]
        writes += [self.pieces[each][0] for each in nodes if each in self.pieces]
        writes += [name for each in nodes if each in self.entries for name in self.entries[each].buffers]
        self.add(kernel, of.text.passed(), grid, reads, writes, self.origins(nodes), work)

    def _is_own(self, store: Store) -> bool:
        """Tell whether a store computes its value: a copy of what lies in memory does not."""
        return store.index in self.places and self.places[store.index].name == store.buffer

    def _sources(self, index: int) -> Iterable[int]:
        if index in self.plan.stored:
            return (*self.plan.reads[index], index)
        return (index,) if index in self.places else self.plan.read_by(index)

    def _work(self, index: int) -> tuple[Work, Mapping[str, int]]:
        """Return the kernels of a product or convolution, made once."""
        if index not in self.works:
            self.works[index] = library_work(self.graph, index, self.rows, self.precision)
        return self.works[index]

    def _by_library(self, index: int) -> LibraryProduct | None:
        if index not in self.products:
            about = self.graph, index, self.rows, self.precision
            self.products[index] = library_product(*about) if self.blas else None
        return self.products[index]

    def _in_pieces(self, index: int) -> int:
        if self._by_library(index) is not None or not leaves_pieces(self.graph, index, self._work(index)[0]):
            return 0
        return pieces_of(self._work(index)[0], total_of(self.graph[index].shape))

    def _may_finish(self, index: int) -> bool:
        own = self.graph[index].operation.name == "matmul" and self._by_library(index) is None
        return own and may_go_on(self._work(index)[0])

    def _library(self, index: int) -> None:
        """Launch a product or convolution, by a library of the device or by our own kernels."""
        if (product := self._by_library(index)) is not None:
            launch_product(self, index, product)
        else:
            self._own_kernels(index)

    def _own_kernels(self, index: int) -> None:
        """Launch the kernels of a product or convolution, without the one that adds pieces up if the threads
        do that who want its elements."""
        work, operands = self._work(index)
        known = {name: address(self.places[each].name) for name, each in operands.items()}
        known |= {"result": address(self.places[index].name), "rows": symbol("rows")}
        written = [self.places[index].name]
        scratch = count_of(work.scratch)
        if scratch.terms:
            elements = int(scratch.value({"rows": 1}))
            name = f"{self.prefix}sums {index}"
            shape = (BATCH, elements) if scratch.symbols() else (elements,)
            self.buffers[name] = Buffer(name, shape, label="pieces of sums")
            known["scratch"] = address(name)
            written.append(name)
        kernels = work.kernels
        if index in self.plan.before:
            self.pieces[index] = name, pieces_of(work, total_of(self.graph[index].shape))
            kernels, written = work.kernels[:1], [name]
        flops = flops_of(self.graph, index)
        for number, each in enumerate(kernels):
            kernel = replace(of_library(each), about=about(self.graph, [index], [index]))
            arguments = tuple(known[parameter.name] for parameter in each.parameters)
            grid = Grid(tuple((count_of(extent), share) for extent, share in each.blocks))
            origins, second = self.origins([index]), number > 0
            self.add(kernel, arguments, grid, operands.values(), written, origins, flops, second=second)
            flops = Count()

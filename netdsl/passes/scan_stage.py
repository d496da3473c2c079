"""`stage_scans`: scans as loops, along batches that lie one behind the other.

A sequence `[batch, time, ...]` becomes a stack `[time batches, ...]`: a step reads and writes views of it,
and what is computed of all steps alike, before or after the scan, is computed of the tall matrix that a
stack is. Only what asks for another order of the elements is given a copy.
"""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.graph import Builder, Graph, Origin, Shape, Value, count, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations import REGISTRY
from netdsl.operations.movement import part
from netdsl.operations.sub_graph import OUT, STATE, apart, out_shapes, outputs_of
from netdsl.passes.contractions import is_made_for, is_of_panels
from netdsl.passes.legalize import legalize
from netdsl.passes.rewriting import Sharing
from netdsl.passes.scan_tables import tables_inside
from netdsl.passes.scan_unroll import unroll_scans
from netdsl.passes.stacking import Recipe, recipe_of, total_of


def stage_scans(graph: Graph) -> Graph:
    """Return a graph of the same values that has loops instead of scans.

    A scan that no loop does is written out: one of a single step, with a scan inside, or along what all
    examples share.
    """
    if not _scans(graph):
        return graph
    graph = unroll_scans(graph, lambda index: not is_loop(graph, index))
    graph = tables_inside(graph)
    return _Stage(graph).staged() if _scans(graph) else graph


def _scans(graph: Graph) -> list[int]:
    return [index for index in graph if graph[index].operation.name == "scan"]


def is_loop(graph: Graph, index: int) -> bool:
    """Tell whether a scan is done by a loop."""
    node = graph[index]
    _, sequences, _ = apart(dict(node.settings), graph.operands(index))
    return (
        is_batched(node.shape)
        and node.setting("steps") > 1
        and all(is_batched(graph[each].shape) for each in sequences)
        and not _scans(node.setting("body"))
    )


@dataclass(slots=True)
class _Stage:
    """Rebuilds a graph. A node's value is there `plain`, as the graph has it, or as a stack, or both."""

    graph: Graph
    builder: Sharing = field(default_factory=Sharing)
    plain: dict[int, Value] = field(default_factory=dict)
    stacks: dict[int, Value] = field(default_factory=dict)
    parts: dict[int, list[Value]] = field(default_factory=dict)
    """What each scan collects, as stacks."""

    states: int = 0

    def staged(self) -> Graph:
        """Return the rebuilt graph."""
        stacked = self._stacked()
        for index in self.graph:
            node = self.graph[index]
            with self.builder.within(Origin(node.span, node.path, node.repeat, node.of)):
                if node.operation.name == "scan":
                    self._make_loop(index)
                elif self._is_part(index):
                    self._take_part(index)
                elif index in stacked:
                    self.stacks[index] = self._applied(stacked[index], index)
                elif (recipe := total_of(self.graph, index)) and self._reads_stack(recipe, index):
                    self.plain[index] = _reshaped(self._applied(recipe, index), node.shape)
                else:
                    operands = [self.in_order(each) for each in self.graph.operands(index)]
                    self.plain[index] = self.builder.add(node, operands)
        self.builder.outputs = {name: self.in_order(each) for name, each in self.graph.outputs.items()}
        self.builder.updates = {name: self.in_order(each) for name, each in self.graph.updates.items()}
        return self.builder.finish(unused=False)

    def _stacked(self) -> dict[int, Recipe]:
        """Find what is computed on stacks: all that hangs together with a scan and can be."""
        possible: dict[int, Recipe] = {}
        for index in self.graph:
            recipe = recipe_of(self.graph, index)
            if recipe is not None and not self._is_part(index):
                possible[index] = recipe
        found: set[int] = set()
        todo: list[int] = []
        for index in _scans(self.graph):
            _, sequences, _ = apart(dict(self.graph[index].settings), self.graph.operands(index))
            parts = [each for each in self.graph.users(index) if self._is_part(each)]
            todo += [*sequences, *(user for part in parts for user in self.graph.users(part))]
        while todo:
            index = todo.pop()
            if index in possible and index not in found:
                found.add(index)
                beside = zip(self.graph.operands(index), possible[index].stacked, strict=True)
                todo += [each for each, is_stacked in beside if is_stacked]
                todo += [
                    user
                    for user in self.graph.users(index)
                    if user in possible and self._stacks(user, index, possible)
                ]
        return {index: possible[index] for index in found}

    def _stacks(self, user: int, index: int, possible: Mapping[int, Recipe]) -> bool:
        beside = zip(self.graph.operands(user), possible[user].stacked, strict=True)
        return any(is_stacked for each, is_stacked in beside if each == index)

    def _reads_stack(self, recipe: Recipe, index: int) -> bool:
        operands = zip(self.graph.operands(index), recipe.stacked, strict=True)
        return any(is_stacked and each in self.stacks for each, is_stacked in operands)

    # ---- both ways of a value ------------------------------------------------------------------

    def in_order(self, index: int) -> Value:
        """Return a value as the graph has it."""
        if index not in self.plain:
            shape = self.graph[index].shape
            self.plain[index] = _reshaped(self.stacks[index].apply("unstack"), shape)
        return self.plain[index]

    def stack(self, index: int) -> Value:
        """Return a sequence as batches one behind the other."""
        if index not in self.stacks:
            self.stacks[index] = self.plain[index].apply("stack")
        return self.stacks[index]

    def _applied(self, recipe: Recipe, index: int) -> Value:
        node = self.graph[index]
        operands = [
            self.stack(each) if is_stacked else self.in_order(each)
            for each, is_stacked in zip(self.graph.operands(index), recipe.stacked, strict=True)
        ]
        if node.operation.name == "reshape":
            return _reshaped(operands[0], recipe.settings["shape"])
        return self.builder.apply(node.operation.name, *operands, **recipe.settings)

    # ---- parts of what a scan collects ---------------------------------------------------------

    def _is_part(self, index: int) -> bool:
        """Tell whether a node takes some columns, at all steps or at one, of what a scan collects."""
        node = self.graph[index]
        if node.operation.name != "slice":
            return False
        (scan,) = self.graph.operands(index)
        if self.graph[scan].operation.name != "scan":
            return False
        first, end = node.setting("starts")[1], node.setting("stops")[1]
        return node.setting("steps") == (1, 1, 1) and end - first in (1, self.graph[scan].shape[1])

    def _take_part(self, index: int) -> None:
        node = self.graph[index]
        (scan,) = self.graph.operands(index)
        starts, stops = node.setting("starts"), node.setting("stops")
        stack = self._columns(scan, starts[2], stops[2])
        if stops[1] - starts[1] == self.graph[scan].shape[1]:
            self.stacks[index] = stack
        else:
            self.plain[index] = stack.apply("step", number=starts[1]).reshape(node.shape)

    def _columns(self, scan: int, first: int, end: int) -> Value:
        """Return some columns of what a scan collects, as a stack."""
        pieces: list[Value] = []
        start = 0
        for each in self.parts[scan]:
            width = count(each.shape)
            flat = _reshaped(each, (each.shape[0], width))
            low, high = max(first - start, 0), min(end - start, width)
            if low < high:
                pieces.append(part(flat, 1, low, high))
            start += width
        return pieces[0] if len(pieces) == 1 else self.builder.apply("concat", *pieces, axis=1)

    # ---- loops ---------------------------------------------------------------------------------

    def _make_loop(self, index: int) -> None:
        """Add the loop of a scan, and what it collects."""
        node = self.graph[index]
        settings = dict(node.settings)
        states, sequences, fixed = apart(settings, self.graph.operands(index))
        operands = [
            *(self._kept(self.in_order(each)) for each in states),
            *(self.stack(each) for each in sequences),
            *(self._lying(self.in_order(each)) for each in fixed),
        ]
        settings["body"] = body_of_loop(settings["body"])
        loop = self.builder.apply("loop", *operands, **settings)
        start = 0
        self.parts[index] = []
        for number, shape in enumerate(out_shapes(settings["body"])):
            about = {"number": number, "start": start, "shape": shape[1:]}
            self.parts[index].append(loop.apply("loop_part", **about))
            start += count(shape)
        self.stacks[index] = self._columns(index, 0, start)

    def _kept(self, value: Value) -> Value:
        """Return a state at the start, in memory of its own."""
        self.states += 1
        return value.apply("stored", number=self.states)

    def _lying(self, value: Value) -> Value:
        """Return a value that lies in memory as it is: a number of the host and a reshape do not."""
        moved = value.shape == () or value.node.operation.name == "reshape"
        return value.apply("stored", number=0) if moved else value


def body_of_loop(body: Graph) -> Graph:
    """Return the body of a scan as a loop has it.

    What each state becomes is computed, by itself; so is what is collected, unless it is a state before or
    after the step.
    """
    body = legalize(body)
    builder = Builder(REGISTRY)
    values = _copied(builder, body)
    before = {index for name, index in body.leaves("input").items() if name.startswith(STATE)}
    after = set(outputs_of(body, STATE))
    for kind, shared in ((STATE, set[int]()), (OUT, before | after)):
        taken: set[int] = set()
        for number, index in enumerate(outputs_of(body, kind)):
            value = values[index]
            if index not in shared and (index in taken or not body.operands(index)):
                value = value.apply("stored", number=number)
            builder.outputs[f"{kind}{number}"] = value
            taken.add(index)
    return builder.finish(unused=False)


def _copied(builder: Builder, body: Graph) -> dict[int, Value]:
    """Copy a body; what lies elsewhere too has another place where a matrix of panels is joined of it."""
    values: dict[int, Value] = {}
    for index in body:
        operands = [values[each] for each in body.operands(index)]
        if is_of_panels(body, index):
            operands = [
                values[each]
                if is_made_for(body, each, index)
                else values[each].apply("stored", number=number)
                for number, each in enumerate(body.operands(index))
            ]
        values[index] = builder.add(body[index], operands)
    return values


def _reshaped(value: Value, shape: Shape) -> Value:
    """Reshape a value, or what it is a reshape of."""
    while value.node.operation.name == "reshape":
        value = Value(value.builder, value.builder.operands(value.index)[0])
    return value.reshape(shape)

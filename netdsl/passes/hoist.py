"""`hoist`: products that need no state of a scan are made for all steps at once, before it or after.

What a product reads of the items alone, such as `x[t] @ W`, becomes one product before the scan, whose rows
are then items. A product that only what is collected depends on, such as a head at each step, becomes one
after it. What is left in a body is what has to wait for the step before.
"""

from __future__ import annotations

from collections.abc import Iterable

from netdsl.graph import Builder, Graph, Node, Origin, Value, count, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations import REGISTRY
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, apply_scan, collected, cut, outputs_of
from netdsl.operations.through_time import ThroughTime, is_done_at_once
from netdsl.passes.contractions import is_part
from netdsl.passes.hoist_parts import parts_of_products
from netdsl.passes.hoist_terms import early_terms_first
from netdsl.passes.rewriting import with_body


def hoist(graph: Graph) -> Graph:
    """Return a graph of the same values with the products that can be taken out of scans."""
    builder = Builder(REGISTRY)
    values: dict[int, Value] = {}
    for index in graph:
        node, operands = graph[index], [values[each] for each in graph.operands(index)]
        if node.operation.name == "scan":
            node = with_body(node, parts_of_products(early_terms_first(node.setting("body"))))
            with builder.within(Origin(node.span, node.path, node.repeat, node.of)):
                values[index] = _Hoisting(node, operands).result() or builder.add(node, operands)
        else:
            values[index] = builder.add(node, operands)
    builder.take_roots(graph, values)
    return builder.finish(unused=False)


@dataclass(slots=True)
class _Hoisting:
    """One scan: which nodes of its body move before it, and which after."""

    node: Node
    operands: list[Value]
    through: ThroughTime = field(init=False)
    body: Graph = field(init=False)
    states: list[int] = field(init=False)
    items: list[int] = field(init=False)
    """The inputs of the body: a number below 0 for a state that it does not read."""

    def __post_init__(self) -> None:
        settings = dict(self.node.settings)
        self.body = settings["body"]
        states, sequences, fixed = apart(settings, self.operands)
        leaves = self.body.leaves("input")
        self.through = ThroughTime(self.operands[0].builder, self.body, settings["steps"])
        self.states = [leaves.get(f"{STATE}{n}", -1 - n) for n in range(len(states))]
        self.items = [leaves[name] for n in range(len(sequences)) if (name := f"{ITEM}{n}") in leaves]
        for kind, values in ((ITEM, sequences), (FIXED, fixed)):
            for number, value in enumerate(values):
                if (leaf := leaves.get(f"{kind}{number}")) is not None:
                    self.through.begin(leaf, value, timed=kind == ITEM)

    def result(self) -> Value | None:
        """Return what the scan collects, with fewer products in its body; None if none can be taken out."""
        becomes, outs = outputs_of(self.body, STATE), outputs_of(self.body, OUT)
        waiting = self._depending(self.states)
        computed = (index for index in self.body if self.body.operands(index))
        by_step = {index for index in computed if not is_done_at_once(self.body[index])}
        slow = self._depending(by_step & self._depending(self.items))
        early = self._with_product(self._depending(self.items) - waiting - slow)
        parts = {index for index in early if is_part(self.body, index) and self._is_read(index, waiting)}
        early -= parts  # taken in the body, of an item that comes in whole
        needed = self.body.ancestors(becomes)
        late = {out: self._wanted(out, waiting, needed) for out in outs}
        instead = {index for wanted in late.values() for index in wanted or ()}
        kept = [*dict.fromkeys(out for out in outs if late[out] is None)]
        kept += sorted(instead.difference(kept))
        if not (early or instead) or not kept:
            return None
        ends = {*becomes, *kept}
        before = [index for index in sorted(early) if index in ends or self._is_read(index, waiting | parts)]
        given = [*self.items, *before]
        body, read, fixed = cut(self.body, REGISTRY, self.states, given, becomes, kept)
        states, _, _ = apart(dict(self.node.settings), self.operands)
        scanned = apply_scan(
            body,
            states,
            [self.through.lifted(index) for index in read],
            [self.through.value(index) for index in fixed],
            steps=self.node.setting("steps"),
            reverse=self.node.setting("reverse"),
        )
        for index, value in zip(kept, collected(scanned), strict=True):
            self.through.begin(index, value, timed=True)
        return self._joined([self.through.lifted(out) for out in outs])

    def _depending(self, leaves: Iterable[int]) -> set[int]:
        found = set(leaves)
        for index in self.body:
            if not found.isdisjoint(self.body.operands(index)):
                found.add(index)
        return found

    def _with_product(self, nodes: set[int]) -> set[int]:
        """Return those of some nodes that a product among them is, or leads to."""
        found: set[int] = set()
        for index in sorted(nodes):
            if self.body[index].operation.name == "matmul" or not found.isdisjoint(self.body.operands(index)):
                found.add(index)
        return found

    def _is_read(self, index: int, waiting: set[int]) -> bool:
        return any(user in waiting for user in self.body.users(index))

    def _wanted(self, out: int, waiting: set[int], needed: set[int]) -> set[int] | None:
        """Return what is collected instead of a value of which a product can be made after the scan."""
        found: set[int] = set()
        has_product = False
        todo, seen = [out], set[int]()
        while todo:
            index = todo.pop()
            if index in seen or index not in waiting:
                continue
            seen.add(index)
            if index in needed or index in self.states:
                found.add(index)
                continue
            if not is_done_at_once(self.body[index]):
                return None
            has_product |= self.body[index].operation.name == "matmul"
            todo.extend(self.body.operands(index))
        return found if has_product and all(map(self._may_be_collected, found)) else None

    def _may_be_collected(self, index: int) -> bool:
        node = self.body[index]
        return node.dtype == "float" and is_batched(node.shape) == is_batched(self.node.shape)

    def _joined(self, values: list[Value]) -> Value:
        lead = self.node.shape[:-1]
        flat = [value.reshape((*lead, count((1, *value.shape[len(lead) :])))) for value in values]
        return flat[0] if len(flat) == 1 else flat[0].builder.apply("concat", *flat, axis=len(lead))

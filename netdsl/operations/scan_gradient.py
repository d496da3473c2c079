"""The gradient of a scan: another scan, run the other way, whose body is the derivative of the body.

It reads what the forward steps computed (a scan like the first one collects it: `merge_scans` makes one of
the two) and collects the gradients of the items. What all examples share, such as the gradient of a weight,
is not collected: it is summed over batch and time outside of the scan, from what is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from netdsl.graph import Builder, Graph, Origin, Value, is_batched
from netdsl.graph.gradients import gradient_origin, pull_back
from netdsl.graph.graph import all_below
from netdsl.operations.sub_graph import FIXED, ITEM, OUT, STATE, apart, apply_scan, collected, cut, outputs_of
from netdsl.operations.through_time import ThroughTime, at_step

SIMPLE: Final = frozenset(
    {
        *("add", "subtract", "multiply", "negate", "abs", "sign", "minimum", "maximum", "where", "cast"),
        *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
        *("logical_and", "logical_or", "logical_not", "stop_gradient"),
    }
)
"""Element-wise operations that are computed again where what they need is at hand."""

MOVED: Final = frozenset({"broadcast", "reshape", "transpose", "slice"})
"""Movements: what is moved is kept, not the result."""


def scan_gradient(dy: Value, y: Value, *operands: Value) -> Sequence[Value | None]:
    """Return the gradients by the states at the start, the sequences and what is fixed."""
    return _Backward(dy, y, operands).shares()


class _Backward:
    """A body with its derivative, `inside`, and what becomes of their values outside, `through` time."""

    def __init__(self, dy: Value, y: Value, operands: Sequence[Value]) -> None:
        self.dy, self.y = dy, y
        self.operands = operands
        self.settings = dict(y.node.settings)
        self.body: Graph = self.settings["body"]
        self.inside = Builder(y.builder.registry)
        self.through = ThroughTime(y.builder, self.inside, self.settings["steps"])
        self.forward = [value.index for value in self.inside.copy(self.body, {}).values()]
        self.leaves = {name: self.forward[index] for name, index in self.body.leaves("input").items()}
        with self.inside.within(gradient_origin(y.node)):
            self.ends = self._inputs("end", STATE)
            self.given = self._inputs("given", OUT)
            self.gradients = self._derive()
        states = {index for name, index in self.leaves.items() if name.startswith(STATE)}
        self.on_state = self._depending(states) & set(self.forward)
        self.on_end = self._depending(set(self.ends))

    def _inputs(self, name: str, kind: str) -> list[int]:
        """Add the gradients that come from behind: of states, or of what is collected."""
        return [
            self.inside.apply("input", name=f"{name}{number}", shape=self.body[index].shape).index
            for number, index in enumerate(outputs_of(self.body, kind))
        ]

    def _derive(self) -> dict[str, int]:
        """Return the gradient by each input of the body to which any comes back."""
        outputs = [self.forward[index] for kind in (STATE, OUT) for index in outputs_of(self.body, kind)]
        seeds = zip(map(self._at, outputs), map(self._at, (*self.ends, *self.given)), strict=True)
        by = {name: index for name, index in self.leaves.items() if self.inside[index].dtype == "float"}
        found = pull_back(list(seeds), list(map(self._at, by.values())))
        return {name: found[index].index for name, index in by.items() if not _is_zero(found[index])}

    def _at(self, index: int) -> Value:
        return Value(self.inside, index)

    def _depending(self, leaves: set[int]) -> set[int]:
        """Return what the gradients need and some nodes are needed for, with these."""
        found = set(leaves)
        for index in sorted(self._below(self.gradients.values())):
            if not found.isdisjoint(self.inside.operands(index)):
                found.add(index)
        return found

    def _below(self, indices: Iterable[int]) -> set[int]:
        return all_below(indices, self.inside.operands)

    def shares(self) -> list[Value | None]:
        """Return the share of each operand."""
        states, sequences, fixed = apart(self.settings, self.operands)
        for kind, values in ((ITEM, sequences), (FIXED, fixed)):
            for number, value in enumerate(values):
                if (leaf := self.leaves.get(f"{kind}{number}")) is not None:
                    self.through.begin(leaf, value, timed=kind == ITEM)
        for index, value in zip(self.given, collected(self.y, self.dy), strict=True):
            self.through.begin(index, value, timed=True)
        self._collect_forward()
        self._scan_back()
        return [
            *(self._at_start(f"{STATE}{number}") for number in range(len(states))),
            *(self._of_item(f"{ITEM}{number}") for number in range(len(sequences))),
            *(self._of_fixed(f"{FIXED}{number}") for number in range(len(fixed))),
        ]

    def _at_start(self, name: str) -> Value | None:
        if (index := self.gradients.get(name)) is None:
            return None
        first = self.settings["steps"] - 1 if self.settings["reverse"] else 0
        return at_step(self.through.lifted(index), self.inside[index].shape, first)

    def _of_item(self, name: str) -> Value | None:
        index = self.gradients.get(name)
        return None if index is None else self.through.lifted(index)

    def _of_fixed(self, name: str) -> Value | None:
        index = self.gradients.get(name)
        return None if index is None else self.through.total(index)

    # ---- what the way back reads of the way there ----------------------------------------------

    def _collect_forward(self) -> None:
        """Collect what the way back reads, by a scan that does what the first one does."""
        kept = self._kept()
        builder = Builder(self.inside.registry)
        values = builder.copy(self.body, {})
        builder.take_roots(self.body, values)
        outs = [self.forward[index] for index in outputs_of(self.body, OUT)]
        for index in kept:
            if index not in outs:
                builder.outputs[f"{OUT}{len(outs)}"] = values[self.forward.index(index)]
                outs.append(index)
        node = self.y.node
        with self.y.builder.within(Origin(node.span, node.path, node.repeat, node.of)):
            settings = {**self.settings, "body": builder.finish()}
            scanned = self.y.builder.apply("scan", *self.operands, **settings) if kept else self.y
            for index, value in zip(outs, collected(scanned), strict=False):
                if index in kept:
                    self.through.begin(index, value, timed=True)

    def _kept(self) -> list[int]:
        """Choose the values that are kept: those that the derivative reads, unless they follow simply from
        others that are kept."""
        back = self._below(self.gradients.values()) - set(self.forward)
        pending = {each for index in back for each in self.inside.operands(index)} | set(
            self.gradients.values()
        )
        pending &= self.on_state
        kept: list[int] = []
        while pending:
            index = max(pending)
            pending.remove(index)
            operands = self.on_state.intersection(self.inside.operands(index))
            if operands and self._is_computed_again(index, operands <= pending):
                pending |= operands
            else:
                kept.append(index)
        return sorted(kept)

    def _is_computed_again(self, index: int, at_hand: bool) -> bool:
        name = self.inside[index].operation.name
        return name in MOVED or not self._may_be_collected(index) or (at_hand and name in SIMPLE)

    def _may_be_collected(self, index: int) -> bool:
        node = self.inside[index]
        return node.dtype == "float" and is_batched(node.shape) == is_batched(self.y.shape)

    # ---- the way back ---------------------------------------------------------------------------

    def _scan_back(self) -> None:
        """Make the scan that runs the other way, and take what it collects."""
        outs = sorted({each for index in self.gradients.values() for each in self._wanted(index)})
        if not outs:
            return
        becomes = [
            self.gradients[name] if (name := f"{STATE}{number}") in self.gradients else self._zero(end)
            for number, end in enumerate(self.ends)
        ]
        items = sorted(self.through.timed)
        body, read, fixed = cut(self.inside, self.inside.registry, self.ends, items, becomes, outs)
        with self.y.builder.within(gradient_origin(self.y.node)):
            scanned = apply_scan(
                body,
                [self.y.builder.constant(0.0).broadcast(self.inside[end].shape) for end in self.ends],
                [self.through.known[index] for index in read],
                [self.through.value(index) for index in fixed],
                steps=self.settings["steps"],
                reverse=not self.settings["reverse"],
            )
            for index, value in zip(outs, collected(scanned), strict=True):
                self.through.begin(index, value, timed=True)

    def _zero(self, like: int) -> int:
        return self.inside.constant(0.0).broadcast(self.inside[like].shape).index

    def _wanted(self, index: int) -> Iterator[int]:
        """Yield what the way back has to collect for a gradient: it, or what it is computed from outside."""
        todo, seen = [index], set[int]()
        while todo:
            each = todo.pop()
            if each in seen or each not in self.on_end:
                continue
            seen.add(each)
            if self._may_be_collected(each):
                yield each
            else:
                todo.extend(self.inside.operands(each))


def _is_zero(value: Value) -> bool:
    index = value.index
    while value.builder[index].operation.name == "broadcast":
        (index,) = value.builder.operands(index)
    return bool(value.builder[index].setting("value") == 0.0)

"""`merge_scans`: scans of the same steps become one, and a scan computes nothing that nobody reads.

`differentiate` asks a second scan for what the way back reads of the way there; `prune` leaves scans that
collect more than is asked for. Here each scan collects what is read, once.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence

from netdsl.graph import Builder, Graph, Node, Origin, Value, count
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations import REGISTRY
from netdsl.operations.movement import part
from netdsl.operations.sub_graph import OUT, STATE, apart, apply_scan, out_shapes, outputs_of
from netdsl.passes.rewriting import Sharing, rest_of


def merge_scans(graph: Graph) -> Graph:
    """Return a graph in which scans that do the same steps are one."""
    needed = graph.ancestors(graph.roots())
    merged: dict[int, _Merged] = {}
    alike: dict[Hashable, list[_Merged]] = {}
    for index in graph:
        if index in needed and graph[index].operation.name == "scan":
            found = alike.setdefault((graph.operands(index), rest_of(graph[index])), [])
            read = _read(graph, index, needed)
            one = next((each for each in found if each.takes(graph[index], index, read)), None)
            if one is None:
                found.append(one := _Merged(graph[index]))
                one.takes(graph[index], index, read)
            merged[index] = one
    builder = Builder(REGISTRY)
    values: dict[int, Value] = {}
    for index in graph:
        if index not in needed:
            continue
        operands = graph.operands(index)
        if index in merged:
            merged[index].make(builder, [values[each] for each in operands])
            if not _is_sliced(graph, index, needed):
                values[index] = merged[index].result(index)
        elif operands and operands[0] in merged and operands[0] not in values:
            scan = operands[0]
            values[index] = merged[scan].sliced(scan, graph[index], _spans(graph[scan]))
        else:
            values[index] = builder.add(graph[index], [values[each] for each in operands])
    builder.take_roots(graph, values)
    return builder.finish(unused=False)


def _is_sliced(graph: Graph, index: int, needed: Container[int]) -> bool:
    """Tell whether the result of a scan is read in slices alone."""
    users = [graph[each] for each in graph.users(index) if each in needed]
    return not graph.is_root(index) and all(
        each.operation.name == "slice" and each.setting("steps")[-1] == 1 for each in users
    )


def _read(graph: Graph, index: int, needed: Container[int]) -> list[bool]:
    """Tell for each value that a scan collects whether it is read."""
    spans = _spans(graph[index])
    if not _is_sliced(graph, index, needed):
        return [True] * len(spans)
    users = [graph[each] for each in graph.users(index) if each in needed]
    parts = [(each.setting("starts")[-1], each.setting("stops")[-1]) for each in users]
    return [any(start < b and a < stop for a, b in parts) for start, stop in spans]


def _spans(node: Node) -> list[tuple[int, int]]:
    """Return the columns of each value that a scan collects."""
    spans: list[tuple[int, int]] = []
    for shape in out_shapes(node.setting("body")):
        start = spans[-1][1] if spans else 0
        spans.append((start, start + count(shape)))
    return spans


@dataclass(slots=True)
class _Merged:
    """One scan in the place of several. `places` tells for each of them where what it collects lies."""

    node: Node
    body: Sharing = field(default_factory=Sharing)
    states: list[int] = field(default_factory=list)
    outs: list[int] = field(default_factory=list)
    """What is collected: nodes of the body."""

    places: dict[int, list[int]] = field(default_factory=dict)
    """For each scan the numbers of what it collects among `outs`."""

    parts: list[Value] = field(default_factory=list)
    """What is collected, `[batch, time, columns]`, once the scan is made."""

    def takes(self, node: Node, index: int, read: Sequence[bool]) -> bool:
        """Take a scan in, if its states are the same; tell whether they are."""
        body: Graph = node.setting("body")
        values = self.body.copy(body, {})
        states = [values[each].index for each in outputs_of(body, STATE)]
        if self.places and states != self.states:
            return False
        self.states = states
        outs = [values[each].index for each in outputs_of(body, OUT)]
        self.outs += dict.fromkeys(
            out for out, wanted in zip(outs, read, strict=True) if wanted and out not in self.outs
        )
        self.places[index] = [self.outs.index(each) if each in self.outs else -1 for each in outs]
        return True

    def make(self, builder: Builder, operands: Sequence[Value]) -> None:
        """Add the scan, unless it is there."""
        if self.parts:
            return
        for kind, indices in ((STATE, self.states), (OUT, self.outs)):
            self.body.outputs |= {f"{kind}{n}": Value(self.body, index) for n, index in enumerate(indices)}
        body, lasting = _trimmed(self.body.finish(unused=False), len(self.states))
        settings = dict(self.node.settings)
        states, sequences, fixed = apart(settings, operands)
        states = [states[each] for each in lasting]
        about = {name: settings[name] for name in ("steps", "reverse")}
        with builder.within(Origin(self.node.span, self.node.path, self.node.repeat, self.node.of)):
            scanned = apply_scan(body, states, sequences, fixed, **about)
            spans = _spans(scanned.node)
            self.parts = [part(scanned, len(scanned.shape) - 1, *span) for span in spans]

    def result(self, index: int) -> Value:
        """Return what one of the scans collected, as it did."""
        return _joined([self.parts[each] for each in self.places[index]])

    def sliced(self, index: int, node: Node, spans: Sequence[tuple[int, int]]) -> Value:
        """Return a slice of what one of the scans collected."""
        (*starts, first), (*stops, end) = node.setting("starts"), node.setting("stops")
        pieces: list[Value] = []
        for (start, stop), place in zip(spans, self.places[index], strict=True):
            if start < end and first < stop:
                bounds = max(start, first) - start, min(stop, end) - start
                pieces.append(
                    self.parts[place].apply(
                        "slice",
                        starts=(*starts, bounds[0]),
                        stops=(*stops, bounds[1]),
                        steps=node.setting("steps"),
                    )
                )
        return _joined(pieces)


def _joined(pieces: Sequence[Value]) -> Value:
    if len(pieces) == 1:
        return pieces[0]
    return pieces[0].builder.apply("concat", *pieces, axis=len(pieces[0].shape) - 1)


def _trimmed(body: Graph, states: int) -> tuple[Graph, list[int]]:
    """Return a body without the states that nothing collected depends on, and the states that stay."""
    leaves, becomes = body.leaves("input"), outputs_of(body, STATE)
    wanted = outputs_of(body, OUT)
    lasting: list[int] = []
    while True:
        needed = body.ancestors([*wanted, *(becomes[each] for each in lasting)])
        found = [n for n in range(states) if leaves.get(f"{STATE}{n}") in needed]
        if found == lasting:
            break
        lasting = found
    builder = Builder(REGISTRY)
    known = {
        leaves[f"{STATE}{each}"]: builder.apply("input", name=f"{STATE}{n}", shape=body[becomes[each]].shape)
        for n, each in enumerate(lasting)
    }
    values = builder.copy(body, known, needed)
    builder.outputs = {f"{STATE}{n}": values[becomes[each]] for n, each in enumerate(lasting)}
    builder.outputs |= {f"{OUT}{n}": values[index] for n, index in enumerate(wanted)}
    return builder.finish(unused=False), lasting

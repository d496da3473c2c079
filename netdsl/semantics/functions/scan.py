"""`scan`: a layer of states and an input, applied at each step along an axis.

The cell is run once, on stand-ins for its states and for a step's part of the input; what depends on them
is cut out of the graph as the body of one node. So a cell's weights are made once, under the path of its one
use, and what it draws at random is drawn for all steps before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netdsl.diagnostics import Span
from netdsl.graph import BATCH, Shape, Value
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.operations.sub_graph import collected, cut
from netdsl.operations.through_time import time_axis, with_time
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.axes import axis
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.items import Item, Recipe, Record, Tensor, describe, is_number, text_of, whole
from netdsl.semantics.patterns import bind_pattern, pattern_text
from netdsl.semantics.problems import MistakeError, unknown
from netdsl.semantics.tensors import derived, expected, lift, real
from netdsl.syntax import tree


def _scan(site: Site, given: Given) -> Item:
    (cell, span), (x, place) = given["cell"], given["x"]
    if isinstance(x, Recipe) and not isinstance(cell, Recipe):
        (cell, span), (x, place) = (x, place), (cell, span)  # in a chain the value comes first
    if not isinstance(cell, Recipe) or cell.kind not in ("layer", "model"):
        message = f"`scan` applies a layer of states and an input, not {describe(cell)}"
        raise site.mistake("E0330", message, "not such a layer", span=span)
    reverse, where = given.get("reverse", (False, site.span))
    if not isinstance(reverse, bool):
        raise expected("`yes` or `no`", reverse, "`reverse`", site, where)
    scan = _Scan(site, cell, span)
    scan.take_input(x, given["over"][0] if "over" in given else 0, place)
    scan.take_start(*given.get("start", (0, site.span)))
    return scan.result(reverse)


@dataclass(slots=True)
class _Scan:
    """A scan that is being made; values are by the names of the cell's parameters."""

    site: Site
    cell: Recipe
    span: Span
    """Where the cell stands."""

    sequences: dict[str, Tensor] = field(default_factory=dict)
    """What it goes along, that axis first."""

    items: dict[str, Tensor] = field(default_factory=dict)
    """What stands for a step's part of a sequence."""

    starts: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    over: int = 0

    def _parameters(self) -> dict[str, tree.Tensor]:
        """Return the tensors that the cell takes and was not given yet."""
        tensors = {each.name.text: each for each in self.cell.definition.tensors}
        return {name: each for name, each in tensors.items() if name not in self.cell.given}

    # ---- what it is given ----------------------------------------------------------------------

    def take_input(self, x: Item, over: Item, span: Span) -> None:
        """Take the sequences: one for the cell's last parameter, or a record with one for each of some."""
        names = list(self._parameters())
        given = x.fields if isinstance(x, Record) else {(names or [""])[-1]: x}
        for name in given:
            if names and name not in names:
                raise unknown(
                    "E0330", "input", name, span, names, place=f"of `{self.cell.name}`", listing="it takes"
                )
        if len(names) <= len(given):
            raise self.site.mistake(
                "E0330",
                "`scan` applies a layer of states and an input, and "
                + (f"`{self.cell.name}` takes `{'`, `'.join(names)}`" if names else "this takes no tensor"),
                "has no place for a state",
                span=self.span,
                help=f"declare it as `layer {self.cell.name}(state: [units], x: [n]; units = 64)`",
            )
        site = self.site.frame.site(span)
        for name, each in given.items():
            tensor = lift(each, site, span)
            self.over = axis(over, tensor, site)
            self._check_length(name, tensor, site)
            self.sequences[name] = tensor = _moved(tensor, self.over, 0, site)
            shape = tensor.value.shape
            at = time_axis(shape)
            stand_in = site.add(
                "input", name=name, shape=(*shape[:at], *shape[at + 1 :]), dtype=tensor.value.dtype
            )
            self.items[name] = replace(tensor, value=stand_in, output=None, field=None, made=None)

    def _check_length(self, name: str, tensor: Tensor, site: Site) -> None:
        steps = tensor.shape[self.over]
        if self.steps not in (0, steps):
            raise site.mistake(
                "E0334",
                f"`scan` goes along sequences of one length, not of {self.steps} and {steps}",
                f"`{name}` has {steps} steps",
                secondary=tensor.trail,
            )
        self.steps = steps

    def take_start(self, start: Item, span: Span) -> None:
        """Take what states begin as: a number, a value for the only state, or a record by their names."""
        states = {name: each for name, each in self._parameters().items() if name not in self.items}
        if isinstance(start, Record):
            for name in start.fields:
                if name not in states:
                    raise unknown(
                        "E0332",
                        "state",
                        name,
                        span,
                        states,
                        place=f"of `{self.cell.name}`",
                        listing="its states are",
                    )
        elif not is_number(start) and len(states) > 1:
            parts = ", ".join(f"{name}=…" for name in states)
            raise self.site.mistake(
                "E0332",
                f"`{self.cell.name}` has {len(states)} states, and one start does not say which it is of",
                "of which state?",
                span=span,
                help=f"write `start=({parts})`",
            )
        given = start.fields if isinstance(start, Record) else dict.fromkeys(states, start)
        extents = self._extents()
        for name, parameter in states.items():
            item = given.get(name, 0)
            tensor = real(lift(item, self.site, span), self.site)
            if is_number(item):
                shape = self._shape(parameter, extents)
                tensor = Tensor(tensor.value.broadcast(shape))
            self.starts[name] = tensor

    def _extents(self) -> dict[str, Item]:
        """Return the extents that the input and the settings of the cell say."""
        extents: dict[str, Item] = {}
        for setting in self.cell.definition.settings:
            name = setting.name.text
            if name in self.cell.given:
                extents[name] = self.cell.given[name][0]
            elif isinstance(setting.default, tree.Number):
                extents[name] = setting.default.value
        for name, item in self.items.items():
            tensor = real(item, self.site)
            bind_pattern(self._parameters()[name], tensor, extents, self.cell.name, self.site)
        return extents

    def _shape(self, parameter: tree.Tensor, extents: Mapping[str, Item]) -> Shape:
        """Return the shape that a signature gives a state. Raises MistakeError where it leaves it open."""
        shape: list[int] = []
        for each in parameter.pattern.extents if parameter.pattern else (None,):
            known: object = None
            match each:
                case tree.Number(value=value):
                    known = value
                case tree.Name(text=name) | tree.Rest(name=tree.Name(text=name)):
                    known = extents.get(name)
            for part in known if isinstance(known, tuple) else (known,):
                size = whole(part)
                if size is None:
                    raise self._open(parameter)
                shape.append(size)
        return tuple(shape)

    def _open(self, parameter: tree.Tensor) -> MistakeError:
        name = parameter.name.text
        pattern = f": {pattern_text(parameter.pattern)}" if parameter.pattern else ""
        return self.site.mistake(
            "E0332",
            f"`scan` cannot know the shape of the state `{name}` of `{self.cell.name}`",
            "begins with zeros, but how many?",
            notes=[f"it is declared `{name}{pattern}`"],
            help=f"give its start, `start=({name}=…)`, or name its extent after a setting: `{name}: [units]`",
        )

    # ---- what becomes of it --------------------------------------------------------------------

    def result(self, reverse: bool) -> Item:
        """Run the cell on stand-ins, cut its body out, and return what it gives for all steps."""
        tensors = {each.name.text for each in self.cell.definition.tensors}
        held = {name: item for name, (item, _) in self.cell.given.items() if name in tensors}
        settings = {name: each for name, each in self.cell.given.items() if name not in held}
        outside = [*self.starts.values(), *self.sequences.values(), *held.values()]
        batched = any(isinstance(each, Tensor) and each.batched for each in outside)
        states = {name: self._stand_in(name, start, batched) for name, start in self.starts.items()}
        before = dict(self.site.graph.updates)
        given = {**held, **states, **self.items}
        result = self.site.frame.world.apply(self.cell, given, settings, self.site)
        outs = self._outs(result)
        becomes = {name: self._next(name, states[name], outs) for name in states}
        leaves = [each.value.index for each in (*states.values(), *self.items.values())]
        self._check_updates(before, leaves)
        found = self._cut(states, becomes, outs, batched, reverse)
        return Record(found) if isinstance(result, Record) else next(iter(found.values()))

    def _stand_in(self, name: str, start: Tensor, batched: bool) -> Tensor:
        shape = (BATCH, *start.shape) if batched else start.shape
        return replace(start, value=self.site.add("input", name=name, shape=shape), output=None, field=None)

    def _outs(self, result: Item) -> dict[str, Tensor]:
        """Return what the cell gives: the only state by its name, or all fields of a record."""
        names = list(self.starts)
        fields = result.fields if isinstance(result, Record) else {names[0]: result}
        if any(name not in fields for name in names):
            raise self.site.mistake(
                "E0331",
                f"`{self.cell.name}` has the states `{'`, `'.join(names)}`, and does not return each of them",
                f"returns {describe(result)}",
                span=self.span,
                help=f"return a record: `return ({', '.join(f'{name} = …' for name in names)})`",
            )
        return {name: real(lift(item, self.site), self.site) for name, item in fields.items()}

    def _next(self, name: str, state: Tensor, outs: Mapping[str, Tensor]) -> Tensor:
        """Return what a state becomes. Raises MistakeError where that is of another shape."""
        new = outs[name]
        if new.shape != state.shape or (new.batched and not state.batched):
            shapes = f"is {text_of(state.shape)} before a step and {text_of(new.shape)} after it"
            if new.shape == state.shape:
                shapes = "is the same for every example before a step and not after it"
            raise self.site.mistake(
                "E0331",
                f"the state `{name}` of `{self.cell.name}` {shapes}",
                "a state keeps its shape",
                span=self.span,
                secondary=new.trail,
            )
        return new

    def _check_updates(self, before: Mapping[str, Value], leaves: Sequence[int]) -> None:
        graph = self.site.graph
        for path, value in graph.updates.items():
            if before.get(path) != value and not graph.ancestors([value]).isdisjoint(leaves):
                raise self.site.mistake(
                    "E0333",
                    f"a cell of `scan` has no moving average, and `{path}` would be one",
                    "would change at each step along the axis",
                    span=self.span,
                    help="normalize before or after the scan, or by `layernorm`, which keeps none",
                )

    def _cut(
        self,
        states: Mapping[str, Tensor],
        becomes: Mapping[str, Tensor],
        outs: Mapping[str, Tensor],
        batched: bool,
        reverse: bool,
    ) -> dict[str, Tensor]:
        site, graph = self.site, self.site.graph

        def each(tensor: Tensor) -> Value:
            return (
                tensor.value.broadcast((BATCH, *tensor.shape))
                if batched and not tensor.batched
                else tensor.value
            )

        with site.building():
            new, given = [each(one) for one in becomes.values()], [each(one) for one in outs.values()]
            sequences = {self.items[name].value.index: one.value for name, one in self.sequences.items()}
            sequences |= self._draws([*new, *given], min(sequences))
            body, read, fixed = cut(
                graph,
                graph.registry,
                [one.value.index for one in states.values()],
                list(sequences),
                [one.index for one in new],
                [one.index for one in given],
            )
            scanned = site.add(
                "scan",
                *(each(one) for one in self.starts.values()),
                *(sequences[index] for index in read),
                *(Value(graph, index) for index in fixed),
                body=body,
                states=len(states),
                sequences=len(read),
                steps=self.steps,
                reverse=reverse,
            )
            parts = collected(scanned)
        found = [derived(value, [one]) for value, one in zip(parts, outs.values(), strict=True)]
        return {
            name: _moved(one, 0, min(self.over, len(one.shape) - 1), site)
            for name, one in zip(outs, found, strict=True)
        }

    def _draws(self, values: Sequence[Value], first: int) -> dict[int, Value]:
        """Return, for each draw that was made in the cell, one for all steps."""
        graph = self.site.graph
        return {
            index: self.site.add(
                node.operation.name,
                shape=with_time(node.shape, self.steps),
                stream=node.setting("stream"),
            )
            for index in sorted(graph.ancestors(values))
            if index > first and (node := graph[index]).operation.family == "random"
        }


def _moved(tensor: Tensor, start: int, end: int, site: Site) -> Tensor:
    """Move an axis of an example to another place."""
    if start == end:
        return tensor
    order = [each for each in range(len(tensor.shape)) if each != start]
    order.insert(end, start)
    positions = (0, *(each + 1 for each in order)) if tensor.batched else tuple(order)
    return replace(tensor, value=site.add("transpose", tensor.value, axes=positions))


FUNCTIONS: Final = (
    Function("scan", ("cell", "x", "over", "start", "reverse"), 2, _scan, partial=("cell", "x")),
)

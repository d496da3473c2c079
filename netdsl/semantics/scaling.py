"""Applies scalers: raw values become what a model sees, by figures fitted on the training rows, and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count, groupby
from typing import Final

from netdsl.diagnostics import Span
from netdsl.graph import Builder, Graph, Node, Value
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.cones import cone
from netdsl.semantics.experiment import Weight
from netdsl.semantics.frame import Frame, Site, World
from netdsl.semantics.functions import Function, Given
from netdsl.semantics.functions.movement import sliced
from netdsl.semantics.items import Item, Recipe, Tensor
from netdsl.semantics.schema import FieldSchema
from netdsl.semantics.tensors import derived, lift, real

Scalers = dict[str, tuple[Recipe, Span]]
"""By the name of a field, or of a column of its vector."""


@dataclass(slots=True)
class Fitted:
    """The figures that scalers measure, with the graph of each."""

    builder: Builder
    weights: list[Weight] = field(default_factory=list)
    graphs: dict[str, Graph] = field(default_factory=dict)

    def fit(self, path: str, value: Tensor, site: Site) -> Tensor:
        """Return the leaf of a figure that is measured once, on all training rows."""
        if value.batched:
            raise site.mistake(
                "E0308",
                "`fit` measures one figure of all training rows; this differs from row to row",
                "depends on the row",
                help="reduce the rows: `fit(mean(x, over=batch))`",
            )
        graph = cone(self.builder, {"value": value.value}, substitute=self._measured)
        if graph.leaves("weight") or graph.leaves("state"):
            raise site.mistake(
                "E0308",
                "`fit` measures the data, and this depends on the weights, which change",
                "depends on the weights",
                help="measure what comes from the data alone: `fit(mean(t, over=batch))`",
            )
        self.weights.append(Weight(path, value.value.shape, "fitted", graph, site.told_at))
        self.graphs[path] = graph
        return Tensor(site.add("state", name=path, shape=value.value.shape))

    def free_path(self, path: str, label: str | None) -> str:
        """Return the path of a new figure: by its label, numbered where that is taken or there is none."""
        numbered = (f"{label or 'fit'}_{number}" for number in count(2 if label else 1))
        names = chain([label] if label else [], numbered)
        return next(full for name in names if (full := f"{path}/{name}") not in self.graphs)

    def _measured(self, builder: Builder, node: Node) -> Value | None:
        """Put the measuring of an earlier figure in the place of its leaf."""
        earlier = self.graphs.get(node.setting("name")) if node.operation.name == "state" else None
        return None if earlier is None else builder.copy(earlier, {})[earlier.outputs["value"]]


def scaled(
    raw: Tensor, schema: FieldSchema, scalers: Scalers, path: str, fitted: Fitted, world: World
) -> Tensor:
    """Return a field scaled: as a whole, or each group of columns by its own scaler.

    Columns of categories stay as they are.
    """
    whole = scalers.get(schema.name)
    if not schema.columns or not raw.shape:
        return raw if whole is None else apply_scaler(whole, raw, path, fitted, world)
    parts = [
        (scalers.get(each.name, whole) if not each.categories else None, each) for each in schema.columns
    ]
    groups = [(key, [each for _, each in group]) for key, group in groupby(parts, key=lambda part: part[0])]
    if len(groups) == 1:
        scaler = groups[0][0]
        return raw if scaler is None else apply_scaler(scaler, raw, path, fitted, world)
    pieces: list[Tensor] = []
    site = Frame(world, world.files.main, "scaler", fitted.builder).site(next(iter(scalers.values()))[1])
    for scaler, columns in groups:
        start, end = columns[0].start, columns[-1].start + columns[-1].width
        piece = sliced(raw, {0: (start, end)}, site)
        name = f"{path}/{columns[0].name}"
        pieces.append(piece if scaler is None else apply_scaler(scaler, piece, name, fitted, world))
    return derived(site.add("concat", *(each.value for each in pieces), axis=1), [raw])


def apply_scaler(scaler: tuple[Recipe, Span], raw: Tensor, path: str, fitted: Fitted, world: World) -> Tensor:
    """Return what a scaler makes of a value; its figures are kept under a path."""
    recipe, span = scaler
    frame = Frame(world, world.files.main, "scaler", fitted.builder, path=path, stream=path)
    frame.functions = {"fit": fitting(path, fitted)}
    result = world.apply(
        recipe, {recipe.definition.tensors[0].name.text: raw}, recipe.given, frame.site(span)
    )
    tensor = real(lift(result, frame.site(span)), frame.site(span))
    if tensor.value.shape != raw.value.shape:
        raise frame.site(span).mistake(
            "E0306", f"`{recipe.name}` changes the shape of what it scales", "must keep the shape"
        )
    return tensor


def fitting(path: str, fitted: Fitted) -> Function:
    """Return the function `fit`, which keeps its figures under a path, each by the name it is bound to."""

    def run(site: Site, given: Given) -> Item:
        value = real(lift(given["value"][0], site, given["value"][1]), site)
        return fitted.fit(fitted.free_path(path, site.label), value, site)

    return Function("fit", ("value",), 1, run)


# ---- back to raw units --------------------------------------------------------------------------


class NotInvertibleError(Exception):
    """Tell why a scaler cannot be inverted."""


_OPPOSITE: Final = {"negate": "negate", "exp": "log", "log": "exp", "log1p": "exp"}
_SAME_PLACE: Final = frozenset({"reshape", "broadcast", "cast", "stop_gradient"})


def inverted(builder: Builder, raw: Value, scaled_value: Value, given: Value, site: Site) -> Value:
    """Return what raw value a scaler would have made `given` of, by undoing each step of its formula.

    Errors: NotInvertibleError where the raw value stands in the formula twice, or under a
    function that has no inverse.
    """
    current, result = scaled_value.index, given
    on = _dependents(builder, raw.index, scaled_value.index)
    with site.building():
        while current != raw.index:
            operands = builder.operands(current)
            inner = [position for position, each in enumerate(operands) if each in on]
            if len(inner) != 1:
                raise NotInvertibleError("the value stands in its formula more than once")
            others = [Value(builder, each) for each in operands]
            result = _undone(builder.node(current), inner[0], others, result)
            current = operands[inner[0]]
    return result


def _dependents(builder: Builder, source: int, target: int) -> set[int]:
    """Return the nodes up to a target that depend on a source."""
    found = {source}
    for index in range(source + 1, target + 1):
        if any(each in found for each in builder.operands(index)):
            found.add(index)
    return found


def _undone(node: Node, position: int, operands: Sequence[Value], result: Value) -> Value:
    name = node.operation.name
    other = operands[1 - position] if len(operands) == 2 else result
    match name, position:
        case "add", _:
            return result - other
        case "subtract", 0:
            return result + other
        case "subtract", 1:
            return other - result
        case "multiply", _:
            return result / other
        case (("divide" | "ratio"), 0):
            return result * other
        case "divide", 1:
            return other / result
        case "log1p", _:
            return result.apply("exp") - 1.0
        case (("negate" | "exp" | "log"), _):
            return result.apply(_OPPOSITE[name])
        case "sqrt", _:
            return result * result
        case "arctan", _:
            return result.apply("sin") / result.apply("cos")
        case "tanh", _:
            return ((1.0 + result) / (1.0 - result)).apply("log") * 0.5
    if name in _SAME_PLACE and operands[0].shape == node.shape:
        return result
    raise NotInvertibleError(f"`{name}` has no inverse")

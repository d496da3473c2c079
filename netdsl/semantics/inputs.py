"""Brings the data's fields to a model: raw, scaled, and as what a signature takes."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.diagnostics import Label, Span
from netdsl.graph import BATCH, Builder, Value
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.blocks import Block
from netdsl.semantics.expressions import evaluate
from netdsl.semantics.frame import Frame, World
from netdsl.semantics.functions.movement import LARGEST
from netdsl.semantics.items import Item, Recipe, Record, Tensor, describe, text_of
from netdsl.semantics.problems import PoisonedError, mistake, unknown
from netdsl.semantics.scaling import Fitted, Scalers, scaled
from netdsl.semantics.schema import FieldSchema, Schema
from netdsl.syntax import tree


@dataclass(slots=True)
class Fields:
    """The fields of the data in a graph: raw, and prepared (scaled where they are)."""

    schema: Schema
    builder: Builder
    fitted: Fitted
    raw: dict[str, Tensor] = field(default_factory=dict)
    prepared: dict[str, Tensor] = field(default_factory=dict)
    scalers: Scalers = field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        """Return the names of the targets."""
        return [each.name for each in self.schema.fields if each.target]

    def outputs(self) -> dict[str, Value]:
        """Return what is scaled, as outputs of the graph."""
        return {
            f"prepared/{name}": each.value
            for name, each in self.prepared.items()
            if each.value.index != self.raw[name].value.index
        }


def open_fields(schema: Schema, data: Block | None, builder: Builder, world: World) -> Fields:
    """Return the fields of a schema as leaves of the graph, scaled as the data block says."""
    fields = Fields(schema, builder, Fitted(builder))
    if data is not None:
        fields.scalers = _scalers(data, schema, world)
    for each in schema.fields:
        fields.raw[each.name] = _leaf(each, builder)
        raw = fields.prepared[each.name] = fields.raw[each.name]
        if each.kind != "number":
            continue
        with world.problems.statement():
            path = f"{schema.name}/{each.name}"
            prepared = scaled(raw, each, fields.scalers, path, fields.fitted, world)
            fields.prepared[each.name] = replace(prepared, field=each.name, trail=raw.trail)
    return fields


def _leaf(schema: FieldSchema, builder: Builder) -> Tensor:
    if schema.kind == "number":
        leaf = builder.apply("input", name=schema.name, shape=(BATCH, *schema.shape), dtype="float")
        return Tensor(leaf, field=schema.name)
    leaf = builder.apply("input", name=schema.name, shape=(BATCH, *schema.shape), dtype="int")
    return Tensor(leaf, classes=schema.classes, field=schema.name)


def _scalers(data: Block, schema: Schema, world: World) -> Scalers:
    """Return the scaler of each field or column: one for all inputs, or by name in a record."""
    expr = data.value("scale")
    found: Scalers = {}
    if expr is None:
        return found
    frame = Frame(world, data.module, "data")
    with world.problems.statement():
        item = evaluate(expr, frame)
        if not isinstance(item, Record):
            scaler = _scaler(item, expr.span, frame)
            return {each.name: (scaler, expr.span) for each in schema.fields if _is_input(each)}
        known = {
            name: None for each in schema.fields for name in (each.name, *(c.name for c in each.columns))
        }
        for named in _fields(expr):
            with world.problems.statement():
                _check_name(named.name, known, schema)
                value = item.fields[named.name.text]
                found[named.name.text] = (_scaler(value, named.value.span, frame), named.value.span)
    return found


def _is_input(each: FieldSchema) -> bool:
    return each.kind == "number" and not each.target


def _fields(expr: tree.Expr) -> tuple[tree.Named, ...]:
    while isinstance(expr, tree.Group):
        expr = expr.value
    return expr.fields if isinstance(expr, tree.Record) else ()


def _check_name(name: tree.Name, known: Mapping[str, None], schema: Schema) -> None:
    if name.text not in known:
        raise unknown(
            "E0509",
            "field or column",
            name.text,
            name.span,
            known,
            listing="there are",
            place=f"in `{schema.name}`",
        )
    each = schema.field(name.text)
    if each is not None and each.kind != "number":
        raise mistake(
            "E0509", f"`{name.text}` is a {each.kind}, and is not scaled", name.span, "not a number"
        )


def _scaler(item: Item, span: Span, frame: Frame) -> Recipe:
    if isinstance(item, Recipe) and item.kind == "scaler" and len(item.definition.tensors) == 1:
        return item
    raise frame.site(span).mistake(
        "E0505",
        f"{describe(item)} is no scaler",
        "not a scaler",
        help="such as `minmax`, `zscore` or `divide(255)`",
    )


# ---- to the inputs of a model -------------------------------------------------------------------


def bound_inputs(definition: tree.Definition, fields: Fields, data: Block | None) -> dict[str, Tensor]:
    """Return the field that each input of a model takes.

    An input takes the field of its name; a model's only input takes the data's only feature field, whatever
    it is called.
    Errors: E0507 when there is no such field.
    """
    features = [each.name for each in fields.schema.fields if not each.target]
    given: dict[str, Tensor] = {}
    for parameter in definition.tensors:
        name = parameter.name.text
        if fields.schema.field(name) is None and len(definition.tensors) == 1 and len(features) == 1:
            name = features[0]
        if fields.schema.field(name) is None:
            raise _no_field(parameter, fields, features, data)
        given[parameter.name.text] = _as_input(parameter, fields, name, data)
    return given


def expected_inputs(definition: tree.Definition, builder: Builder) -> dict[str, Item]:
    """Return the inputs that a model's signature says it takes, where it says all extents.

    Errors: PoisonedError where it does not: nothing more can be told before the data is known.
    """
    given: dict[str, Item] = {}
    for parameter in definition.tensors:
        extents = parameter.pattern.extents if parameter.pattern else (None,)
        shape = tuple(_extent(each) for each in extents if isinstance(each, tree.Number))
        if len(shape) < len(extents):
            raise PoisonedError
        leaf = builder.apply("input", name=parameter.name.text, shape=(BATCH, *shape), dtype="float")
        given[parameter.name.text] = Tensor(
            leaf, (Label(parameter.span, f"the input has shape {text_of(shape)}"),)
        )
    return given


def _extent(number: tree.Number) -> int:
    """Return an extent of a pattern. Errors: E0206 where it is none."""
    size = int(number.value)
    if size != number.value or not 1 <= size <= LARGEST:
        message = f"an extent is a whole number from 1 to {LARGEST:,}, not {number.text}"
        raise mistake("E0206", message, number.span, "out of range")
    return size


def _as_input(parameter: tree.Tensor, fields: Fields, name: str, data: Block | None) -> Tensor:
    tensor = fields.prepared[name]
    shape = (*tensor.shape, len(tensor.classes)) if tensor.classes else tensor.shape
    labels = [Label(parameter.span, f"the input has shape {text_of(shape)}")]
    _check_shape(parameter, shape, name, data)
    return replace(tensor, trail=tuple(labels))


def _check_shape(parameter: tree.Tensor, shape: tuple[int, ...], name: str, data: Block | None) -> None:
    pattern = parameter.pattern
    if pattern is None or any(isinstance(each, tree.Rest) for each in pattern.extents):
        return
    wanted = [each.value if isinstance(each, tree.Number) else None for each in pattern.extents]
    fits = len(wanted) == len(shape) and all(w in (None, e) for w, e in zip(wanted, shape, strict=True))
    if not fits:
        source = data and data.value("source")
        raise mistake(
            "E0508",
            f"the model takes {pattern.span.text}, and `{name}` of the data is {text_of(shape)}",
            parameter.span,
            "differs from the data",
            secondary=[Label(source.span, f"gives `{name}`: {text_of(shape)}")] if source else [],
            help=f"write `{parameter.name.text}: {text_of(shape)}`",
        )


def _no_field(parameter: tree.Tensor, fields: Fields, features: list[str], data: Block | None) -> Exception:
    source = data and data.value("source")
    listed = ", ".join(f"`{each}` {text_of(fields.schema.field(each).shape)}" for each in features)  # type: ignore[union-attr]
    return mistake(
        "E0507",
        f"the data has no field `{parameter.name.text}`",
        parameter.name.span,
        "not in the data",
        secondary=[Label(source.span, "the data")] if source else [],
        help=f"the fields are {listed}" if features else "the data has no inputs",
    )

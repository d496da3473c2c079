"""Warnings of data and trainings that do not go well together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from netdsl.diagnostics import Label
from netdsl.semantics.blocks import Block
from netdsl.semantics.experiment import TrainingPlan, Weight
from netdsl.semantics.inputs import Fields
from netdsl.semantics.items import Tensor
from netdsl.semantics.problems import Problems, warning
from netdsl.semantics.schema import Schema
from netdsl.syntax import tree

LARGE: Final = 10.0
"""Inputs beyond this, unscaled, hold a network back."""


def suspect_data(
    fields: Fields,
    given: Mapping[str, Tensor],
    data: Block | None,
    model: tree.Definition,
    problems: Problems,
) -> None:
    """Warn of inputs with large values that nothing scales."""
    if data is not None and data.value("scale") is not None:
        return
    for parameter in model.tensors:
        tensor = given.get(parameter.name.text)
        name = tensor.field if tensor else None
        schema = fields.schema.field(name) if name else None
        if schema is None or schema.range is None or name is None:
            continue
        low, high = schema.range
        if f"prepared/{name}" in fields.outputs() or max(abs(low), abs(high)) <= LARGE:
            continue
        source = data.value("source") if data else None
        problems.tell(
            warning(
                "W0501",
                f"`{name}` goes from {low:g} to {high:g}, and nothing scales it",
                parameter.name.span,
                "large inputs learn badly",
                secondary=[Label(source.span, "comes from here")] if source else [],
                help=f"add `scale = divide({high:g})` to the data block",
            )
        )


def suspect_batch(plan: TrainingPlan, schema: Schema, train: Block, problems: Problems) -> None:
    """Warn of a batch that is larger than the data."""
    rows = schema.rows.get("train", 0)
    if problems.has_errors:
        return  # of the batch, perhaps
    field = train.fields.get("batch")
    if plan.batch is not None and field is not None and plan.batch > rows > 0:
        problems.tell(
            warning(
                "W0601",
                f"a batch of {plan.batch} rows is more than the {rows} rows there are",
                field.value.span,
                "more than all",
                help="write `batch = all` for batch gradient descent",
            )
        )


def suspect_frozen(weights: Sequence[Weight], train: Block, problems: Problems) -> None:
    """Warn of a training that moves no weight, since all are frozen."""
    field = train.fields.get("freeze")
    learned = [each for each in weights if each.kind != "running"]
    if field is not None and learned and all(each.frozen for each in learned):
        problems.tell(
            warning(
                "W0603",
                "every weight of the model is frozen, so nothing is trained",
                field.value.span,
                "all that there is",
                help="leave a part out, such as the last layer, or take `freeze` away",
            )
        )

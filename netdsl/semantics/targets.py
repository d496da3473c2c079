"""How a loss or metric reads what it compares: labels as one-hot or as numbers, and of equal shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netdsl.graph import BATCH
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item, Tensor, text_of
from netdsl.semantics.tensors import lift, real, reshaped, trails
from netdsl.syntax import tree


def compared(definition: tree.Definition, given: Mapping[str, Item], site: Site) -> dict[str, Item]:
    """Return the tensors of a loss or metric as they are compared.

    A label reads as one-hot; against an output of one number, or where the signature asks for a number
    (`same: []`), it reads as 0 or 1 with two classes, and as the number that its classes are called by where
    they all are numbers.
    Errors: E0306 where shapes differ.
    """
    tensors = {name: lift(item, site) for name, item in given.items()}
    numbers = [each for each in tensors.values() if not each.classes]
    single = next((each for each in numbers if each.shape in ((), (1,))), None)
    wanted = {each.name.text: each.pattern for each in definition.tensors}
    read: dict[str, Tensor] = {}
    for name, each in tensors.items():
        pattern = wanted.get(name)
        alone = pattern is not None and not pattern.extents  # `same: []`
        read[name] = _label(each, single, alone, site) if each.classes else real(each, site)
    free = [each.name.text for each in definition.tensors if each.pattern is None and each.name.text in read]
    _same_shapes(definition, free, read, tensors, site)
    return dict(read)


def _label(tensor: Tensor, against: Tensor | None, alone: bool, site: Site) -> Tensor:
    """Read a label as one-hot, or as a number where it is compared with one or stands `alone`."""
    if against is None and not alone:
        return real(tensor, site)
    values = class_values(tensor.classes)
    if values is None:
        raise site.mistake(
            "E0306",
            f"the label has {len(tensor.classes)} classes, and the output is one number",
            "not one score for each class",
            secondary=trails([*([against] if against else []), tensor]),
            help=f"give the model an output for each class: `dense({len(tensor.classes)}) -> softmax`",
        )
    if values == tuple(range(len(values))):
        number = site.add("cast", tensor.value, dtype="float")
    else:
        number = site.add("gather", site.add("constant", value=values), tensor.value)
    plain = replace(tensor, value=number, classes=())
    return reshaped(plain, against.shape if against and not alone else (), site)


def class_values(classes: tuple[str, ...]) -> tuple[float, ...] | None:
    """Return classes as numbers: two as 0 and 1, more by their names if these are numbers."""
    if len(classes) == 2:
        return (0.0, 1.0)
    try:
        return tuple(float(each) for each in classes)
    except ValueError:
        return None


def _same_shapes(
    definition: tree.Definition,
    names: list[str],
    read: dict[str, Tensor],
    labels: Mapping[str, Tensor],
    site: Site,
) -> None:
    """Check that all have the shape of the first; a single number fits [] and [1] alike.

    `labels` are the tensors as they came, with their classes.
    """
    if not names:
        return
    first = read[names[0]]
    for name in names[1:]:
        each = read[name]
        if {each.shape, first.shape} <= {(), (1,)}:
            read[name] = each = _like(each, first, site)
        if each.shape != first.shape:
            raise site.mistake(
                "E0306",
                f"`{definition.name.text}` compares {text_of(first.shape)} with {text_of(each.shape)}",
                "the shapes must be equal",
                secondary=trails([first, each]),
                help=_cure(first, each, len(labels[name].classes)),
            )


def _like(tensor: Tensor, other: Tensor, site: Site) -> Tensor:
    shape = (BATCH, *other.shape) if tensor.batched else other.shape
    if tensor.value.shape == shape:
        return tensor
    return replace(tensor, value=site.add("reshape", tensor.value, shape=shape))


def _cure(first: Tensor, other: Tensor, classes: int) -> str | None:
    if classes == 1:
        return "the data has one class only; learning to tell classes apart takes two"
    if first.output and len(first.shape) == len(other.shape) == 1:
        count = other.shape[0]
        return f"end the model with {count} {'unit' if count == 1 else 'units'}: `dense({count})`"
    if first.output and first.made == "softmax" and other.field and other.shape == ():
        name = other.field
        return f"to learn classes, make `{name}` a label: `label={name}` in `csv(…)` or `npz(…)`"
    return None

"""Makes tensors of items, and brings tensors to one shape: the shape rules that all functions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.graph import BATCH, Shape, Value, broadcast_shapes, example, is_batched
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Interval, Item, Tensor, describe, is_number, text_of, whole, written

_EXACT: Final = 2**24
"""Up to here float32 has every whole number."""


def lift(item: Item, site: Site, span: Span | None = None) -> Tensor:
    """Return an item as a tensor: a number as a constant, a list or a range of numbers as a vector."""
    match item:
        case Tensor():
            return item
        case int() | float() if is_number(item):
            return Tensor(site.constant(float(item)))
        case tuple() if item:
            return _stacked(item, site, span)
        case Interval():
            return _counted(item, site, span)
        case _:
            raise site.mistake(
                "E0211", f"a tensor or a number is expected, not {describe(item)}", "not a tensor", span=span
            )


def _stacked(items: tuple[Item, ...], site: Site, span: Span | None) -> Tensor:
    numbers: list[float] = []
    shape = _flatten(items, numbers, site, span)
    vector = site.add("constant", value=tuple(numbers))
    return Tensor(vector if len(shape) == 1 else site.add("reshape", vector, shape=shape))


def _flatten(items: Item, numbers: list[float], site: Site, span: Span | None) -> Shape:
    if isinstance(items, (int, float)):
        numbers.append(float(items))
        return ()
    if not isinstance(items, tuple) or not items:
        raise site.mistake(
            "E0211", f"a list of numbers is expected, with {describe(items)} in it", "not numbers", span=span
        )
    shapes = {_flatten(each, numbers, site, span) for each in items}
    if len(shapes) > 1:
        raise site.mistake("E0211", "the rows of this list differ in length", "not a rectangle", span=span)
    return (len(items), *shapes.pop())


def _counted(item: Interval, site: Site, span: Span | None) -> Tensor:
    """Return the whole numbers of a range, both ends included, as a vector.

    Errors: E0211 for a range of others, one that is empty, or numbers that float32 does not tell apart.
    """
    low, high = whole(item.low), whole(item.high)
    if low is None or high is None or not -_EXACT <= low <= high <= _EXACT:
        raise site.mistake(
            "E0211",
            f"a vector is made of a range of whole numbers, not of `{written(item)}`",
            f"both ends are whole numbers, of {_EXACT:,} at most",
            span=span,
        )
    number = site.add("cast", site.add("iota", extent=high - low + 1), dtype="float")
    with site.building():
        return Tensor(number + float(low) if low else number)


def real(tensor: Tensor, site: Site) -> Tensor:
    """Return a tensor of floats: a comparison as 0 and 1, a label or category as a one-hot vector."""
    if tensor.value.dtype == "float":
        return tensor
    if tensor.classes:
        hot = site.add("one_hot", tensor.value, classes=len(tensor.classes))
        return replace(tensor, value=hot, classes=())
    return replace(tensor, value=site.add("cast", tensor.value, dtype="float"))


def truth(tensor: Tensor, site: Site) -> Tensor:
    """Return a tensor of truth values: numbers are true where they are not 0."""
    if tensor.value.dtype == "bool":
        return tensor
    zero = site.constant(0.0).broadcast(tensor.value.shape)
    return replace(tensor, value=site.add("not_equal", real(tensor, site).value, zero))


def aligned(tensors: Sequence[Tensor], site: Site) -> list[Value]:
    """Return the values broadcast to one shape: the shapes of one example aligned at their ends.

    Errors: E0303 when they do not fit.
    """
    try:
        shape = broadcast_shapes([each.shape for each in tensors])
    except ValueError:
        raise _unfit(tensors, site) from None
    batched = any(each.batched for each in tensors)
    with site.building():
        return [_spread(each.value, shape, batched) for each in tensors]


def _spread(value: Value, shape: Shape, batched: bool) -> Value:
    if not batched:
        return value.broadcast(shape)
    if is_batched(value.shape):
        inner = example(value.shape)
        value = value.reshape((BATCH, *(1,) * (len(shape) - len(inner)), *inner))
    return value.broadcast((BATCH, *shape))


def _unfit(tensors: Sequence[Tensor], site: Site) -> Exception:
    shapes = " and ".join(text_of(each.shape) for each in tensors)
    return site.mistake(
        "E0303",
        f"the shapes {shapes} do not fit each other",
        "cannot be combined",
        secondary=trails(tensors),
        notes=["shapes are aligned at their ends; extents must be equal, or one of them 1"],
    )


def trails(tensors: Sequence[Tensor]) -> list[Label]:
    """Return where the shapes of tensors came from, each place once."""
    labels: list[Label] = []
    for tensor in tensors:
        labels.extend(label for label in tensor.trail if label not in labels)
    return labels


def pointwise(operation: str, site: Site, *tensors: Tensor) -> Tensor:
    """Apply an element-wise operation, broadcasting its operands."""
    return derived(site.add(operation, *aligned(tensors, site)), tensors)


def derived(value: Value, operands: Sequence[Tensor]) -> Tensor:
    """Return a new tensor with the trail and the unit of what it was made from."""
    trail = next((each.trail for each in operands if each.trail), ())
    unit = next((each.unit for each in operands if each.unit), None)
    return Tensor(value, trail, unit=unit)


def reshaped(tensor: Tensor, shape: Shape, site: Site) -> Tensor:
    """Return a tensor whose examples have another shape, with the same number of elements."""
    if tensor.shape == shape:
        return tensor
    full = (BATCH, *shape) if tensor.batched else shape
    return derived(site.add("reshape", tensor.value, shape=full), [tensor])


def single(tensor: Tensor, site: Site) -> Tensor | None:
    """Return a tensor of one number an example as a number; None where it has more."""
    return reshaped(tensor, (), site) if prod(tensor.shape) == 1 else None


def number(item: Item, site: Site, what: str, span: Span | None = None) -> float:
    """Return an item as a number known when compiled."""
    if isinstance(item, (int, float)) and is_number(item):
        return item
    raise expected("a number", item, what, site, span)


def expected(kind: str, item: Item, what: str, site: Site, span: Span | None = None) -> Exception:
    """Return the error for an item of the wrong kind: `what` says for what it is."""
    if isinstance(item, Tensor):
        return site.mistake(
            "E0209",
            f"{what} must be {kind} that is known when the model is compiled",
            f"this is {describe(item)}",
            span=span,
            secondary=item.trail,
        )
    shown = written(item) if is_number(item) else describe(item)
    return site.mistake("E0205", f"{what} must be {kind}, not {shown}", f"not {kind}", span=span)

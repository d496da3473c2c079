"""Settings and params: the type that a default and a domain give them, and whether a value fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.elements import TIMES, elements
from netdsl.semantics.frame import Site
from netdsl.semantics.items import (
    Interval,
    Item,
    Leaf,
    Now,
    Quantity,
    Recipe,
    Record,
    Sides,
    Tensor,
    Tool,
    Word,
    describe,
    is_number,
    whole,
    written,
)
from netdsl.semantics.operators import same
from netdsl.semantics.problems import nearest


@dataclass(frozen=True, slots=True)
class Slot:
    """A setting of a definition or a param: its default, what it may be, and where it is declared.

    `type` is one of number, integer, sides, flag, extent, list, word, definition, text, quantity, any.
    """

    name: str
    owner: str
    default: Item | None
    domain: Interval | tuple[Item, ...] | None
    type: str
    span: Span
    domain_span: Span | None = None

    @property
    def words(self) -> frozenset[str]:
        """Return the words among the alternatives."""
        choices = self.domain if isinstance(self.domain, tuple) else ()
        return frozenset(each.text for each in choices if isinstance(each, Word))

    @property
    def definition_kind(self) -> str | None:
        """Return the kind of definition that is meant, if one is."""
        if isinstance(self.default, Recipe):
            return self.default.kind
        if isinstance(self.default, Tool):
            return "initializer" if self.default.function.initializer else "layer"
        return None


def type_of(default: Item | None, domain: Interval | tuple[Item, ...] | None) -> str:
    """Return the type that a default and a domain give.

    A number is an integer if the default and all bounds are; without bounds it may be any number. Where the
    range of integers stands in a list (`3 in [1 .. 9]`), it is one number or one for each axis.
    """
    if _is_sides(default, domain):
        return "sides"
    if default is None:
        return "integer" if domain is not None and _all_integers(domain) else "any"
    match default:
        case bool():
            return "flag"
        case int() | float():
            if isinstance(domain, tuple) and not all(map(_numeric, domain)):
                return "any"
            is_integer = isinstance(default, int) and domain is not None and _all_integers(domain)
            return "integer" if is_integer else "number"
        case Sides():
            return "extent"
        case tuple():
            return "list"
        case Word():
            return (
                "word" if domain is None or all(isinstance(each, Word) for each in _parts(domain)) else "any"
            )
        case Recipe() | Tool():
            return "definition"
        case str():
            return "text"
        case Quantity():
            return "quantity"
        case _:
            return "any"


def _is_sides(default: Item | None, domain: Interval | tuple[Item, ...] | None) -> bool:
    """Tell whether a number, or one for each axis, is meant."""
    ranged = isinstance(domain, tuple) and all(isinstance(each, Interval) for each in domain)
    whole_default = default is None or whole(default) is not None or isinstance(default, (Sides, tuple))
    return ranged and whole_default and _all_integers(domain or ())


def _parts(domain: Interval | tuple[Item, ...]) -> tuple[Item, ...]:
    return domain if isinstance(domain, tuple) else (domain,)


def _numeric(item: Item) -> bool:
    return is_number(item) or isinstance(item, Interval)


def _all_integers(domain: Interval | tuple[Item, ...]) -> bool:
    bounds: list[Item] = []
    for part in _parts(domain):
        bounds.extend((part.low, part.high) if isinstance(part, Interval) else (part,))
    return all(isinstance(each, int) and not isinstance(each, bool) for each in bounds)


def fit(slot: Slot, item: Item, span: Span, site: Site) -> Item:
    """Return a value as a setting takes it.

    Errors: E0205 for a value of another type, E0206 for one out of the range or not among the choices,
    E0207 for a missing unit.
    """
    item = _typed(slot, item, span, site)
    if (
        slot.domain is not None
        and not isinstance(item, (Tensor, Now, Leaf))
        and not _within(slot, item, site)
    ):
        raise _outside(slot, item, span, site)
    return item


def _typed(slot: Slot, item: Item, span: Span, site: Site) -> Item:
    match slot.type, item:
        case "any", _:
            return item
        case (("number" | "integer"), Tensor() | Now() | Leaf()):
            return item
        case "number", int() | float() if is_number(item):
            return item
        case "number", Recipe(kind="schedule") | tuple():
            return item  # a schedule, of an optimizer; a vector, of an initializer
        case "number", Record(fields=parts):
            return Record({part: _typed(slot, each, span, site) for part, each in parts.items()})
        case "integer", _ if (integer := whole(item)) is not None:
            return integer
        case "sides", Sides() | tuple():
            return item
        case "sides", _ if (integer := whole(item)) is not None:
            return integer
        case "flag", bool():
            return item
        case "extent", _ if (side := whole(item)) is not None:
            assert isinstance(slot.default, Sides)
            return Sides((side,) * len(slot.default.sides))
        case "extent", Sides():
            return item
        case "list", tuple():
            return _list(slot, item, span, site)
        case "word", Word() | tuple():
            return item
        case "word", _ if whole(item) is not None:
            return item  # an axis by its number
        case "text", str():
            return item
        case "definition", Recipe() | Tool() if _same_kind(slot, item):
            return item
        case "quantity", Quantity(unit=unit) if _same_unit(slot, unit):
            return item
        case "quantity", _ if is_number(item):
            raise _no_unit(slot, span, site)
    raise _wrong_type(slot, item, span, site)


def _list(slot: Slot, items: tuple[Item, ...], span: Span, site: Site) -> Item:
    """Check that a list has elements like those of the default: whole numbers, numbers, times, or lists."""
    if isinstance(slot.default, tuple) and slot.default:
        kind, fits = elements(slot.default)
        for each in items:
            if not fits(each):
                raise site.mistake(
                    "E0205",
                    f"`{slot.name}` is a list of {kind}, and {_shown(each)} is in it",
                    f"not {kind}",
                    span=span,
                    secondary=_declared(slot),
                    help=None
                    if is_number(slot.default[0])
                    else f"such as `{slot.name}={written(slot.default)}`",
                )
    return items


def _shown(item: Item) -> str:
    return written(item) if isinstance(item, tuple) else _article(item)


def _same_kind(slot: Slot, item: Recipe | Tool) -> bool:
    if isinstance(item, Recipe):
        return item.kind == slot.definition_kind
    elementwise, initializer = item.function.elementwise, item.function.initializer
    return elementwise if slot.definition_kind == "layer" else initializer


def _same_unit(slot: Slot, unit: str) -> bool:
    assert isinstance(slot.default, Quantity)
    return slot.default.unit == unit or {slot.default.unit, unit} <= TIMES


def _no_unit(slot: Slot, span: Span, site: Site) -> Exception:
    assert isinstance(slot.default, Quantity)
    units = "`epochs` or `steps`" if slot.default.unit in TIMES else f"`{slot.default.unit}`"
    return site.mistake(
        "E0207",
        f"`{slot.name}` needs a unit: {units}",
        "has no unit",
        span=span,
        secondary=_declared(slot),
        help=f"write `{span.text} {slot.default.unit}`",
    )


_TYPES: Final = {
    "number": "a number",
    "integer": "a whole number",
    "sides": "a whole number, or one for each axis",
    "flag": "yes or no",
    "extent": "an extent such as 3x3",
    "list": "a list",
    "word": "a word",
    "text": 'a text in "quotes"',
    "quantity": "a number with a unit",
}


def _wrong_type(slot: Slot, item: Item, span: Span, site: Site) -> Exception:
    kind = slot.definition_kind
    wanted = _TYPES.get(slot.type) or (f"a {kind}" if kind and kind[0] not in "aeio" else f"an {kind}")
    return site.mistake(
        "E0205",
        f"`{slot.name}` of `{slot.owner}` is {wanted}, not {_article(item)}",
        f"not {wanted}",
        span=span,
        secondary=_declared(slot),
    )


def _article(item: Item) -> str:
    return f"{describe(item)}, {written(item)}" if is_number(item) else describe(item)


def _declared(slot: Slot) -> list[Label]:
    return [Label(slot.span, "its default gives the type")] if slot.default is not None else []


def _within(slot: Slot, item: Item, site: Site) -> bool:
    if slot.type == "list" and isinstance(item, tuple):
        return _each_matches(item, _parts(slot.domain or ()), site)
    if slot.type in ("sides", "any") and isinstance(item, (Sides, tuple)) and item:
        ranges = [each for each in _parts(slot.domain or ()) if isinstance(each, Interval)]
        return _each_matches(item, ranges, site)  # numbers of a range that may stand among words
    if isinstance(item, (Recipe, Tensor, Now)) and slot.type == "number":
        return True  # changes in time
    if isinstance(item, Record) and slot.type == "number":
        return all(_within(slot, each, site) for each in item.fields.values())
    if isinstance(item, tuple) and slot.type == "number":
        return all(_within(slot, each, site) for each in item)
    return any(_matches(item, choice, site) for choice in _parts(slot.domain or ()))


def _each_matches(item: Item, choices: Sequence[Item], site: Site) -> bool:
    """Tell whether all of an extent, a list or lists in it are among the choices."""
    match item:
        case Sides(parts) | (tuple() as parts):
            return all(_each_matches(each, choices, site) for each in parts)
        case _:
            return any(_matches(item, choice, site) for choice in choices)


def _matches(item: Item, choice: Item, site: Site) -> bool:
    if isinstance(choice, Interval):
        low, high = _plain(choice.low), _plain(choice.high)
        value = _plain(item)
        return low is not None and high is not None and value is not None and low <= value <= high
    if type(item) is not type(choice) and not (is_number(item) and is_number(choice)):
        return (
            isinstance(item, (Recipe, Tool))
            and isinstance(choice, (Recipe, Tool))
            and same(item, choice, site)
        )
    return same(item, choice, site)


def _plain(item: Item) -> float | None:
    if isinstance(item, Quantity):
        return item.value
    return item if isinstance(item, (int, float)) and is_number(item) else None


def _outside(slot: Slot, item: Item, span: Span, site: Site) -> Exception:
    assert slot.domain is not None
    allowed = ", ".join(written(each) for each in _parts(slot.domain))
    meant = nearest(item.text, slot.words) if isinstance(item, Word) else None
    found, cure = written(item), f"did you mean `{meant}`?" if meant else None
    if isinstance(item, Record):
        part, value = next(
            (name, each) for name, each in item.fields.items() if not _within(slot, each, site)
        )
        found = f"{written(value)} for `{part}`"
    elif isinstance(item, int) and item > 1 and _is_share(slot) and _within(slot, item / 100, site):
        cure = f"a share is written `{found}%`"
    return site.mistake(
        "E0206",
        f"`{slot.name}` is {found}, and may be {allowed}"
        if _is_range(slot.domain)
        else f"`{slot.name}` is {found}, and may be one of {allowed}",
        "out of range" if _is_range(slot.domain) else "not one of these",
        span=span,
        secondary=[Label(slot.domain_span, "allowed here")] if slot.domain_span else [],
        help=cure,
    )


def _is_range(domain: Interval | tuple[Item, ...]) -> bool:
    return isinstance(domain, Interval) or (len(domain) == 1 and isinstance(domain[0], Interval))


def _is_share(slot: Slot) -> bool:
    """Tell whether a setting's default is written with a percent sign."""
    source, end = slot.span.source, slot.domain_span.start if slot.domain_span else slot.span.end
    return "%" in source.text[slot.span.start : end]

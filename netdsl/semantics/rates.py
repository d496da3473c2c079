"""Settings of an optimizer that differ by part: `lr = (stem=0.1 * lr, rest=lr)`.

A part may be cut further, `(stem=(dense_1=0.1, rest=0.2), rest=1)`: its `rest` is what is left of the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.items import Item, Record
from netdsl.semantics.parts import check_part, in_part, parts_of
from netdsl.semantics.problems import MistakeError, mistake
from netdsl.syntax import tree

REST: Final = "rest"


@dataclass(frozen=True, slots=True)
class ByPart:
    """A setting that differs by part; `places` tells where the names of parts stand, as far as is known."""

    setting: str
    record: Record
    model: str
    span: Span
    places: Mapping[str, Span]

    def check(self, paths: Sequence[str], trained: Sequence[str]) -> None:
        """Check the parts against the weights of the model; each trained one must have its value.

        Errors: E0608 for a part that is not there and for a weight that is in none, E0612 for one in two.
        """
        for part in self.names():
            check_part(part, self._place(part), paths, self.model, besides=(REST,))
        for path in trained:
            found = self._found(self.record, path, "")
            if found is None:
                raise self._uncovered(path, paths)

    def names(self) -> list[str]:
        """Return all parts by their paths, `stem` and `stem/dense_1`."""
        return list(_names(self.record, ""))

    def of(self, path: str) -> Item:
        """Return the value for one trained weight."""
        found = self._found(self.record, path, "")
        assert found is not None
        return found

    def _found(self, record: Record, path: str, prefix: str) -> Item | None:
        inside = [each for each in record.fields if each != REST and in_part(path, prefix + each, self.model)]
        if len(inside) > 1:
            raise self._twice(path, prefix + inside[0], prefix + inside[1])
        item = record.fields.get(inside[0] if inside else REST)
        return (
            self._found(item, path, f"{prefix}{inside[0]}/") if inside and isinstance(item, Record) else item
        )

    def _twice(self, path: str, one: str, other: str) -> MistakeError:
        """Return the error for a weight in two parts, one of which is the whole model."""
        whole, part = (one, other) if one == self.model else (other, one)
        return mistake(
            "E0612",
            f"`{self.setting}` is told twice for `{path}`: it is in `{one}` and in `{other}`",
            self._place(other),
            "the second one",
            secondary=[Label(self._place(one), "the first one")] if one in self.places else [],
            help=f"`{whole}` is all of the model: write `({part}=…, {REST}=…)`",
        )

    def _uncovered(self, path: str, paths: Sequence[str]) -> MistakeError:
        known = ", ".join(f"`{each}`" for each in parts_of(paths, self.model))
        return mistake(
            "E0608",
            f"`{self.setting}` says nothing for `{path}`",
            self.span,
            "a part is missing",
            help=f"add `{REST}=…`; the parts are {known}",
        )

    def _place(self, part: str) -> Span:
        return self.places.get(part, self.span)


def _names(record: Record, prefix: str) -> Iterator[str]:
    for name, item in record.fields.items():
        if name != REST:
            yield prefix + name
            if isinstance(item, Record):
                yield from _names(item, f"{prefix}{name}/")


def representative(item: Item | None) -> Item | None:
    """Return the value that is told as the setting's: that of the rest, else of the part named last."""
    while isinstance(item, Record):
        item = item.fields.get(REST, next(reversed(tuple(item.fields.values())), None))
    return item


def places_of_parts(expr: tree.Expr, span: Span) -> Mapping[str, Span]:
    """Return where the parts of an argument are named, by their paths; none where it is a param."""
    match expr:
        case tree.Group(value=inner):
            return places_of_parts(inner, span)
        case tree.Record(span=where) if (where.start, where.end) == (span.start, span.end):
            return dict(_places(expr, ""))
        case tree.Call(positional=positional, named=named):
            inner_ones = [places_of_parts(each, span) for each in (*positional, *(n.value for n in named))]
            return next((each for each in inner_ones if each), {})
    return {}


def _places(record: tree.Record, prefix: str) -> Iterator[tuple[str, Span]]:
    for named in record.fields:
        yield prefix + named.name.text, named.name.span
        if isinstance(named.value, tree.Record):
            yield from _places(named.value, f"{prefix}{named.name.text}/")

"""When a training ends early, and how gradients are clipped: the functions that these fields see."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from netdsl.diagnostics import Span
from netdsl.semantics.experiment import EarlyStop, TargetStop, TimeStop
from netdsl.semantics.frame import Site
from netdsl.semantics.functions import Function, Given
from netdsl.semantics.items import Item, Opaque, Quantity, whole
from netdsl.semantics.tensors import expected, number


def _figure(given: Given) -> tuple[str, str, Span]:
    text, span = given["figure"]
    part, _, figure = str(text).rpartition(".")
    return part, figure, span


def _early(site: Site, given: Given) -> Item:
    part, figure, place = _figure(given)
    change = number(*_number(given, "change", site))
    restore, span = given.get("restore", ("best", site.span))
    if restore not in ("best", "last"):
        raise site.mistake(
            "E0206", f"`restore` is best or last, not {restore}", "not one of these", span=span
        )
    keep: Literal["best", "last"] = "last" if restore == "last" else "best"
    return Opaque(EarlyStop(part, figure, _patience(site, given), change, keep, place))


def _number(given: Given, name: str, site: Site) -> tuple[Item, Site, str, Span]:
    item, span = given.get(name, (0.0, site.span))
    return item, site, f"`{name}`", span


def _patience(site: Site, given: Given) -> int:
    item, span = given["patience"]
    if not isinstance(item, Quantity) or item.unit != "epochs":
        raise site.mistake(
            "E0207",
            "`patience` is a number of epochs",
            "needs the unit `epochs`",
            span=span,
            help=f"write `{whole(item) or 10} epochs`",
        )
    patience = whole(item.value)
    if patience is None or patience < 1:
        raise site.mistake("E0206", "`patience` is 1 epoch or more", "out of range", span=span)
    return patience


def _target(site: Site, given: Given) -> Item:
    part, figure, place = _figure(given)
    return Opaque(TargetStop(part, figure, number(*_number(given, "value", site)), place))


def _time(site: Site, given: Given) -> Item:
    item, span = given["limit"]
    if not isinstance(item, Quantity) or item.unit != "s" or item.value <= 0:
        raise site.mistake(
            "E0207", "a time has a unit: s, min or h", "not a time", span=span, help="such as `time(30 min)`"
        )
    return Opaque(TimeStop(float(item.value), site.span))


def _norm(site: Site, given: Given) -> Item:
    return Opaque(("norm", _limit(site, given)))


def _value(site: Site, given: Given) -> Item:
    return Opaque(("value", _limit(site, given)))


def _limit(site: Site, given: Given) -> float:
    item, span = given["limit"]
    limit = number(item, site, "the limit", span)
    if limit <= 0:
        raise expected("a number above 0", item, "the limit", site, span)
    return float(limit)


STOPS: Final[Mapping[str, Function]] = {
    each.name: each
    for each in (
        Function(
            "early", ("figure", "patience", "change", "restore"), 2, _early, named=("figure", "restore")
        ),
        Function("target", ("figure", "value"), 2, _target, named=("figure",)),
        Function("time", ("limit",), 1, _time),
    )
}

CLIPS: Final[Mapping[str, Function]] = {
    each.name: each
    for each in (Function("norm", ("limit",), 1, _norm), Function("value", ("limit",), 1, _value))
}

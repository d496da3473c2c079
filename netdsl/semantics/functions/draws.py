"""The functions that draw random numbers: in a layer for each example, in an initializer for a weight.

A draw is named by the use it stands in and its number there, so that what it draws depends on nothing else.
"""

from __future__ import annotations

from typing import Final

from netdsl.graph import BATCH, Shape, Value
from netdsl.semantics.frame import Site
from netdsl.semantics.functions.function import Function, Given
from netdsl.semantics.functions.movement import extents
from netdsl.semantics.items import Item, Tensor, is_number
from netdsl.semantics.tensors import expected, lift, pointwise, real


def stream(name: str, site: Site) -> str:
    """Return the name of the next draw of a kind in this body."""
    body = site.frame.body
    body.counts[name] += 1
    return f"{site.frame.stream}/{body.numbered(name)}"


def _shape(site: Site, given: Given) -> Shape:
    """Return the shape to draw in, with the batch axis where there is a draw for each example."""
    if "like" in given:
        return lift(given["like"][0], site, given["like"][1]).value.shape
    if "shape" in given:
        return (BATCH, *extents(given["shape"][0], site, given["shape"][1]))
    wanted = site.frame.specials.get("shape")
    if site.frame.kind == "initializer" and isinstance(wanted, tuple):
        return extents(wanted, site, site.span)
    raise site.mistake(
        "E0202",
        "this draw needs a shape",
        "how many numbers?",
        help="say `like=x` for the shape of a value, or `shape=[…]` for one of each example",
    )


def _drawn(operation: str, site: Site, given: Given) -> Tensor:
    return Tensor(site.add(operation, shape=_shape(site, given), stream=stream(operation, site)))


def _bernoulli(site: Site, given: Given) -> Item:
    item, span = given["p"]
    if is_number(item):
        assert isinstance(item, (int, float))
        if not 0 <= item <= 1:
            raise site.mistake(
                "E0206", f"a probability is between 0 and 1, not {item:g}", "out of range", span=span
            )
    chance = real(lift(item, site, span), site)
    below = pointwise("less", site, _drawn("uniform", site, given), chance)
    return real(below, site)


def _gaussian(site: Site, given: Given) -> Item:
    return _moved(_drawn("gaussian", site, given), given, site)


def _truncated(site: Site, given: Given) -> Item:
    return _moved(_drawn("truncated", site, given), given, site)


def _moved(draw: Tensor, given: Given, site: Site) -> Tensor:
    """Return mean + std * draw, leaving out what changes nothing."""
    mean, std = given["mean"], given["std"]
    if std[0] != 1:
        draw = pointwise("multiply", site, draw, real(lift(std[0], site, std[1]), site))
    if mean[0] != 0:
        draw = pointwise("add", site, draw, real(lift(mean[0], site, mean[1]), site))
    return draw


def _uniform(site: Site, given: Given) -> Item:
    low, high = (real(lift(given[name][0], site, given[name][1]), site) for name in ("low", "high"))
    width = pointwise("subtract", site, high, low)
    return pointwise("add", site, pointwise("multiply", site, _drawn("uniform", site, given), width), low)


def _orthogonal(site: Site, given: Given) -> Item:
    shape = _shape(site, given)
    if len(shape) < 2:
        raise site.mistake("E0305", "orthogonal weights have two axes or more", "has too few axes")
    gain, span = given.get("gain", (1, site.span))
    if not is_number(gain):
        raise expected("a number", gain, "`gain`", site, span)
    draw: Value = site.add("orthogonal", shape=shape, stream=stream("orthogonal", site))
    return pointwise("multiply", site, Tensor(draw), lift(gain, site)) if gain != 1 else Tensor(draw)


FUNCTIONS: Final = (
    Function("bernoulli", ("p", "like", "shape"), 1, _bernoulli),
    Function("gaussian", ("mean", "std", "like", "shape"), 2, _gaussian, initializer=True),
    Function("uniform", ("low", "high", "like", "shape"), 2, _uniform, initializer=True),
)

INITIALIZERS: Final = (
    Function("truncated", ("mean", "std"), 2, _truncated, initializer=True),
    Function("orthogonal", ("gain",), 0, _orthogonal, initializer=True),
)

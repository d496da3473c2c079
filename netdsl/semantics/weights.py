"""Makes weights, offsets, gains and moving averages, each under the path of the use it stands in."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.graph import Builder, Graph, Shape, Value
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.experiment import WeightKind
from netdsl.semantics.frame import Frame, Maker, Site, take
from netdsl.semantics.functions import Function, Given
from netdsl.semantics.functions.movement import extents
from netdsl.semantics.items import Item, Recipe, Tensor, Tool, is_number, text_of
from netdsl.semantics.tensors import aligned, expected, lift, number, pointwise, real

MOST_BYTES: Final = 2**34
"""16 GiB of weights, in float32."""


@dataclass(slots=True)
class Made:
    """One thing that is kept, with its leaf in the graph of the model."""

    path: str
    shape: Shape
    kind: WeightKind
    initial: Graph
    span: Span
    leaf: Value


@dataclass(slots=True)
class WeightMaker:
    """Keeps every weight of a model, in the order in which they are made."""

    made: dict[str, Made] = field(default_factory=dict)
    elements: int = 0

    def weight(
        self, shape: Shape, init: Item, kind: WeightKind, site: Site, fans: tuple[int, ...] = ()
    ) -> Tensor:
        """Return a weight's leaf; the one there is where a model is used again."""
        path = f"{site.frame.path}/{site.label}"
        known = self.made.get(path)
        if known is not None:
            return Tensor(self._again(known, shape, site).leaf)
        self._check_budget(shape, path, site)
        leaf = site.add("weight", name=path, shape=shape)
        initial = initial_graph(shape, init, path, site, fans)
        self.made[path] = Made(path, shape, kind, initial, site.told_at, leaf)
        return Tensor(leaf)

    def _again(self, known: Made, shape: Shape, site: Site) -> Made:
        if known.shape != shape:
            raise site.mistake(
                "E0309",
                f"`{known.path}` has shape {text_of(known.shape)} in one use and {text_of(shape)} in another",
                "its weights are shared, so both must be equal",
                secondary=[Label(known.span, "first used here")],
                help="give the model inputs of the same shape, or make it a layer, with weights at each use",
            )
        return known

    def _check_budget(self, shape: Shape, path: str, site: Site) -> None:
        self.elements += prod(shape)
        if self.elements * 4 > MOST_BYTES:
            raise site.mistake(
                "E0403",
                f"the weights would take {self.elements * 4 / 2**30:,.0f} GiB (limit {MOST_BYTES >> 30} GiB)",
                f"`{path}` has shape {text_of(shape)}",
            )

    def running(self, value: Tensor, momentum: float, start: float, site: Site) -> Tensor:
        """Return the value in training and its moving average in inference; the average moves each step."""
        path = f"{site.frame.path}/{site.label}"
        if value.batched:
            raise site.mistake(
                "E0308",
                "a moving average is of a value that all examples share",
                "differs from example to example",
                secondary=value.trail,
                help="reduce the batch: `mean(x, over=batch)`",
            )
        known = self.made.get(path)
        if known is None:
            leaf = site.add("state", name=path, shape=value.shape)
            known = Made(
                path, value.shape, "running", constant_graph(value.shape, start, site), site.told_at, leaf
            )
            self.made[path] = known
        else:
            self._again(known, value.shape, site)
        return self._averaged(known, value, momentum, site)

    def _averaged(self, known: Made, value: Tensor, momentum: float, site: Site) -> Tensor:
        updates = site.graph.updates
        moving = Tensor(updates.get(known.path, known.leaf))
        old = pointwise("multiply", site, moving, lift(momentum, site))
        new = pointwise("multiply", site, value, lift(1 - momentum, site))
        stopped = Tensor(site.add("stop_gradient", new.value))
        updates[known.path] = pointwise("add", site, old, stopped).value
        training = site.add("greater", site.add("scalar", name="training"), site.constant(0.5))
        return pointwise("where", site, Tensor(training), value, Tensor(known.leaf))


def constant_graph(shape: Shape, start: float, site: Site) -> Graph:
    """Return the graph of a start that is one number."""
    builder = Builder(site.frame.world.registry)
    with builder.within(site.origin):
        builder.outputs["value"] = builder.constant(start).broadcast(shape)
    return builder.finish()


def initial_graph(shape: Shape, init: Item, path: str, site: Site, fans: tuple[int, ...] = ()) -> Graph:
    """Return the graph of a weight's start, from an initializer, a number or a list of numbers."""
    builder = Builder(site.frame.world.registry)
    frame = Frame(
        site.frame.world,
        site.frame.module,
        "initializer",
        builder,
        specials=_fans(shape, fans),
        path=path,
        stream=path,
        uses=site.frame.uses,
    )
    frame.implied = initializer_value
    inner = frame.site(site.span)
    value = init
    if isinstance(init, (Recipe, Tool)):
        value = initializer_value(init, inner)
    start = real(lift(value, inner), inner)
    builder.outputs["value"] = _shaped(start, shape, inner)
    return builder.finish()


def initializer_value(init: Recipe | Tool, site: Site) -> Item:
    """Return what an initializer gives for the weight that a frame is about."""
    for name, (item, span) in init.given.items():
        if isinstance(item, Tensor) and item.value.builder is not site.graph:
            raise expected("a number", item, f"`{name}` of an initializer", site, span)
    if isinstance(init, Tool):
        if not init.function.initializer:
            raise expected("an initializer", init, "the start of a weight", site)
        return init.function.run(site, init.given)
    if init.kind != "initializer":
        raise expected("an initializer", init, "the start of a weight", site)
    return site.frame.world.apply(init, {}, init.given, site)


def _shaped(start: Tensor, shape: Shape, site: Site) -> Value:
    target = Tensor(site.constant(0.0).broadcast(shape))
    value = aligned([start, target], site)[0]
    if value.shape != shape:
        raise site.mistake(
            "E0303",
            f"a start of shape {text_of(start.shape)} does not fit a weight {text_of(shape)}",
            "does not fit",
        )
    return value


def _fans(shape: Shape, given: tuple[int, ...]) -> Mapping[str, Item]:
    """Return the numbers of inputs and outputs of one unit: a kernel's places count for both.

    Its last two axes are the channels in and out, unless they are given.
    """
    places = prod(shape[:-2])
    fan_in, fan_out = given or shape[-2:] if len(shape) > 1 else (prod(shape), prod(shape))
    return {"fan_in": places * fan_in, "fan_out": places * fan_out, "shape": shape}


# ---- the functions that layers and models see ---------------------------------------------------


def _weight(site: Site, given: Given) -> Item:
    init, span = given["init"]
    if not (isinstance(init, (Recipe, Tool, tuple)) or is_number(init)):
        raise expected("an initializer or a number", init, "the start of a weight", site, span)
    return _made(site, given, init, "weight", _given_fans(site, given))


def _given_fans(site: Site, given: Given) -> tuple[int, ...]:
    """Return `fans=[in, out]`: the channels of a unit, where the shape of the weight does not say them."""
    if "fans" not in given:
        return ()
    item, span = given["fans"]
    fans = extents(item, site, span, "`fans`")
    if len(fans) != 2:
        raise expected("a list of two numbers, in and out", item, "`fans`", site, span)
    return fans


def _offset(site: Site, given: Given) -> Item:
    return _made(site, given, 0, "offset")


def _gain(site: Site, given: Given) -> Item:
    return _made(site, given, 1, "gain")


def _made(site: Site, given: Given, init: Item, kind: WeightKind, fans: tuple[int, ...] = ()) -> Item:
    maker = _named(site, kind)
    shape = extents(given["shape"][0], site, given["shape"][1])
    return maker.weight(shape, init, kind, site, fans)


def _named(site: Site, kind: str) -> Maker:
    """Return what makes weights here. Raises MistakeError where there can be none, or it has no name."""
    if site.frame.maker is None:
        raise site.mistake("E0111", "a layer with weights can only stand in a model", "makes a weight")
    if site.label is None:
        raise site.mistake(
            "E0109",
            f"a {kind} must be bound to a name, which is its name in the model",
            "has no name",
            help=f"bind it in a statement of its own: `w = {site.span.text}`",
        )
    take(site.label, site)
    return site.frame.maker


def _running(site: Site, given: Given) -> Item:
    maker = _named(site, "moving average")
    value = real(lift(given["value"][0], site, given["value"][1]), site)
    momentum = number(given["momentum"][0], site, "`momentum`", given["momentum"][1])
    start = number(given["start"][0], site, "`start`", given["start"][1])
    return maker.running(value, momentum, start, site)


LAYER_FUNCTIONS: Final[Mapping[str, Function]] = {
    each.name: each
    for each in (
        Function("weight", ("shape", "init", "fans"), 2, _weight),
        Function("offset", ("shape",), 1, _offset),
        Function("gain", ("shape",), 1, _gain),
        Function("running", ("value", "momentum", "start"), 3, _running),
    )
}

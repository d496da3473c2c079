"""What an expression stands for: numbers and words known when compiled, or values of the graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from netdsl.diagnostics import Label, Span
from netdsl.graph import Shape, Value, example, is_batched
from netdsl.lazy_dataclass import dataclass, field
from netdsl.syntax import tree

if TYPE_CHECKING:
    from netdsl.semantics.files import Module
    from netdsl.semantics.functions.function import Function


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: epochs, steps, deg, px or s (minutes and hours become seconds)."""

    value: int | float
    unit: str


@dataclass(frozen=True, slots=True)
class Sides:
    """An extent: `3x3`."""

    sides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word that is one of the alternatives of a setting: `same`, `batch`, `last`."""

    text: str


@dataclass(frozen=True, slots=True)
class Interval:
    """`a .. b`, both ends included."""

    low: Item
    high: Item


@dataclass(frozen=True, slots=True)
class Record:
    """Named items: `(a = …, b = …)`, or the outputs of a model."""

    fields: Mapping[str, Item]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A value of the graph.

    `trail` says where its shape came from, oldest first. `classes` are the names of the classes of a label
    that is still an integer. `unit` is "epochs" or "steps" for the counters that schedules see. `output`
    and `field` name the model's output or the data's field that it is; `made` is the layer of the library
    whose result it is, `called` what the text calls it.
    """

    value: Value
    trail: tuple[Label, ...] = ()
    classes: tuple[str, ...] = ()
    unit: str | None = None
    output: str | None = None
    field: str | None = None
    made: str | None = None
    called: str | None = None

    @property
    def shape(self) -> Shape:
        """Return the shape of one example."""
        return example(self.value.shape)

    @property
    def batched(self) -> bool:
        """Tell whether there is one for each example."""
        return is_batched(self.value.shape)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A special name that is a scalar leaf of the graph, made where it is first met."""

    name: str
    unit: str | None = None
    flag: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """The time of a schedule, times a number, plus one: the epoch or the step, by the unit it meets."""

    times: float = 1.0
    plus: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """A definition, with the settings it was given so far: `adam(lr)`, `relu`, `normal(std=0.1)`."""

    definition: tree.Definition
    module: Module
    given: Mapping[str, tuple[Item, Span]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Return the kind of the definition: layer, loss, …"""
        return self.definition.kind

    @property
    def name(self) -> str:
        """Return the name it is declared by."""
        return self.definition.name.text


@dataclass(frozen=True, slots=True, eq=False)
class Tool:
    """A built-in function as a value, with the arguments it was given: `tanh`, `uniform(-0.1, 0.1)`."""

    function: Function
    given: Mapping[str, tuple[Item, Span]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the name of the function."""
        return self.function.name


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """A loss and penalties, added: what `train` minimizes. Each is a value of the graph, or absent."""

    loss: Tensor | None
    penalty: Tensor | None


@dataclass(frozen=True, slots=True)
class Weights:
    """`weights` or `weights(stem)`: which weights a penalty is summed over."""

    parts: tuple[tuple[str, Span], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Opaque:
    """What a function of a block's field made: a stop, a way to clip."""

    value: object


@dataclass(frozen=True, slots=True)
class Poison:
    """What is bound to a name whose statement had a mistake."""


Item: TypeAlias = (
    bool
    | int
    | float
    | str
    | Quantity
    | Sides
    | Word
    | Interval
    | tuple["Item", ...]
    | Record
    | Tensor
    | Leaf
    | Now
    | Recipe
    | Tool
    | Objective
    | Weights
    | Opaque
    | Poison
)
Kind: TypeAlias = Literal[
    "layer", "model", "loss", "penalty", "metric", "initializer", "optimizer", "schedule", "scaler"
]


def is_number(item: object) -> bool:
    """Tell whether an item is a number known when compiled (a flag is none)."""
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def whole(item: object) -> int | None:
    """Return an item as a whole number, if it is one."""
    if isinstance(item, bool):
        return None
    if isinstance(item, int):
        return item
    return int(item) if isinstance(item, float) and item.is_integer() else None


def describe(item: Item) -> str:
    """Say what kind of thing an item is, for messages: "a number", "the layer `relu`"."""
    match item:
        case bool():
            return "a flag"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Quantity(unit=unit):
            return "a time" if unit == "s" else f"a number of {unit}"
        case Sides():
            return "an extent"
        case Word(text):
            return f"the word `{text}`"
        case Interval():
            return "a range"
        case tuple():
            return "a list"
        case Record():
            return "a record"
        case Tensor() as tensor:
            return f"a value of shape {text_of(tensor.shape)}"
        case Now() | Leaf():
            return "a time"
        case Recipe() as recipe:
            return f"the {recipe.kind} `{recipe.name}`"
        case Tool() as tool:
            return f"the function `{tool.name}`"
        case Objective():
            return "a loss"
        case Weights():
            return "weights"
        case Opaque():
            return "something else"
        case Poison():
            return "a mistake"


def text_of(shape: Shape) -> str:
    """Write the shape of one example: `[28, 28, 1]`."""
    return "[" + ", ".join(map(str, shape)) + "]"


def written(item: Item) -> str:
    """Write a static item as the language does."""
    match item:
        case bool():
            return "yes" if item else "no"
        case int() | float():
            return f"{item:g}" if isinstance(item, float) else str(item)
        case str():
            return f'"{item}"'
        case Quantity(value, unit):
            return f"{written(value)} {unit}"
        case Sides(sides):
            return "x".join(map(str, sides))
        case Word(text):
            return text
        case Interval(low, high):
            return f"{written(low)} .. {written(high)}"
        case tuple():
            return "[" + ", ".join(map(written, item)) + "]"
        case Record(fields):
            return "(" + ", ".join(f"{name}={written(each)}" for name, each in fields.items()) + ")"
        case Recipe() | Tool():
            given = ", ".join(f"{name}={written(each)}" for name, (each, _) in item.given.items())
            return item.name + (f"({given})" if given else "")
        case _:
            return describe(item)

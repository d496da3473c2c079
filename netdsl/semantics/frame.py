"""Where an expression is evaluated: the names it sees, the graph it adds to, and the uses that led to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from netdsl.diagnostics import Fix, Label, Span
from netdsl.graph import Builder, Operation, Origin, Shape, Value
from netdsl.graph.builder import Within
from netdsl.lazy_dataclass import dataclass, field, replace
from netdsl.semantics.amount import MOST_USES
from netdsl.semantics.experiment import WeightKind
from netdsl.semantics.files import Files, Module
from netdsl.semantics.items import Item, Recipe, Tensor
from netdsl.semantics.problems import MistakeError, Problems, mistake
from netdsl.syntax import tree

if TYPE_CHECKING:
    from netdsl.semantics.functions.function import Function

MOST_NODES: Final = 100_000
DEEPEST_USE: Final = 40


@dataclass(frozen=True, slots=True)
class Use:
    """One application of a definition: its name and where it stands."""

    definition: tree.Definition
    span: Span
    in_library: bool

    @property
    def name(self) -> str:
        """Return the name of the definition."""
        return self.definition.name.text


@dataclass(slots=True)
class BodyNames:
    """Which names of uses a body has given out, to name the next ones."""

    counts: Counter[str] = field(default_factory=Counter)
    taken: dict[str, Span] = field(default_factory=dict)

    def numbered(self, name: str) -> str:
        """Return `name_k` for the k-th use of that name."""
        return f"{name}_{self.counts[name]}"


class User(Protocol):
    """Uses a definition where a call stands; `netdsl.semantics.uses` has the one there is."""

    def __call__(
        self, recipe: Recipe, expr: tree.Call, flow: Item | None, frame: Frame, name: str | None
    ) -> Item:
        """Apply the definition, or give it settings. `flow` is what a chain passes on, `name` names it."""
        ...


class Applier(Protocol):
    """Runs a definition; `netdsl.semantics.uses` has the one there is."""

    def __call__(
        self, recipe: Recipe, tensors: Mapping[str, Item], given: Mapping[str, tuple[Item, Span]], site: Site
    ) -> Item:
        """Run the definition's body with its tensors and settings; `site.label` names the use."""
        ...


class Maker(Protocol):
    """Makes what is kept from step to step; `netdsl.semantics.weights` has the one there is."""

    def weight(
        self, shape: Shape, init: Item, kind: WeightKind, site: Site, fans: tuple[int, ...] = ()
    ) -> Tensor:
        """Return the leaf of a weight that `site.label` names; `fans` are the channels of a unit."""
        ...

    def running(self, value: Tensor, momentum: float, start: float, site: Site) -> Tensor:
        """Return a value in training, its moving average in inference."""
        ...


class Memory(Protocol):
    """Keeps the states of an optimizer or a schedule."""

    def declare(self, name: str, start: float, site: Site) -> Tensor:
        """Return the leaf of a new state."""
        ...

    def update(self, name: str, value: Tensor, site: Site) -> Tensor:
        """Note what a state, or the weight, becomes; return it as the name means it from then on."""
        ...


class Observer(Protocol):
    """Is told what stands in the user's files as it is worked out; an editor shows it."""

    def see(self, span: Span, item: Item, path: str) -> None:
        """Take what a place stands for; `path` is that of the use which is written there, or empty."""
        ...


class Whole(Exception):  # noqa: N818 - a signal, no error
    """Tell that a metric sees the whole part: its formula has `over=examples`."""


@dataclass(slots=True, eq=False)
class World:
    """What all frames of one elaboration share.

    `use` and `apply` apply definitions; they are handed in, since definitions are made of expressions and
    expressions of uses of definitions. `items` keeps what each top-level param stands for, `used` which
    declarations are referred to, `calls` how often a model is used, `models` which
    model a name stands for, `pairs` which outputs a loss compares
    with which fields, `nodes` and `uses` how many there were in all graphs, `amounts` how
    many uses a definition stands for. `observer`, if there is one, is
    told what the expressions of the user's files stand for.
    """

    files: Files
    registry: Mapping[str, Operation]
    problems: Problems
    use: User
    apply: Applier
    overrides: Mapping[str, tree.Expr] = field(default_factory=dict)
    items: dict[tuple[str, str], Item] = field(default_factory=dict)
    pending: list[tuple[str, str]] = field(default_factory=list)
    used: set[tuple[str, str]] = field(default_factory=set)
    calls: Counter[str] = field(default_factory=Counter)
    models: dict[str, tree.Definition] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    nodes: int = 0
    uses: int = 0
    amounts: dict[int, int] = field(default_factory=dict)
    observer: Observer | None = None


@dataclass(slots=True, eq=False)
class Frame:
    """The surroundings of an expression.

    `names` are the body's own (parameters and bindings), `specials` what the kind of definition sees besides
    (`fan_in`, `training`), `functions` likewise (`weight`, `fit`). `graph` is None where nothing but static
    items makes sense. `words` are the alternatives of the definition's settings. `implied` says what a
    definition stands for where a value is meant (`0.1 * cosine(lr)`, `cross_entropy`). `maker` makes weights,
    `memory` keeps states, `remember` takes schedules that have some; each is None where there can be none.
    `stream` is the path with a mark of the call,
    which names random draws. `partial` tells that a layer may be given some of its tensors only.
    """

    world: World
    module: Module
    kind: str
    graph: Builder | None = None
    names: dict[str, Item] = field(default_factory=dict)
    specials: Mapping[str, Item] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    path: str = ""
    stream: str = ""
    repeat: tuple[int, ...] = ()
    uses: tuple[Use, ...] = ()
    body: BodyNames = field(default_factory=BodyNames)
    declared: dict[str, Span] = field(default_factory=dict)
    whole: bool = False
    implied: Callable[[Recipe, Site], Item] | None = None
    maker: Maker | None = None
    memory: Memory | None = None
    remember: Applier | None = None
    partial: bool = False

    def inner(self, **changes: Any) -> Frame:
        """Return this frame with some things changed."""
        return replace(self, **changes)

    def see(self, span: Span, item: Item, path: str = "") -> None:
        """Tell whoever observes what a place in the user's text stands for."""
        if self.world.observer is not None and not self.module.is_library:
            self.world.observer.see(span, item, path)

    def site(self, span: Span, label: str | None = None) -> Site:
        """Return a place in this frame."""
        return Site(self, span, label)


@dataclass(frozen=True, slots=True)
class Site:
    """A place in a frame: where a function is called. `label` is the name that the result is bound to."""

    frame: Frame
    span: Span
    label: str | None = None

    @property
    def graph(self) -> Builder:
        """Return the graph that is being built. Raises MistakeError where only static items make sense."""
        if self.frame.graph is None:
            raise self.mistake("E0209", "a value of the model cannot stand here", "must be known beforehand")
        return self.frame.graph

    def add(self, operation: str, *operands: Value, **settings: Any) -> Value:
        """Add a node that comes from here. Raises MistakeError when the budget of nodes is spent."""
        graph = self.graph
        with graph.within(self.origin):
            value = graph.apply(operation, *operands, **settings)
        self.frame.world.nodes += 1
        if value.index >= MOST_NODES:
            raise self.too_many("this makes it too large")
        return value

    def too_many(self, label: str) -> MistakeError:
        """Return the error for a graph that is too large."""
        return self.mistake(
            "E0401",
            f"the graph would have more than {MOST_NODES:,} nodes, or {MOST_USES:,} uses of definitions",
            label,
            help="repeat fewer times, or use fewer layers",
        )

    def building(self) -> Within:
        """Stamp all nodes added inside with this place."""
        return self.graph.within(self.origin)

    def constant(self, number: float) -> Value:
        """Add a number. Errors: E0208 for one that no float holds: the size of a tensor beyond all memory."""
        try:
            return self.add("constant", value=float(number))
        except OverflowError:
            raise self.mistake("E0208", "this number is too large", "beyond what a float holds") from None

    @property
    def origin(self) -> Origin:
        """Return what is stamped on nodes added here: the place in the user's own text that led to them."""
        return Origin(self.told_at, self.frame.path, self.frame.repeat)

    @property
    def told_at(self) -> Span:
        """Return this place, or the use in the user's text that led to it from inside the library."""
        if not self.frame.module.is_library:
            return self.span
        return next((use.span for use in reversed(self.frame.uses) if not use.in_library), self.span)

    def mistake(
        self,
        code: str,
        message: str,
        label: str = "",
        *,
        span: Span | None = None,
        secondary: Iterable[Label] = (),
        notes: Iterable[str] = (),
        help: str | None = None,
        fix: Fix | None = None,
    ) -> MistakeError:
        """Return an error here: told at the use that led here, where this is inside the library."""
        place = span or self.span
        secondary = list(secondary)
        if self.frame.module.is_library and self.told_at is not self.span:
            used = next(use for use in reversed(self.frame.uses) if not use.in_library)
            secondary.append(Label(place, label or "here"))
            place, label = used.span, f"in this use of `{used.name}`"
        return mistake(code, message, place, label, secondary=secondary, notes=notes, help=help, fix=fix)


def extended(tensor: Tensor, *labels: Label) -> Tensor:
    """Return a tensor whose trail has more steps; only the last few are kept."""
    return replace(tensor, trail=(*tensor.trail, *labels)[-5:])


def take(name: str, site: Site) -> None:
    """Note that a name of a use or weight is given out. Raises MistakeError where it is already."""
    taken = site.frame.body.taken
    if name in taken:
        raise mistake(
            "E0108",
            f"two things would have the path `{site.frame.path}/{name}`",
            site.told_at,
            f"the second `{name}`",
            secondary=[Label(taken[name], f"the first `{name}`")],
            help="give one of them another name; a use without a label is numbered",
        )
    taken[name] = site.told_at

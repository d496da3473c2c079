"""What is to be launched, before it is written: which kernel computes a group, and how its work is cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from netdsl.graph import Graph
from netdsl.lazy_dataclass import dataclass, field
from netdsl.program.group import Group

Template: TypeAlias = Literal[
    "product",
    "back",
    "gradient",
    "any",
    "lanes",
    "columns",
    "sums",
    "total",
    "draw",
    "scatter",
    "rank",
    "loops",
    "copy",
    "convolution",
    "pool",
    "loop",
    "turn",
    "join",
    "part",
]
"""How a group is computed.

`product` is X W by panels of W, `back` Y W^T without a copy of W^T, `gradient` X^T Y in tiles, `any` a
product of any strides; `lanes` goes along 16 columns at a time, `columns` sums a value over its rows,
`sums` over the places of each example, `total` a weight over all its elements; `draw`, `scatter`, `rank` and
`copy` are what their groups are; `convolution` is one of images in panels, or its kernel's gradient, `pool` a
pool of them or its way back; `loops` are loops made for the group; a `loop` repeats units of its own; `turn`
moves all places of an example into one row, or back, where one side has an example in each lane; a `join`
and a `part` compute nothing, as values are written side by side, and panels are read where they lie.
"""


@dataclass(frozen=True, slots=True)
class Panels:
    """Work cut into panels of 16 columns: of a batched value, or of a vector of so many numbers. `batches` is
    how many batches lie one behind the other."""

    columns: int
    batches: int = 1


@dataclass(frozen=True, slots=True)
class Tiles:
    """Work cut into tiles of a weight in panels: 16 columns and at most `chunk` of its rows. One call of a
    gradient makes `at_once` of them."""

    rows: int
    columns: int
    chunk: int
    at_once: int = 2


@dataclass(frozen=True, slots=True)
class Lines:
    """Work on neighbors in memory, cut at multiples of 16."""

    count: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Work on each example, cut at multiples of 16 of them. `batches` is how many batches lie one behind the
    other."""

    batches: int = 1


@dataclass(frozen=True, slots=True)
class Examples:
    """Work on all columns of values with places, cut into pieces of so many examples. `batches` is how many
    batches lie one behind the other. Threads' shares end where pieces do, or, with a `grain`, at multiples of
    that."""

    size: int
    batches: int = 1
    grain: int = 0


@dataclass(frozen=True, slots=True)
class Whole:
    """Work of one thread, or cut in the way of its own kernel."""


Cut: TypeAlias = Panels | Tiles | Lines | Rows | Examples | Whole


@dataclass(frozen=True, slots=True)
class Part:
    """A group and what computes it."""

    template: Template
    group: Group


@dataclass(frozen=True, slots=True)
class Unit:
    """Parts that follow each other on each piece of the same cut, while what they made is at hand."""

    parts: tuple[Part, ...]
    cut: Cut

    def nodes(self) -> tuple[int, ...]:
        """Return what is computed."""
        return tuple(index for part in self.parts for index in part.group.nodes)

    def stores(self) -> tuple[int, ...]:
        """Return what is stored."""
        return tuple(index for part in self.parts for index in part.group.stores)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Units, each after those whose values it reads; which values lie in panels, which are also wanted turned
    (as the right factor of a product back), and which live within one unit only."""

    graph: Graph
    host: frozenset[int]
    units: tuple[Unit, ...]
    panels: frozenset[int]
    turned: frozenset[int]
    passing: frozenset[int]
    inside: Mapping[int, Choice] = field(default_factory=dict)
    """What each loop repeats, by its node."""

    examples: frozenset[int] = frozenset()
    """The values that lie with an example in each lane."""

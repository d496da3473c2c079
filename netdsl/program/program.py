"""A program: kernels, the list of their launches as data, and the memory and names they work on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from netdsl.diagnostics import Span
from netdsl.graph import DType, Graph, Shape
from netdsl.lazy_dataclass import dataclass, field
from netdsl.program.count import Count
from netdsl.program.library_product import LibraryProduct

Layout: TypeAlias = Literal["rows", "panels", "blocks", "examples", "row parts", "column parts"]
"""How a value lies in memory. `rows` is row-major. `panels` sees it as a matrix, all its axes but the last
by the last, and keeps 16 columns together: `[columns / 16][rows][16]`, the last panel filled up with columns
that mean nothing. `blocks` is the same turned, for 16 rows at a time: `[rows / 16][columns][16 rows]`.
`examples` has an example in each lane: `[examples / 16][places][columns][16 examples]`; lanes that have none
may hold anything. Parts are three bfloat16 for each number of a factor of a product, in blocks of 16 rows by
32 columns, or of 16 columns by 32 rows: `[rows / 16][columns / 32]`, `[columns / 16][rows / 32]`."""

Role: TypeAlias = Literal["weight", "state", "constant", "input", "value", "scratch"]
"""What a buffer is for: kept from step to step (the first three), filled at the start of a step (input), made
and used within a step (value), or one thread's own (scratch)."""

LANES = 16
"""Columns of a panel."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a launch computes: a formula, and where the `.net` text says so. `work` is how many operations it
    is beside others of the same calls."""

    formula: str
    path: str = ""
    span: Span | None = None
    of: str = ""
    work: int = 1


@dataclass(frozen=True, slots=True)
class Buffer:
    """A place for one value. `name` is its symbol in a launch's arguments; `label` is for people."""

    name: str
    shape: Shape
    dtype: DType = "float"
    layout: Layout = "rows"
    role: Role = "value"
    label: str = ""
    values: tuple[float, ...] = ()
    """The numbers of a constant."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A compiled function of whole numbers. `text` is empty for a kernel of the library; `about` are the
    formulas it was generated for, which are no part of what it is known by.

    A kernel of a device has `kinds` of its parameters ("float", "int", "long": addresses; "count"), and so
    many `threads` in a block.
    """

    name: str
    text: str = ""
    about: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    threads: int = 0


@dataclass(frozen=True, slots=True)
class Only:
    """When a call is made: where a number, which knows only how many rows there are, is from `low` to before
    `high`."""

    rows: Count
    low: int = 0
    high: int = 1 << 62

    def holds(self, symbols: Mapping[str, int]) -> bool:
        """Tell whether the call is made."""
        return self.low <= int(self.rows.value(symbols)) < self.high


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel. `block` are whole numbers in memory, `block` the symbol of their address: a
    launch passes no more than eleven arguments. One of two ways to compute the same is made for some numbers
    of rows `only`."""

    kernel: str
    arguments: tuple[Count, ...]
    block: tuple[Count, ...] = ()
    only: Only | None = None

    def is_made(self, symbols: Mapping[str, int]) -> bool:
        """Tell whether it is made for a number of rows."""
        return self.only is None or self.only.holds(symbols)


@dataclass(frozen=True, slots=True)
class Each:
    """A step's work as items, numbered by one or two axes (`i`, `j`): each item is its calls, in order, by
    one thread.

    With a `chunk` the last axis counts pieces of a longer one, which ends at `limit`: an item has the places
    from `first` to before `last` of it.

    In groups of so many, items that are neighbors along the first axis follow each other, so that a call can
    do the work of all: `nth` is an item's number in its group, `many` how many a group has at its first item,
    and 0 at the others. A group may have fewer where a thread's share ends: of two axes at a multiple of the
    `grain`, or, with none, of a group.
    """

    extents: tuple[Count, ...]
    chunk: int = 0
    limit: int = 0
    group: int = 1
    grain: int = 0


@dataclass(frozen=True, slots=True)
class Range:
    """A step's work as a range that is cut into one share `lo .. hi` a thread, at multiples of `grain`; with
    a `piece` each thread goes through its share in pieces of that length."""

    total: Count
    grain: int = 1
    piece: int = 0


@dataclass(frozen=True, slots=True)
class Pieces:
    """A step's work as pieces of a range, numbered by `i`: an item has the places from `first` to before
    `last`, `size` of them where there are as many. Threads share them out in order; with a `grain` shares end
    at multiples of that, and a thread's pieces begin where its share does."""

    total: Count
    size: int
    grain: int = 0


@dataclass(frozen=True, slots=True)
class Everyone:
    """Each thread makes the calls, for itself."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A step's work as one launch on a device: as many blocks as the factors multiply to, each an extent and
    how much of it a block takes."""

    blocks: tuple[tuple[Count, int], ...]

    def count(self, symbols: Mapping[str, int]) -> int:
        """Return how many blocks there are."""
        total = 1
        for extent, each in self.blocks:
            total *= -(-int(extent.value(symbols)) // each)
        return total


Work: TypeAlias = Each | Range | Pieces | Everyone | Grid | LibraryProduct


@dataclass(frozen=True, slots=True)
class Access:
    """A buffer that a step reads or writes; `own` when an item (or a place of the range) touches only what no
    other does, in the same order of places as any other access to this buffer with this `own`."""

    buffer: str
    own: str = ""


ELSEWHERE = ""
"""The name of what is touched and is no buffer: the rows of the data, and the results of a run."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Neighboring calls of a step that compute one group, for people: how many calls, what for, how much
    arithmetic, and how many bytes of which buffers they need to touch, or of the data and the results."""

    calls: int
    origins: tuple[Origin, ...]
    flops: Count
    touched: tuple[tuple[str, Count], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Calls over a space of work, and what they touch. `flops` and `bytes` are estimates, for people and for
    choosing how many threads are worth while. A step that was joined from several has the `portions` of
    each."""

    calls: tuple[Call, ...]
    work: Work
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]
    origins: tuple[Origin, ...] = ()
    flops: Count = field(default_factory=Count)
    bytes: Count = field(default_factory=Count)
    portions: tuple[Portion, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """How often neighboring phases are repeated. Their launches have two symbols more: `t`, from 0 up, or
    down to 0 in `reverse`, and `odd`, which is 0 and 1 by turns, 0 at first.

    `free` tells that a thread needs nothing in any turn that another makes: there is a barrier behind the
    last turn alone.
    """

    times: int
    reverse: bool = False
    free: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps between two barriers: none needs what another thread makes in the same phase. Phases of one
    `repeat`, one after the other, are a loop."""

    steps: tuple[Step, ...]
    repeat: Repeat | None = None

    @property
    def times(self) -> int:
        """How often it is done in a step."""
        return self.repeat.times if self.repeat else 1


@dataclass(frozen=True, slots=True)
class Loop:
    """Phases to be repeated, and the memory outside of them that they touch."""

    phases: tuple[Phase, ...]
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A field that is bound before a run: its rows are picked for each batch (or taken whole, without a
    batch axis). `below` is the bound of an index, where the values are used as one."""

    name: str
    shape: Shape
    dtype: DType
    buffer: str
    below: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A value that a run returns: for each example where its shape has a batch axis, else for each batch."""

    name: str
    shape: Shape
    dtype: DType


@dataclass(frozen=True, slots=True, eq=False)
class Scalars:
    """Numbers that the host works out in float64 for each step before a run.

    The outputs of `graph` are numbered "0", "1", …; `slots` is the order in which their values, as float32,
    lie in each thread's block of numbers.
    """

    graph: Graph
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """What a target runs. `kept` maps the name of each weight and state to its buffer; `results` the name of
    each output to the symbol of the array that its steps write to."""

    name: str
    buffers: Mapping[str, Buffer]
    kernels: Mapping[str, Kernel]
    phases: tuple[Phase, ...]
    kept: Mapping[str, str]
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    scalars: Scalars

    def steps(self) -> tuple[Step, ...]:
        """Return the steps of all phases, in order."""
        return tuple(step for phase in self.phases for step in phase.steps)

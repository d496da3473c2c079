"""The tree of a `.net` file: a frozen dataclass for each rule of the grammar, each with its span."""

from __future__ import annotations

from typing import TypeAlias

from netdsl.diagnostics import Source, Span
from netdsl.lazy_dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Name:
    """A name where it is declared, bound or referred to by itself."""

    text: str
    span: Span = field(compare=False)


# ---- expressions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit, if it has one: `3`, `0.5`, `10%` (0.1), `50k` (50000), `10 epochs`.

    `value` is an int where the text has neither point, exponent nor percent sign. `text` is as written.
    `unit` is one of `epochs steps deg px s min h`, however it is written (`1 epoch`, `1 step`).
    """

    value: int | float
    text: str
    unit: str | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Extent:
    """Sizes joined by x: `3x3`."""

    sides: tuple[int, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string; `value` is without the quotes."""

    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Flag:
    """`yes` or `no`."""

    value: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Path:
    """A name, or names joined by points: `lr`, `valid.loss`, `m.relu`."""

    parts: tuple[Name, ...]
    span: Span = field(compare=False)

    @property
    def text(self) -> str:
        """Return the names joined by points."""
        return ".".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True)
class Subscript:
    """`w[0]`, `x[0 .. 3, 1]`: each item is an expression or a Range."""

    value: Path
    items: tuple[Expr, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Named:
    """`name = value` among arguments or in a record."""

    name: Name
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`dense(512, init=he)`."""

    callee: Path
    positional: tuple[Expr, ...]
    named: tuple[Named, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """A figure of a call: `kfold(5).loss`."""

    value: Call
    name: Name
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class List:
    """`[512, 256]`."""

    items: tuple[Expr, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Record:
    """`(train=50k, valid=10k)`."""

    fields: tuple[Named, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x`, `+x` or `not x`."""

    operator: str
    operand: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`a + b`; the operator is one of `+ - * / @ ^ == != < <= > >= and or`, standing at `operator_span`."""

    operator: str
    left: Expr
    right: Expr
    operator_span: Span = field(compare=False)
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Range:
    """`a .. b`."""

    low: Expr
    high: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """`if test then a else b`."""

    test: Expr
    then: Expr
    otherwise: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`repeat 3 {…}`, `repeat n in list {…}`, `repeat (n, p) in list {…}`.

    Either `count` (a number, or a path to one) stands, or `names` and `values`.
    """

    count: Expr | None
    names: tuple[Name, ...]
    values: Expr | None
    stages: tuple[Stage, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of a chain with its label: `-> dense(10) as head`."""

    step: Path | Call | Repeat
    label: Name | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """`a as x -> f -> g(3)`; only made where there is a stage or a label."""

    head: Expr
    label: Name | None
    stages: tuple[Stage, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """An expression in parentheses, kept so that a file prints as it was written."""

    value: Expr
    span: Span = field(compare=False)


Expr: TypeAlias = (
    Number
    | Extent
    | Text
    | Flag
    | Path
    | Subscript
    | Call
    | Member
    | List
    | Record
    | Unary
    | Binary
    | Range
    | Condition
    | Chain
    | Group
)


# ---- statements in a body ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bind:
    """`name = value`."""

    name: Name
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """`state v = 0`."""

    name: Name
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Update:
    """`v := …`."""

    name: Name
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Return:
    """`return …`."""

    value: Expr
    span: Span = field(compare=False)


Statement: TypeAlias = Bind | State | Update | Return


# ---- declarations -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rest:
    """`..` or `..space` in a pattern: any leading extents."""

    name: Name | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """`[h, w, c]`, `[28, 28, 1]`, `[.., c]`."""

    extents: tuple[Number | Name | Rest, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a signature: `x` or `x: [n]`."""

    name: Name
    pattern: Pattern | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a signature: `pad = 0 in [same, valid, 0 .. 1k]`."""

    name: Name
    default: Expr | None
    domain: Expr | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """`layer dense(x: [n]; units) {…}`, and likewise for every other kind of definition.

    The kinds: layer, model, loss, penalty, metric, initializer, optimizer, schedule, scaler.

    `short` tells `= formula` from a body in braces; the formula is then the only statement, a Return.
    """

    kind: str
    name: Name
    tensors: tuple[Tensor, ...]
    settings: tuple[Setting, ...]
    body: tuple[Statement, ...]
    short: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Import:
    """`import "file.net" as m`."""

    path: Text
    alias: Name | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Param:
    """`param lr = 0.01 in 1e-4 .. 1e-1 log`."""

    name: Name
    default: Expr
    domain: Expr | None
    scale: Name | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Field:
    """`batch = 64` in a section."""

    name: Name
    value: Expr
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """`data NAME {…}`, `train [NAME] {…}`, `evaluate [NAME] kfold(5) {…}`."""

    kind: str
    name: Name | None
    method: Call | None
    fields: tuple[Field, ...]
    span: Span = field(compare=False)


Declaration: TypeAlias = Import | Param | Definition | Section


@dataclass(frozen=True, slots=True)
class File:
    """A whole file."""

    source: Source = field(compare=False)
    declarations: tuple[Declaration, ...]

"""What a `data` block says, before any file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from netdsl.diagnostics import Span
from netdsl.semantics.blocks import Block
from netdsl.semantics.experiment import DataPlan, SourcePlan, SplitPlan
from netdsl.semantics.expressions import evaluate
from netdsl.semantics.files import find
from netdsl.semantics.frame import Frame, Site, World
from netdsl.semantics.functions import Function, Given
from netdsl.semantics.items import (
    Interval,
    Item,
    Opaque,
    Quantity,
    Sides,
    describe,
    is_number,
    whole,
    written,
)
from netdsl.semantics.problems import mistake, unknown
from netdsl.semantics.tensors import number
from netdsl.syntax import tree

PARTS: Final = ("train", "valid", "test")
_SPLIT: Final = (*PARTS, "stratified", "seed")
_MOST_PAIRS: Final = 10_000
_MISSING: Final[Mapping[str, Literal["drop", "mean", "category", "error"]]] = {
    "drop": "drop",
    "mean": "mean",
    "category": "category",
    "error": "error",
}


def planned(block: Block, world: World) -> DataPlan:
    """Return the plan of a data block; mistakes in its fields are told."""
    frame = Frame(world, block.module, "data")
    expr = block.value("source")
    if expr is None:
        raise mistake(
            "E0603",
            "this data block has no `source`",
            block.title.span,
            "from where?",
            help="such as `source = digits()`",
        )
    source = _source(expr, frame)
    split: SplitPlan | None = None
    missing: Literal["error", "drop", "mean", "category"] = "error"
    balance: float | None = None
    pairs: int | None = None
    with world.problems.statement():
        split = _split(block.value("split"), frame)
    with world.problems.statement():
        missing = _missing(block.value("missing"))
    with world.problems.statement():
        balance = _balance(block.value("balance"), frame)
    with world.problems.statement():
        pairs = _pairs(block.value("pairs"), frame)
    return DataPlan(block.name, source, split, missing, balance, block.title.span, pairs)


# ---- the source ---------------------------------------------------------------------------------


def _source(expr: tree.Expr, frame: Frame) -> SourcePlan:
    if isinstance(expr, tree.Path):
        expr = tree.Call(expr, (), (), expr.span)
    if not isinstance(expr, tree.Call):
        raise mistake(
            "E0501", "a source is written like a call", expr.span, "not a source", help="such as `digits()`"
        )
    name = expr.callee.text
    positional = tuple(_plain(each, frame) for each in expr.positional)
    named = {each.name.text: _plain(each.value, frame) for each in expr.named}
    spans = {str(index): each.span for index, each in enumerate(expr.positional)}
    spans |= {each.name.text: each.span for each in expr.named}
    return SourcePlan(name, positional, named, expr.span, spans)


def _plain(expr: tree.Expr, frame: Frame) -> Any:
    """Return an argument of a source: names that are no params stand for themselves."""
    match expr:
        case tree.Path() if not _is_param(expr, frame):
            return expr.text
        case tree.List(items=items):
            return tuple(_plain(each, frame) for each in items)
        case tree.Record(fields=fields):
            return {each.name.text: _plain(each.value, frame) for each in fields}
        case tree.Group(value=inner):
            return _plain(inner, frame)
    return _python(evaluate(expr, frame), expr.span)


def _is_param(expr: tree.Path, frame: Frame) -> bool:
    if len(expr.parts) > 1:
        return expr.parts[0].text in frame.module.aliases
    found = find(frame.module, expr.text, expr.span)
    return found is not None and isinstance(found.declaration, tree.Param)


def _python(item: Item, span: Span) -> Any:
    match item:
        case bool() | int() | float() | str():
            return item
        case Sides(sides):
            return sides
        case Quantity(value):
            return value
        case tuple():
            return tuple(_python(each, span) for each in item)
        case Interval(low, high):
            return (_python(low, span), _python(high, span))
    raise mistake("E0205", f"{describe(item)} cannot be given to a source", span, "not possible")


# ---- split, missing, balance, pairs -------------------------------------------------------------


def _split(expr: tree.Expr | None, frame: Frame) -> SplitPlan | None:
    if expr is None:
        return None
    record = expr.value if isinstance(expr, tree.Group) else expr
    if not isinstance(record, tree.Record):
        raise mistake(
            "E0503", "a split gives each part its rows", expr.span, "not a record",
            help="such as `(train=80%, valid=10%, test=10%)` or `(train=50k, valid=10k, test=10k)`",
        )  # fmt: skip
    sizes: dict[str, int | float] = {}
    flags: dict[str, Item] = {}
    for named in record.fields:
        name = named.name.text
        if name not in _SPLIT:
            raise unknown(
                "E0503", "part", name, named.name.span, _SPLIT, listing="a split has", place="in a split"
            )
        if name in sizes or name in flags:
            raise mistake("E0203", f"`{name}` is given twice", named.name.span, "given before")
        item = evaluate(named.value, frame)
        if name in PARTS:
            sizes[name] = _size(item, named.value, name)
        else:
            flags[name] = _flag(name, item, named.value)
    _check_sizes(sizes, expr)
    seed = flags.get("seed", 0)
    assert isinstance(seed, int)
    return SplitPlan(sizes, flags.get("stratified") is True, seed, expr.span)


def _size(item: Item, expr: tree.Expr, name: str) -> int | float:
    if isinstance(item, (int, float)) and is_number(item) and item >= 0:
        if isinstance(item, int):
            return item
        if item <= 1:
            return item
        if whole(item) is not None:
            return int(item)
    raise mistake(
        "E0503",
        f"`{name}` is a number of rows or a share, not {written(item)}",
        expr.span,
        "such as 50k or 80%",
    )


def _flag(name: str, item: Item, expr: tree.Expr) -> Item:
    if name == "stratified" and isinstance(item, bool):
        return item
    if name == "seed" and whole(item) is not None:
        return whole(item) or 0
    wanted = "yes or no" if name == "stratified" else "a whole number"
    raise mistake("E0205", f"`{name}` is {wanted}, not {describe(item)}", expr.span, f"not {wanted}")


def _check_sizes(sizes: Mapping[str, int | float], expr: tree.Expr) -> None:
    shares = [each for each in sizes.values() if isinstance(each, float)]
    if shares and len(shares) != len(sizes):
        raise mistake("E0503", "a split has numbers of rows or shares, not both", expr.span, "mixes both")
    if sum(shares) > 1 + 1e-9:
        raise mistake("E0503", f"the shares add up to {sum(shares):.0%}", expr.span, "more than 100 %")
    if not sizes.get("train"):
        raise mistake(
            "E0503",
            "a split needs a `train` part",
            expr.span,
            "nothing to train on",
            help="such as `train=80%`",
        )


def _missing(expr: tree.Expr | None) -> Literal["error", "drop", "mean", "category"]:
    if expr is None:
        return "error"
    text = expr.text if isinstance(expr, tree.Path) else expr.span.text
    if text not in _MISSING:
        raise unknown("E0504", "way to treat missing cells", text, expr.span, _MISSING, listing="there are")
    return _MISSING[text]


def _oversample(site: Site, given: Given) -> Item:
    share = number(given["share"][0], site, "the share", given["share"][1])
    if not 0 < share <= 1:
        raise site.mistake("E0206", f"the share is above 0 and at most 1, not {share:g}", "out of range")
    return Opaque(float(share))


def _balance(expr: tree.Expr | None, frame: Frame) -> float | None:
    if expr is None:
        return None
    functions = {"oversample": Function("oversample", ("share",), 1, _oversample)}
    item = evaluate(expr, frame.inner(functions=functions))
    if not isinstance(item, Opaque) or not isinstance(item.value, float):
        raise mistake(
            "E0504", f"`balance` is `oversample(share)`, not {describe(item)}", expr.span, "not known"
        )
    return item.value


def _pairs(expr: tree.Expr | None, frame: Frame) -> int | None:
    if expr is None:
        return None
    item = evaluate(expr, frame)
    count = whole(item)
    if count is None or not 1 <= count <= _MOST_PAIRS:
        raise mistake(
            "E0504",
            f"`pairs` is a number of pairs for each example, 1 to {_MOST_PAIRS:,}, not {written(item)}",
            expr.span,
            "not a number of pairs",
            help="such as `pairs = 4`",
        )
    return count

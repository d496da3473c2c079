"""What a `train` block says besides the graph: batch, length, stops, seed, clipping, precision, freezing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, get_args

from netdsl.diagnostics import Span
from netdsl.graph import Precision
from netdsl.semantics.blocks import Block
from netdsl.semantics.experiment import EarlyStop, Measure, Stop, TargetStop, TimeStop, TrainingPlan
from netdsl.semantics.expressions import evaluate, model_part
from netdsl.semantics.files import find
from netdsl.semantics.frame import Frame, World
from netdsl.semantics.items import Item, Opaque, Quantity, Word, describe, whole, written
from netdsl.semantics.problems import MistakeError, mistake, nearest, unknown
from netdsl.semantics.stops import CLIPS, STOPS
from netdsl.semantics.tensors import expected
from netdsl.syntax import tree

BATCH_ROWS = 32
SEED = 1


def batch_of(train: Block, frame: Frame) -> int | None:
    """Return the number of rows of a batch; None for all."""
    expr = train.value("batch")
    if expr is None:
        return BATCH_ROWS
    if isinstance(expr, tree.Path) and expr.text == "all":
        return None
    return _count(expr, "`batch`", frame)


def _count(expr: tree.Expr, what: str, frame: Frame, least: int = 1) -> int:
    item = evaluate(expr, frame)
    count = whole(item)
    if isinstance(item, Quantity) and what in _LENGTHS:
        raise _length(item, expr, what)
    if count is None:
        raise expected("a whole number", item, what, frame.site(expr.span))
    if not least <= count <= 2**53:
        raise mistake("E0206", f"{what} is {least} or more, not {count}", expr.span, "out of range")
    return count


_LENGTHS: Final = ("`epochs`", "`steps`")


def _length(item: Quantity, expr: tree.Expr, what: str) -> MistakeError:
    """Return the error for a length with a unit: the field is the unit, and a time is a stop."""
    amount = written(item.value)
    cures = {
        "s": f"stop = time({expr.span.text})",
        "epochs": f"epochs = {amount}",
        "steps": f"steps = {amount}",
    }
    cure = cures.get(item.unit)
    return mistake(
        "E0205",
        f"{what} must be a whole number, not {describe(item)}",
        expr.span,
        "not a whole number",
        help=f"write `{cure}`" + (f", beside {what}" if item.unit == "s" else "") if cure else None,
    )


def length_of(train: Block, has_data: bool, frame: Frame) -> tuple[int, Measure]:
    """Return how long a training is, in epochs or steps.

    Errors: E0603 when neither is given, E0604 when both are, or epochs where there is no data.
    """
    epochs, steps = train.fields.get("epochs"), train.fields.get("steps")
    if epochs and steps:
        raise mistake(
            "E0604", "a training has a number of epochs or of steps, not both", steps.name.span, "and steps"
        )
    if steps:
        return _count(steps.value, "`steps`", frame), "steps"
    if epochs and not has_data:
        raise mistake(
            "E0604",
            "without data there are no epochs",
            epochs.name.span,
            "counts steps",
            help="write `steps = …`",
        )
    if epochs:
        return _count(epochs.value, "`epochs`", frame), "epochs"
    raise mistake(
        "E0603",
        "this training does not say how long it is",
        train.title.span,
        "how long?",
        help="add `epochs = 10`" if has_data else "add `steps = 500`",
    )


def planned_training(train: Block, has_data: bool, world: World) -> TrainingPlan:
    """Return the plan of a training; mistakes in its fields are told."""
    frame = Frame(world, train.module, "train")
    tell = world.problems.statement
    batch: int | None = BATCH_ROWS
    length: tuple[int, Measure] = (1, "epochs")
    seed, start = SEED, None
    precision: Precision = "float32"
    with tell():
        batch = batch_of(train, frame)
    with tell():
        length = length_of(train, has_data, frame)
    with tell():
        expr = train.value("seed")
        seed = SEED if expr is None else _count(expr, "`seed`", frame, 0)
    with tell():
        start = _start(train, frame)
    with tell():
        precision = precision_of(train, frame)
    return TrainingPlan(
        train.name,
        batch,
        length[0],
        length[1],
        seed,
        _stops(train, frame),
        start,
        _place(train, "start") if start else None,
        train.title.span,
        precision,
        _place(train, "precision"),
    )


def _place(train: Block, field: str) -> Span | None:
    expr = train.value(field)
    return None if expr is None else expr.span


PRECISIONS: Final[Mapping[str, Precision]] = {each: each for each in get_args(Precision)}


def precision_of(train: Block, frame: Frame) -> Precision:
    """Return what the factors of products and convolutions are rounded to.

    Errors: E0205 for what is no word, E0206 for a word that is none of them.
    """
    expr = train.value("precision")
    if expr is None:
        return "float32"
    if isinstance(expr, tree.Path) and (
        expr.text in PRECISIONS or find(train.module, expr.parts[0].text, expr.span) is None
    ):
        word = expr.text
    else:
        item = evaluate(expr, frame)
        if not isinstance(item, Word):
            raise expected("float32, tf32 or bf16", item, "`precision`", frame.site(expr.span))
        word = item.text
    if word in PRECISIONS:
        return PRECISIONS[word]
    raise mistake(
        "E0206",
        f"`precision` is {word}, and may be one of {', '.join(PRECISIONS)}",
        expr.span,
        "not one of these",
        help=_nearest_precision(word),
    )


def _nearest_precision(word: str) -> str | None:
    if word in ("float16", "fp16", "half", "mixed"):
        return "write `bf16`: it has the range of float32, so that losses need not be scaled"
    meant = "bf16" if word == "bfloat16" else nearest(word, PRECISIONS)
    return f"did you mean `{meant}`?" if meant else None


def _start(train: Block, frame: Frame) -> str | None:
    expr = train.value("start")
    if expr is None:
        return None
    item = evaluate(expr, frame)
    if not isinstance(item, str):
        raise expected('a file in "quotes"', item, "`start`", frame.site(expr.span))
    return item


def _items(expr: tree.Expr) -> tuple[tree.Expr, ...]:
    match expr:
        case tree.List(items=items):
            return items
        case tree.Group(value=inner):
            return _items(inner)
        case _:
            return (expr,)


def _stops(train: Block, frame: Frame) -> tuple[Stop, ...]:
    expr = train.value("stop")
    stops: list[Stop] = []
    for each in _items(expr) if expr is not None else ():
        with frame.world.problems.statement():
            item = evaluate(each, frame.inner(functions=STOPS))
            if not isinstance(item, Opaque) or not isinstance(item.value, (EarlyStop, TargetStop, TimeStop)):
                raise _not_one_of(item, each, "a training stops by", STOPS)
            stops.append(item.value)
    return tuple(stops)


def _not_one_of(item: Item, expr: tree.Expr, what: str, known: Mapping[str, object]) -> Exception:
    names = ", ".join(f"`{each}(…)`" for each in known)
    return mistake("E0605", f"{what} {names}, not {describe(item)}", expr.span, "none of these")


def clip_of(train: Block, world: World) -> tuple[Literal["value", "norm"] | None, float]:
    """Return how gradients are clipped, and at what."""
    expr = train.value("clip")
    if expr is None:
        return None, 0.0
    frame = Frame(world, train.module, "train", functions=CLIPS)
    item = evaluate(expr, frame)
    match item:
        case Opaque(("norm", float() as limit)):
            return "norm", limit
        case Opaque(("value", float() as limit)):
            return "value", limit
    raise _not_one_of(item, expr, "gradients are clipped by", CLIPS)


def frozen_parts(train: Block) -> list[tuple[str, Span]]:
    """Return the parts that are frozen, each with its place."""
    expr = train.value("freeze")
    return [] if expr is None else [model_part(each) for each in _items(expr)]


# ---- figures that are asked for -----------------------------------------------------------------


def check_figure(
    part: str, figure: str, span: Span, figures: Collection[str], parts: Collection[str]
) -> None:
    """Check that a figure such as `valid.loss` will be there; `figures` are the metrics that are one number.

    Errors: E0605 for a part or figure that is not there, E0610 for the valid part of data without one.
    """
    if part not in ("train", "valid"):
        raise mistake(
            "E0605",
            f"`{span.text}` is no figure of a training",
            span,
            "of which part?",
            help=f"write `valid.{figure}` or `train.{figure}`; the test part is measured once, at the end",
        )
    if part not in parts:
        raise mistake(
            "E0610",
            f"the data has no {part} part to measure `{figure}` on",
            span,
            f"no {part} part",
            help="give it one: `split = (train=80%, valid=20%)`",
        )
    known = {f"{part}.{each}" for each in ("loss", "objective", *figures)}
    if f"{part}.{figure}" not in known:
        raise unknown("E0605", "figure", f"{part}.{figure}", span, known, listing="the figures are")


def check_share(stop: TargetStop) -> None:
    """Check that the target of a share of examples can be reached.

    Errors: E0206 for one that is not from 0 to 1.
    """
    if stop.span is not None and not 0 <= stop.value <= 1:
        message = f"`{stop.figure}` is a share of examples, and never {stop.value:g}"
        raise mistake("E0206", message, stop.span, "goes from 0 to 1", help="such as `95%`")

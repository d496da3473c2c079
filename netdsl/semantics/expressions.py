"""What an expression stands for in a frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from netdsl.diagnostics import Label, Span
from netdsl.semantics.amount import MOST_USES
from netdsl.semantics.files import Found
from netdsl.semantics.frame import MOST_NODES, Frame, extended
from netdsl.semantics.functions import FUNCTIONS, WORDS, Function, match_arguments
from netdsl.semantics.functions.elementwise import choose
from netdsl.semantics.functions.movement import subscript
from netdsl.semantics.items import (
    Interval,
    Item,
    Poison,
    Quantity,
    Recipe,
    Record,
    Sides,
    Tensor,
    Tool,
    Weights,
    Word,
    describe,
    text_of,
    whole,
)
from netdsl.semantics.lookup import as_recipe, field_of, in_module, lookup, not_a_value
from netdsl.semantics.operators import binary, unary
from netdsl.semantics.problems import MistakeError, PoisonedError, mistake, unknown
from netdsl.semantics.settings import Slot, fit, type_of
from netdsl.semantics.tensors import expected
from netdsl.syntax import tree

MOST_STAGES: Final = 100_000
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


def evaluate(expr: tree.Expr, frame: Frame, name: str | None = None) -> Item:
    """Return what an expression stands for; `name` is what its value is bound to.

    Errors: MistakeError, with the place; PoisonedError where it depends on a mistake already told.
    """
    match expr:
        case tree.Number():
            return quantity(expr)
        case tree.Extent(sides=sides):
            return Sides(sides)
        case tree.Text(value=value) | tree.Flag(value=value):
            return value
        case tree.Path():
            return path(expr, frame)
        case tree.Subscript(value=value, items=items, span=span):
            parts = tuple(evaluate(each, frame) for each in items)
            return subscript(path(value, frame), parts, frame.site(span))
        case tree.Call():
            return call(expr, frame, None, name)
        case tree.Member(span=span):
            raise mistake("E0190", "figures of a call are for `search` blocks", span, "cannot stand here")
        case tree.List(items=items):
            return tuple(evaluate(each, frame) for each in items)
        case tree.Record(fields=fields):
            return _record(fields, frame)
        case tree.Unary(operator=sign, operand=part, span=span):
            return unary(sign, operand(part, frame), frame.site(span))
        case tree.Binary(operator=sign, left=left, right=right, operator_span=span):
            return binary(sign, operand(left, frame), operand(right, frame), frame.site(span))
        case tree.Range(low=low, high=high):
            return Interval(evaluate(low, frame), evaluate(high, frame))
        case tree.Condition():
            return _condition(expr, frame, name)
        case tree.Chain():
            return _chain(expr, frame, name)
        case tree.Group(value=inner):
            return evaluate(inner, frame, name)


def operand(expr: tree.Expr, frame: Frame) -> Item:
    """Return the value that an expression stands for: a schedule or loss by itself is applied."""
    return implied(evaluate(expr, frame), frame, expr.span)


def implied(item: Item, frame: Frame, span: Span) -> Item:
    """Return the value that a definition by itself stands for, in frames that have such a rule."""
    if isinstance(item, Recipe) and frame.implied is not None:
        return frame.implied(item, frame.site(span))
    return item


def quantity(expr: tree.Number) -> Item:
    """Return a number, with its unit if it has one."""
    if expr.unit is None:
        return expr.value
    if expr.unit in _SECONDS:
        return Quantity(expr.value * _SECONDS[expr.unit], "s")
    return Quantity(expr.value, expr.unit)


def _record(fields: tuple[tree.Named, ...], frame: Frame) -> Record:
    record: dict[str, Item] = {}
    for each in fields:
        if each.name.text in record:
            raise mistake("E0203", f"`{each.name.text}` is given twice", each.name.span, "given before")
        record[each.name.text] = operand(each.value, frame)
    return Record(record)


# ---- names --------------------------------------------------------------------------------------


def path(expr: tree.Path, frame: Frame) -> Item:
    """Return what a name, or names joined by points, stand for."""
    first, *rest = expr.parts
    if rest and first.text not in frame.names and first.text in frame.module.aliases:
        frame.world.used.add((frame.module.name, first.text))
        found: Item | Found = in_module(first, frame.module.aliases[first.text], rest[0])
        item, name, rest = _item(found, rest[0], frame), rest[0], rest[1:]
    else:
        item, name = _item(lookup(first, frame), first, frame), first
    for each in rest:
        item, name = field_of(item, each, name.text), each
    frame.see(expr.span, item)
    return replace(item, called=expr.text) if isinstance(item, Tensor) else item


def _item(found: Item | Found, name: tree.Name, frame: Frame) -> Item:
    if not isinstance(found, Found):
        return found
    frame.world.used.add((found.module.name, name.text))
    match found.declaration:
        case tree.Definition():
            return as_recipe(found)
        case tree.Param() as param:
            return param_item(param, found, frame)
        case tree.Section():
            raise not_a_value(found, name)


def param_item(param: tree.Param, found: Found, frame: Frame) -> Item:
    """Return what a param stands for: what the command line says, else its default; checked once."""
    world, key = frame.world, (found.module.name, param.name.text)
    if key in world.items:
        item = world.items[key]
        if isinstance(item, Poison):
            raise PoisonedError
        return item
    if key in world.pending:
        raise mistake(
            "E0113", f"`{param.name.text}` is defined by itself", param.name.span, "goes round in a circle"
        )
    world.pending.append(key)
    world.items[key] = Poison()
    try:
        world.items[key] = _param_value(param, found, frame)
    finally:
        world.pending.remove(key)
    return world.items[key]


def _param_value(param: tree.Param, found: Found, frame: Frame) -> Item:
    inner = Frame(frame.world, found.module, "param")
    del frame.world.items[(found.module.name, param.name.text)]
    slot = make_slot(param.name, "param", param.default, param.domain, inner)
    frame.world.items[(found.module.name, param.name.text)] = Poison()
    _check_scale(param, slot)
    given = frame.world.overrides.get(param.name.text) if found.module is frame.world.files.main else None
    expr = param.default if given is None else given
    item = slot.default if given is None else argument(given, slot, inner)
    assert item is not None
    try:
        return fit(slot, item, expr.span, inner.site(expr.span))
    except MistakeError as mistake:
        if mistake.diagnostic.code != "E0206":
            raise
        frame.world.problems.tell(mistake.diagnostic)
        return item  # of the right type, so what uses it can be looked at


def _check_scale(param: tree.Param, slot: Slot) -> None:
    if param.scale is None:
        return
    if param.scale.text != "log":
        raise mistake("E0212", f"there is no scale `{param.scale.text}`", param.scale.span, "only `log`")
    domain = slot.domain
    if not isinstance(domain, Interval) or not isinstance(domain.low, (int, float)) or domain.low <= 0:
        place = param.domain.span if param.domain else param.scale.span
        raise mistake(
            "E0212", "a log scale has a range that starts above 0", place, "has no logarithm at its start"
        )


def make_slot(
    name: tree.Name, owner: str, default: tree.Expr | None, domain: tree.Expr | None, frame: Frame
) -> Slot:
    """Return the slot that a declaration makes: its default, its alternatives, the type they give."""
    choices = _domain(domain, frame) if domain is not None else None
    listed = choices if isinstance(choices, tuple) else ()
    words = frozenset(each.text for each in listed if isinstance(each, Word))
    value = None if default is None else evaluate(default, frame.inner(words=frame.words | words))
    place = None if domain is None else domain.span
    return Slot(name.text, owner, value, choices, type_of(value, choices), name.span, place)


def _domain(expr: tree.Expr, frame: Frame) -> Interval | tuple[Item, ...]:
    if isinstance(expr, tree.List):
        return tuple(_choice(each, frame) for each in expr.items)
    item = evaluate(expr, frame)
    if not isinstance(item, Interval):
        raise mistake(
            "E0212",
            f"a range `low .. high` or a list of alternatives is expected, not {describe(item)}",
            expr.span,
        )
    site = frame.site(expr.span)
    if binary(">", item.low, item.high, site) is True:
        raise mistake("E0212", "the range is empty: its low end is above its high end", expr.span, "empty")
    return item


def _choice(expr: tree.Expr, frame: Frame) -> Item:
    if isinstance(expr, tree.Path) and len(expr.parts) == 1 and _is_word(expr.parts[0], frame):
        return Word(expr.text)
    return evaluate(expr, frame)


def _is_word(name: tree.Name, frame: Frame) -> bool:
    known = {*frame.names, *frame.specials, *frame.module.visible(), *FUNCTIONS}
    return name.text not in known


# ---- conditions ---------------------------------------------------------------------------------


def _condition(expr: tree.Condition, frame: Frame, name: str | None) -> Item:
    test = operand(expr.test, frame)
    if isinstance(test, bool):
        return evaluate(expr.then if test else expr.otherwise, frame, name)
    site = frame.site(expr.test.span)
    if not isinstance(test, Tensor):
        raise expected("a condition", test, "what `if` asks", site)
    branches = [operand(each, frame) for each in (expr.then, expr.otherwise)]
    return choose(test, branches[0], branches[1], frame.site(expr.span))


# ---- chains -------------------------------------------------------------------------------------


def _chain(expr: tree.Chain, frame: Frame, name: str | None) -> Item:
    label = expr.label.text if expr.label else None
    if expr.label is not None and not isinstance(expr.head, tree.Call):
        raise mistake("E0109", "a label names a use, and this is none", expr.label.span, "nothing to name")
    value = evaluate(expr.head, frame, label)
    single = len(expr.stages) == 1 and isinstance(expr.head, (tree.Path, tree.Subscript))
    if frame.world.uses + len(expr.stages) > MOST_USES:
        raise frame.site(expr.stages[-1].step.span).too_many(f"{len(expr.stages):,} stages")
    for stage in expr.stages:
        value = implied(value, frame, expr.head.span)
        value = _stage(stage, value, frame, name if single else None)
    return value


def _stage(stage: tree.Stage, value: Item, frame: Frame, name: str | None) -> Item:
    label = stage.label.text if stage.label else name
    if isinstance(value, Record):
        raise mistake(
            "E0313",
            "this value has several outputs: " + ", ".join(f"`{each}`" for each in value.fields),
            stage.step.span,
            "takes one",
            help="bind it to a name and pick one: `y." + next(iter(value.fields), "a") + "`",
        )
    match stage.step:
        case tree.Repeat() as repeat:
            if stage.label is not None:
                raise mistake(
                    "E0109", "a label names a use, and `repeat` is many", stage.label.span, "not one use"
                )
            return _repeat(repeat, value, frame)
        case tree.Path(span=span) as callee:
            result = call(tree.Call(callee, (), (), span), frame, value, label)
        case tree.Call(span=span) as step:
            result = call(step, frame, value, label)
    frame.see(span, result)
    return _remembered(result, value, span, frame)


def _remembered(result: Item, before: Item, span: Span, frame: Frame) -> Item:
    """Note in the trail of a tensor what a stage made of its shape."""
    if isinstance(result, Recipe | Tool):
        raise mistake("E0105", f"{describe(result)} is not applied here", span, "gives no value")
    if not isinstance(result, Tensor) or frame.module.is_library:
        return result
    if isinstance(before, Tensor) and before.shape == result.shape:
        return result
    return extended(result, Label(span, f"gives {text_of(result.shape)}"))


def _repeat(repeat: tree.Repeat, value: Item, frame: Frame) -> Item:
    rounds = _rounds(repeat, frame)
    world = frame.world
    nodes, uses = world.nodes, world.uses
    for index, names in enumerate(rounds):
        if index == 1 and (
            (world.nodes - nodes) * len(rounds) > MOST_NODES or (world.uses - uses) * len(rounds) > MOST_USES
        ):
            raise frame.site(repeat.span).too_many(f"{len(rounds):,} times")
        inner = frame.inner(names={**frame.names, **names}, repeat=(*frame.repeat, index))
        for stage in repeat.stages:
            value = _stage(stage, value, inner, None)
    return value


def _rounds(repeat: tree.Repeat, frame: Frame) -> list[dict[str, Item]]:
    """Return the names of each round, after a look at how many there are."""
    if repeat.count is not None:
        item = evaluate(repeat.count, frame)
        count = whole(item)
        if count is None or count < 0:
            raise expected("a whole number", item, "how often to repeat", frame.site(repeat.count.span))
        if count * len(repeat.stages) > MOST_STAGES:
            raise _too_often(count, repeat.count.span)
        return [{}] * count
    assert repeat.values is not None
    items = evaluate(repeat.values, frame)
    if isinstance(items, Interval):
        items = _counted(items, repeat.values.span, frame)
    if not isinstance(items, tuple):
        raise expected("a list", items, "what `repeat` goes through", frame.site(repeat.values.span))
    for name in repeat.names:
        if name.text in frame.names:
            raise mistake("E0110", f"`{name.text}` has a meaning here already", name.span, "bound before")
    return [_round(repeat, each, frame) for each in items]


def _too_often(count: int, span: Span) -> Exception:
    return mistake(
        "E0402",
        f"this would repeat {count:,} times (limit {MOST_STAGES:,} stages)",
        span,
        "too often",
    )


def _counted(items: Interval, span: Span, frame: Frame) -> tuple[Item, ...]:
    low, high = whole(items.low), whole(items.high)
    if low is None or high is None:
        raise expected("a range of whole numbers", items, "what `repeat` goes through", frame.site(span))
    if high - low > MOST_STAGES:
        raise _too_often(high - low, span)
    return tuple(range(low, high + 1))


def _round(repeat: tree.Repeat, item: Item, frame: Frame) -> dict[str, Item]:
    assert repeat.values is not None
    if len(repeat.names) == 1:
        return {repeat.names[0].text: item}
    if not isinstance(item, tuple) or len(item) != len(repeat.names):
        raise mistake(
            "E0205",
            f"each round binds {len(repeat.names)} names, and the list has {describe(item)} in it",
            repeat.values.span,
            f"needs lists of {len(repeat.names)}",
        )
    return dict(zip((name.text for name in repeat.names), item, strict=True))


# ---- calls --------------------------------------------------------------------------------------


def call(expr: tree.Call, frame: Frame, flow: Item | None, name: str | None) -> Item:
    """Return what a call gives; `flow` is the value that a chain passes on."""
    callee = path(expr.callee, frame)
    match callee:
        case Recipe():
            return frame.world.use(callee, expr, flow, frame, name)
        case Tool():
            return _tool(callee, expr, flow, frame, name)
        case Weights():
            return _weights(expr)
        case _:
            raise mistake(
                "E0105",
                f"`{expr.callee.text}` is {describe(callee)}, and cannot be applied",
                expr.callee.span,
                "not a definition or a function",
            )


def _weights(expr: tree.Call) -> Weights:
    return Weights(tuple(map(model_part, expr.positional)))


def model_part(expr: tree.Expr) -> tuple[str, Span]:
    """Return the path of a part of the model that is named, `stem` or `"encoder/stem"`, with its place."""
    match expr:
        case tree.Path(text=text, span=span):
            return text.replace(".", "/"), span
        case tree.Text(value=value, span=span):
            return value, span
        case _:
            raise mistake("E0608", "a part of the model is given by its name", expr.span, "not a name")


def _tool(tool: Tool, expr: tree.Call, flow: Item | None, frame: Frame, name: str | None) -> Item:
    function = tool.function
    site = frame.site(expr.span, name)
    if flow is not None and function.elementwise and frame.path:
        site = frame.inner(path=f"{frame.path}/{_numbered(function.name, frame)}").site(expr.span, name)
    positional = [(flow, expr.callee.span)] if flow is not None else []
    parameters = function.parameters if not function.rest else function.parameters[:1] * len(expr.positional)
    names = [*parameters[len(positional) :], *[""] * len(expr.positional)]
    positional += [
        (_tool_argument(each, parameter, function, frame), each.span)
        for each, parameter in zip(expr.positional, names, strict=False)
    ]
    named = [
        (
            each.name.text,
            each.name.span,
            _tool_argument(each.value, each.name.text, function, frame),
            each.value.span,
        )
        for each in expr.named
    ]
    given = {**tool.given, **match_arguments(function, positional, named, expr.span)}
    if function.initializer and frame.kind != "initializer" and not {"like", "shape"} & set(given):
        return Tool(function, given)
    return function.run(site, given)


def _numbered(name: str, frame: Frame) -> str:
    frame.body.counts[name] += 1
    return frame.body.numbered(name)


def _tool_argument(expr: tree.Expr, parameter: str, function: Function, frame: Frame) -> Item:
    if parameter in function.named:
        if not isinstance(expr, tree.Path):
            raise mistake("E0205", f"`{parameter}` of `{function.name}` is a name", expr.span, "not a name")
        return expr.text
    if parameter == "over":
        return _axes(expr, frame)
    if isinstance(expr, tree.Path) and parameter in function.words and expr.text not in frame.names:
        return _word(expr, parameter, function.words[parameter], frame)
    if parameter in function.partial and isinstance(expr, tree.Call):
        frame = frame.inner(partial=True)
    if parameter == "init" and isinstance(expr, (tree.Path, tree.Call)):
        return evaluate(expr, frame)
    return operand(expr, frame)


def _word(expr: tree.Path, parameter: str, words: tuple[str, ...], frame: Frame) -> Item:
    """Return a word that an argument may be, or what a name that is none of them stands for."""
    if expr.text in words:
        return Word(expr.text)
    if len(expr.parts) == 1 and _is_word(expr.parts[0], frame):
        raise no_choice(expr.parts[0], parameter, words)
    return operand(expr, frame)


def no_choice(name: tree.Name, parameter: str, words: Iterable[str]) -> MistakeError:
    """Return the error for a word that is none of a setting's alternatives."""
    return unknown(
        "E0206", "choice", name.text, name.span, words, place=f"for `{parameter}`", listing="it is one of"
    )


def _axes(expr: tree.Expr, frame: Frame) -> Item:
    """Return axes: `examples` is the axis here, whatever else it means."""
    match expr:
        case tree.Path() if expr.text in WORDS and expr.text not in frame.names:
            return Word(expr.text)
        case tree.List(items=items):
            return tuple(_axes(each, frame) for each in items)
        case _:
            return evaluate(expr, frame)


def argument(expr: tree.Expr, slot: Slot, frame: Frame) -> Item:
    """Return what is given for a setting: its words come before names."""
    words = slot.words
    if isinstance(slot.default, Word) and slot.default.text in WORDS:
        words |= WORDS.keys()
    match expr:
        case tree.Path() if expr.text in words and expr.text not in frame.names:
            return Word(expr.text)
        case tree.List(items=items):
            return tuple(argument(each, slot, frame) for each in items)
        case tree.Path(parts=(name,)) if words and _is_word(name, frame):
            raise no_choice(name, slot.name, words)
        case _:
            return evaluate(expr, frame)

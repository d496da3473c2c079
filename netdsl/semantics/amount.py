"""How many uses of definitions a body stands for at least: told before any of them is worked out.

`layer a(x) = x -> b -> b`, `layer b(x) = x -> c -> c` and so on double with each line. What is counted is
certain: names of definitions in chains, calls and bindings, `repeat` where its number is written, the lesser
of two branches. What only the work itself can tell counts nothing here, and is counted there.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Final

from netdsl.semantics.files import Module, find
from netdsl.semantics.problems import MistakeError
from netdsl.syntax import tree

MOST_USES: Final = 20_000
"""How many uses of definitions an experiment has at most."""

Known = MutableMapping[int, int]
"""The numbers of uses of definitions, by the identity of these; those that are being counted stand for 1."""


def uses_within(definition: tree.Definition, module: Module, known: Known, levels: int) -> int:
    """Return how many uses of definitions one use of a definition makes at least, itself among them.

    What is nested deeper than so many `levels` is not looked at, and may be kept among what is `known` as
    fewer: the work tells it as too deep at its use, before it goes there.
    """
    key = id(definition)
    if levels < 1:
        return known.get(key, 1)
    if key not in known:
        known[key] = 1  # one that uses itself is told elsewhere
        own = {each.name.text for each in definition.tensors}
        own |= {each.name.text for each in definition.settings}
        own |= {each.name.text for each in definition.body if not isinstance(each, tree.Return)}
        known[key] = 1 + sum(_in(each.value, module, own, known, levels) for each in definition.body)
    return known[key]


def _in(expr: tree.Expr, module: Module, own: set[str], known: Known, levels: int) -> int:
    """Return the uses that an expression is made of."""

    def each(parts: Iterable[tree.Expr]) -> int:
        return sum(_in(part, module, own, known, levels) for part in parts)

    match expr:
        case tree.Chain():
            return each([expr.head]) + _stages(expr.stages, module, own, known, levels)
        case tree.Call():
            # An argument may be for something that is never asked: only what is surely applied counts.
            return _named(expr.callee, module, own, known, levels) + each(expr.positional)
        case tree.Binary():
            return each([expr.left, expr.right])
        case tree.Unary():
            return each([expr.operand])
        case tree.Group():
            return each([expr.value])
        case tree.Condition():
            return min(each([expr.then]), each([expr.otherwise]))
        case _:
            return 0


def _stages(stages: Iterable[tree.Stage], module: Module, own: set[str], known: Known, levels: int) -> int:
    count = 0
    for stage in stages:
        match stage.step:
            case tree.Path() as path:
                count += _named(path, module, own, known, levels)
            case tree.Call() as call:
                count += _named(call.callee, module, own, known, levels)
            case tree.Repeat() as repeat:
                rounds = _times(repeat) * _stages(repeat.stages, module, own, known, levels)
                count += rounds if rounds <= MOST_USES else 0  # too many by itself: told there
    return count


def _times(repeat: tree.Repeat) -> int:
    match repeat.count, repeat.values:
        case tree.Number(value=int(times)), _:
            return times
        case _, tree.List(items=items):
            return len(items)
        case _:
            return 0


def _named(path: tree.Path, module: Module, own: set[str], known: Known, levels: int) -> int:
    name = path.parts[0]
    if len(path.parts) > 1 or name.text in own:
        return 0
    try:
        found = find(module, name.text, name.span)
    except MistakeError:
        return 0  # told where it is looked up
    if found is None or not isinstance(found.declaration, tree.Definition):
        return 0
    if found.declaration.kind not in ("layer", "model"):
        return 0
    return uses_within(found.declaration, found.module, known, levels - 1)

"""The outputs of a model, and the parts of it that have names of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from netdsl.syntax import tree

Part: TypeAlias = tuple[tree.Name, str, tree.Bind | tree.Stage | tree.Chain]
"""The name of a part, whether it is a label or a binding, and what carries it."""


def outputs_of(what: tree.Definition | tree.Expr) -> tuple[tree.Named, ...]:
    """Return the named outputs of a model, or of what it returns; none where it has a single one."""
    if isinstance(what, tree.Definition):
        returned = [each for each in what.body if isinstance(each, tree.Return)]
        return outputs_of(returned[-1].value) if returned and what.kind == "model" else ()
    if isinstance(what, tree.Group):
        return outputs_of(what.value)
    return what.fields if isinstance(what, tree.Record) else ()


def part_of(model: tree.Definition, name: str) -> Part | None:
    """Return the part of a model that has a name: a label, else a binding."""
    found = [each for each in parts_of(model) if each[0].text == name]
    labels = [each for each in found if each[1] == "label"]
    return next(iter(labels or found), None)


def parts_of(model: tree.Definition) -> Iterator[Part]:
    """Yield the labels and the bindings in a body."""
    for statement in model.body:
        if isinstance(statement, tree.Bind):
            yield statement.name, "binding", statement
        yield from _labels(statement.value)


def _labels(expr: tree.Expr) -> Iterator[Part]:
    match expr:
        case tree.Chain(head=head, label=label, stages=stages):
            yield from _labels(head)
            if label is not None:
                yield label, "label", expr
            for stage in stages:
                if isinstance(stage.step, tree.Repeat):
                    continue  # its uses have no names of their own
                if stage.label is not None:
                    yield stage.label, "label", stage
        case tree.Condition(then=then, otherwise=otherwise):
            yield from _labels(then)
            yield from _labels(otherwise)
        case tree.Binary(left=left, right=right):
            yield from _labels(left)
            yield from _labels(right)
        case tree.Group(value=value):
            yield from _labels(value)
        case tree.Call(positional=positional, named=named):
            for each in (*positional, *(one.value for one in named)):
                yield from _labels(each)
        case tree.List(items=items):
            for each in items:
                yield from _labels(each)
        case tree.Record(fields=fields):
            for one in fields:
                yield from _labels(one.value)

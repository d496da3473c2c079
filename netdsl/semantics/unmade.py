"""Checks what a training says of a model, or of data, that a mistake keeps from being made."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.files import Found, find
from netdsl.semantics.frame import Frame, Site
from netdsl.semantics.functions import FUNCTIONS
from netdsl.semantics.items import Recipe
from netdsl.semantics.lookup import missing
from netdsl.semantics.problems import MistakeError, nearest, unknown
from netdsl.syntax import tree

Refusal = Callable[[Recipe, Site], MistakeError]


@dataclass(slots=True)
class Terms:
    """The losses and metrics that a field names, apart from what they are applied to.

    `seen` are the outputs and fields that are known of; `refuse` tells of a definition of another kind than
    `kinds`.
    """

    kinds: Collection[str]
    seen: Collection[str]
    refuse: Refusal
    frame: Frame

    def check(self, expr: tree.Expr, *, sure: bool = True) -> None:
        """Tell every name in an expression that nothing has; not `sure`, it may be a field of the data."""
        with self.frame.world.problems.statement():
            match expr:
                case tree.Path():
                    self._name(expr, sure=sure, applied=True)
                case tree.Call():
                    self._name(expr.callee, sure=True, applied=not expr.positional)
                case tree.Group():
                    self.check(expr.value, sure=sure)
                case tree.Unary(operand=operand):
                    self.check(operand, sure=False)
                case tree.Binary(left=left, right=right):
                    self.check(left, sure=False)
                    self.check(right, sure=False)
                case tree.List(items=items):
                    for each in items:
                        self.check(each)
                case tree.Record(fields=fields):
                    for named in fields:
                        self.check(named.value)

    def _name(self, path: tree.Path, *, sure: bool, applied: bool) -> None:
        first = path.parts[0]
        if len(path.parts) > 1 or first.text in self.seen or first.text in FUNCTIONS:
            return
        found = find(self.frame.module, first.text, first.span)
        if found is None:
            known = [name for name in self.frame.module.visible() if self._fits(name)]
            if sure or nearest(first.text, known):
                raise missing(first, self.frame)
        elif applied and isinstance(found.declaration, tree.Definition) and not self._is_one(found):
            raise self.refuse(Recipe(found.declaration, found.module), self.frame.site(path.span))

    def _fits(self, name: str) -> bool:
        found = find(self.frame.module, name, self.frame.module.sections[0].span)
        return found is not None and self._is_one(found)

    def _is_one(self, found: Found) -> bool:
        declaration = found.declaration
        return isinstance(declaration, tree.Definition) and declaration.kind in self.kinds


def called_metrics(expr: tree.Expr) -> set[str]:
    """Return how the metrics of a field are called: by the record's names, or by their own."""
    if isinstance(expr, tree.Group):
        return called_metrics(expr.value)
    if isinstance(expr, tree.List):
        return {name for each in expr.items for name in called_metrics(each)}
    if isinstance(expr, tree.Record):
        return {each.name.text for each in expr.fields}
    path = expr.callee if isinstance(expr, tree.Call) else expr
    return {path.parts[-1].text} if isinstance(path, tree.Path) else set()


def outputs_of(model: tree.Definition) -> list[str]:
    """Return the names of a model's outputs, as its last statement says."""
    last = model.body[-1].value if model.body else None
    while isinstance(last, tree.Group):
        last = last.value
    named = [each.name.text for each in last.fields] if isinstance(last, tree.Record) else []
    return [model.name.text, *named]


def words_in(expr: tree.Expr | None) -> set[str]:
    """Return every word in a field: a `source` may name the fields of the data."""
    return set(re.findall(r"[^\W\d]\w*", expr.span.text)) if expr is not None else set()


def check_steps(part: str, span: Span, model: tree.Definition) -> None:
    """Raise MistakeError for a part that has a step of which the model does not speak.

    The steps of a path are names that the body binds, and names of layers with or without a number.
    """
    words = set(re.findall(r"[^\W\d]\w*", model.span.text))
    for step in part.split("/"):
        if step not in words and re.sub(r"(_\d+|#\d+)+$", "", step) not in words:
            known = sorted(_bound(model))
            raise unknown(
                "E0608", "part", part, span, known, listing="it binds", place=f"of `{model.name.text}`"
            )


def _bound(model: tree.Definition) -> Iterator[str]:
    return (each.name.text for each in model.body if isinstance(each, tree.Bind))

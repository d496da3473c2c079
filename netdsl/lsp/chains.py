"""The chains of a file: its stages, and what flows into each."""

from __future__ import annotations

from collections.abc import Iterator

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass
from netdsl.lsp.names import children
from netdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Step:
    """The head of a chain, or a stage of it: its place, that with its label, and where its input stands."""

    span: Span
    whole: Span
    before: Span | None


def steps_of(file: tree.File) -> Iterator[Step]:
    """Yield the heads and stages of all chains in the bodies of a file."""
    for each in file.declarations:
        if isinstance(each, tree.Definition):
            for statement in each.body:
                yield from _steps(statement.value)


def _steps(expr: tree.Expr) -> Iterator[Step]:
    match expr:
        case tree.Chain(head=head, label=label, stages=stages):
            yield from _steps(head)
            yield Step(head.span, head.span.to(label.span) if label else head.span, None)
            yield from _stages(stages, head.span)
        case tree.Call(positional=positional, named=named):
            for each in (*positional, *(one.value for one in named)):
                yield from _steps(each)
        case _:
            for each in children(expr):
                yield from _steps(each)


def _stages(stages: tuple[tree.Stage, ...], before: Span | None) -> Iterator[Step]:
    for stage in stages:
        step = stage.step
        whole = step.span.to(stage.label.span) if stage.label else step.span
        if isinstance(step, tree.Repeat):
            yield from _stages(step.stages, before)
            before = step.stages[-1].step.span
        else:
            yield Step(step.span, whole, before)
            before = step.span

"""Mistakes that the grammar lets pass, told where the tree is built."""

from collections.abc import Iterator, Sequence

from netdsl.diagnostics import Diagnostic, Label, Span
from netdsl.syntax import tree
from netdsl.syntax.mistakes.report import mistake, quote
from netdsl.syntax.words import RESERVED


def wrong_name(span: Span) -> Diagnostic | None:
    """Tell of a name that is a word of the language, or that only looks like a name: `x²`."""
    if span.text in RESERVED:
        message = f"`{span.text}` is a word of the language, and cannot be a name"
        return mistake(
            "E0011", message, span, "not a name", help=f"write another, for example `{span.text}_`"
        )
    if not span.text.isidentifier():
        return mistake(
            "E0006", f"{quote(span.text)} is not a name", span, "it has a sign that no name can have"
        )
    return None


def positional_after_named(positional: tree.Expr, named: tree.Named) -> Diagnostic:
    """Tell of `f(a=1, 2)`."""
    message = "an argument without a name stands behind one with a name"
    cure = "give it a name, or put it first"
    if isinstance(positional, tree.Binary | tree.Unary | tree.Number | tree.Path | tree.Call):
        cure += "; to compare, write `==`"
    first = Label(named.span, "the first with a name")
    return mistake("E0012", message, positional.span, "which setting is this?", secondary=(first,), help=cure)


def given_twice(fields: Sequence[tree.Named]) -> Iterator[Diagnostic]:
    """Tell of `f(a=1, a=2)`."""
    seen: dict[str, tree.Name] = {}
    for each in fields:
        name = each.name
        if before := seen.get(name.text):
            first = Label(before.span, "given here")
            message = f"{quote(name.text)} is given twice"
            yield mistake("E0017", message, name.span, "given again", secondary=(first,))
        seen.setdefault(name.text, name)


def definition_form(node: tree.Definition, signature: bool) -> Iterator[Diagnostic]:
    """Tell of a model without a list of inputs."""
    if node.kind == "model" and not signature:
        cure = f"write `model {node.name.text}(x: [4])`, or `model {node.name.text}()` if nothing flows in"
        yield mistake("E0013", "a model lists its inputs", node.name.span, "no list of inputs", help=cure)


def section_form(node: tree.Section, keyword: Span) -> Iterator[Diagnostic]:
    """Tell of a block whose head lacks its name or its method, or has one too much."""
    if node.kind == "data" and node.name is None:
        place, cure = (
            (node.method.span, "write `data NAME { source = … }`")
            if node.method
            else (keyword, "write `data NAME { … }`")
        )
        yield mistake("E0013", "a `data` block has a name", place, "no name", help=cure)
    elif node.kind in ("data", "train") and node.method:
        message = f"a `{node.kind}` block has no method"
        yield mistake(
            "E0013",
            message,
            node.method.span,
            "too much",
            help=f"write `{node.kind} {node.method.callee.text} {{ … }}`",
        )
    elif node.kind in ("search", "evaluate") and node.method is None:
        example = "random(trials=30)" if node.kind == "search" else "kfold(5)"
        place = node.name.span if node.name else keyword
        yield mistake(
            "E0013",
            f"`{node.kind}` has a method",
            place,
            "no method",
            help=f"for example `{node.kind} {example} {{ … }}`",
        )

"""Runs the statements of a definition's body."""

from __future__ import annotations

from netdsl.diagnostics import Label, Span
from netdsl.semantics.expressions import evaluate, implied, operand
from netdsl.semantics.frame import Frame
from netdsl.semantics.items import Item, Poison, is_number
from netdsl.semantics.problems import MistakeError, PoisonedError, mistake
from netdsl.semantics.tensors import expected, lift, real
from netdsl.syntax import tree


def run_body(definition: tree.Definition, frame: Frame) -> Item:
    """Run the statements of a body; return what it returns, True for an optimizer, which only updates.

    A mistake in one statement is told, and the others go on without what it binds.
    Errors: PoisonedError where the value depends on a mistake told.
    """
    result: Item = Poison()
    returned: tree.Return | None = None
    problems = frame.world.problems
    failed = False
    for statement in definition.body:
        with problems.statement() as outcome:
            if returned is not None:
                raise mistake("E0114", "nothing runs after `return`", statement.span, "never reached")
            match statement:
                case tree.Bind():
                    _bind(statement, frame)
                case tree.State():
                    _state(statement, frame)
                case tree.Update():
                    _update(statement, frame)
                case tree.Return():
                    returned = statement
                    result = _returned(statement.value, frame)
        failed |= outcome.failed
    if returned is None and frame.kind != "optimizer":
        problems.tell(_no_return(definition).diagnostic)
    if frame.kind == "optimizer" and not failed:
        result = True
    if isinstance(result, Poison):
        raise PoisonedError
    return result


def _no_return(definition: tree.Definition) -> MistakeError:
    return mistake(
        "E0114",
        f"`{definition.name.text}` returns nothing",
        definition.name.span,
        "has no `return`",
        help="end it with `return` and its value",
    )


def _returned(expr: tree.Expr, frame: Frame) -> Item:
    return operand(expr, frame)


def bound_twice(name: tree.Name, first: Span) -> MistakeError:
    """Return the error for a name that is bound already."""
    return mistake(
        "E0110",
        f"`{name.text}` is bound twice; a name is bound once",
        name.span,
        "bound again",
        secondary=[Label(first, "bound here")],
        help="give the new value a name of its own",
    )


def declare(name: tree.Name, frame: Frame) -> None:
    """Note that a body binds a name. Raises MistakeError where it is bound already."""
    if name.text in frame.declared:
        first = frame.declared[name.text]
        frame.names[name.text] = Poison()  # which of the two is meant is not known
        raise bound_twice(name, first)
    frame.declared[name.text] = name.span
    frame.names[name.text] = Poison()


def _bind(statement: tree.Bind, frame: Frame) -> None:
    declare(statement.name, frame)
    item = implied(evaluate(statement.value, frame, statement.name.text), frame, statement.value.span)
    frame.names[statement.name.text] = item
    frame.see(statement.name.span, item)


def _state(statement: tree.State, frame: Frame) -> None:
    declare(statement.name, frame)
    if frame.memory is None:
        raise mistake(
            "E0111", "`state` is for optimizers and schedules", statement.span, f"this is a {frame.kind}"
        )
    start = evaluate(statement.value, frame)
    site = frame.site(statement.value.span)
    if not (isinstance(start, (int, float)) and is_number(start)):
        raise expected("a number", start, "the start of a state", site)
    frame.names[statement.name.text] = frame.memory.declare(statement.name.text, start, site)


def _update(statement: tree.Update, frame: Frame) -> None:
    name = statement.name
    if frame.memory is None:
        raise mistake(
            "E0111", "`:=` is for optimizers and schedules", statement.span, f"this is a {frame.kind}"
        )
    if name.text not in frame.names and not (frame.kind == "optimizer" and name.text == "w"):
        raise mistake(
            "E0110",
            f"`{name.text}` is not declared, so it cannot change",
            name.span,
            "not a state",
            help=f"declare it first: `state {name.text} = 0`",
        )
    site = frame.site(statement.value.span)
    value = real(lift(operand(statement.value, frame), site), site)
    frame.names[name.text] = frame.memory.update(name.text, value, frame.site(name.span))

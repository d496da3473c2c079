"""Formulas over scalars as the trainer calls them: schedules with memory, and the learning rate to tell."""

from collections.abc import Mapping

from netdsl.graph import Graph, Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.semantics.experiment import ScheduleState
from netdsl.training.schedules import Schedule


def schedule_of(state: ScheduleState) -> Schedule:
    """Return a schedule with memory."""

    def advance(known: Mapping[str, float]) -> tuple[float, Mapping[str, float]]:
        run = Run(rows=1, scalars=known)
        value = float(evaluate(state.graph, run, ["value"])["value"])
        updates = evaluate_updates(state.graph, run)
        return value, {name: float(each) for name, each in updates.items()}

    return Schedule(state.name, state.start, state.states, advance)


def number_of(graph: Graph, scalars: Mapping[str, float]) -> float:
    """Return the output "value" of a graph over scalars."""
    return float(evaluate(graph, Run(rows=1, scalars=scalars), ["value"])["value"])

"""`attach_optimizer`: what each weight becomes at the end of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Protocol

from netdsl.graph import Builder, Graph, Origin, Value
from netdsl.operations import REGISTRY


class Rule(Protocol):
    """An optimizer's formula for one weight: see `UpdateRule` of the experiment."""

    @property
    def graph(self) -> Graph:
        """Leaves: weight "w", input "g", scalars, states; updates: "w" and the states."""

    @property
    def states(self) -> Mapping[str, float]:
        """The starting value of each state."""


def attach_optimizer(
    graph: Graph,
    rules: Mapping[str, Rule],
    clip: Literal["value", "norm"] | None = None,
    clip_at: float = 0.0,
) -> Graph:
    """Add an update for each weight that has a rule, and for the states of the rule.

    The gradients are the outputs "gradient/<path>", 0 where there is none, as nothing depends on the weight.
    `clip` limits each of their elements to ±clip_at, or their norm, taken over all of them together, to
    clip_at.
    """
    builder = Builder(REGISTRY)
    values = builder.copy(graph, {})
    builder.take_roots(graph, values)
    scalars = {name: values[index] for name, index in graph.leaves("scalar").items()}
    weights = {name: values[index] for name, index in graph.leaves("weight").items()}
    with builder.within(Origin(of="update")):
        for path, rule in rules.items():
            if path not in weights:
                weights[path] = builder.apply(
                    "weight", name=path, shape=rule.graph[rule.graph.updates["w"]].shape
                )
        given = {
            path: builder.outputs.get(
                f"gradient/{path}", builder.constant(0.0).broadcast(weights[path].shape)
            )
            for path in rules
        }
        clipped = _clip(given, clip, clip_at)
    for path, rule in rules.items():
        _attach(builder, path, rule.graph, weights[path], clipped[path], scalars)
    return builder.finish()


def _attach(
    builder: Builder, path: str, rule: Graph, weight: Value, gradient: Value, scalars: dict[str, Value]
) -> None:
    """Copy a rule's graph, its leaves being the weight, its gradient, and states named after both."""
    known: dict[int, Value] = {}
    with builder.within(Origin(path=weight.node.path, of="update")):
        for index in rule:
            node = rule[index]
            match node.operation.name:
                case "weight":
                    known[index] = weight
                case "input":
                    known[index] = gradient
                case "state":
                    known[index] = builder.apply(
                        "state", name=f"{path}@{node.setting('name')}", shape=node.shape
                    )
                case "scalar":
                    name = node.setting("name")
                    if name not in scalars:
                        scalars[name] = builder.apply("scalar", name=name)
                    known[index] = scalars[name]
                case _:
                    operands = [known[each] for each in rule.operands(index)]
                    known[index] = builder.add(replace(node, path=weight.node.path, of="update"), operands)
    for name, index in rule.updates.items():
        builder.updates[path if name == "w" else f"{path}@{name}"] = known[index]


def _clip(
    gradients: Mapping[str, Value], clip: Literal["value", "norm"] | None, limit: float
) -> Mapping[str, Value]:
    if clip is None or not gradients:
        return gradients
    if clip == "value":
        return {
            path: each.pointwise("maximum", -limit).pointwise("minimum", limit)
            for path, each in gradients.items()
        }
    factor = _norm_factor(list(gradients.values()), limit)
    return {path: each * factor for path, each in gradients.items()}


def _norm_factor(gradients: list[Value], limit: float) -> Value:
    """Return by how much gradients are to shrink. As in PyTorch, 1e-6 keeps a norm of 0 from dividing."""
    squares = [(each * each).sum(range(len(each.shape))).reshape(()) for each in gradients]
    total = squares[0]
    for each in squares[1:]:
        total = total + each
    return (limit / (total.apply("sqrt") + 1e-6)).pointwise("minimum", 1.0)

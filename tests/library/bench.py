"""Puts one definition on the bench: a small experiment around it, evaluated in float64."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netdsl.diagnostics import Source
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.semantics import elaborate, load_files
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import FieldSchema, Schema

Array = NDArray[np.float64]


def no_imports(path: str, importing: str) -> Source:
    raise AssertionError(f"{importing} imports {path}")


def experiment(
    text: str, fields: Sequence[FieldSchema] = (), *, rows: int = 8, **overrides: str
) -> Experiment:
    """Elaborate a text against a schema made by hand."""
    files = load_files(Source("bench.net", text), no_imports)
    schema = Schema("d", tuple(fields), {"train": rows, "valid": rows}) if fields else None
    return elaborate(files, overrides, None, schema)


def number(name: str, *shape: int, target: bool = False) -> FieldSchema:
    return FieldSchema(name, shape, target=target)


def label(name: str, classes: int) -> FieldSchema:
    return FieldSchema(name, (), "label", target=True, classes=tuple(f"class {n}" for n in range(classes)))


@dataclass(frozen=True, slots=True)
class Bench:
    """An experiment with arrays for its leaves: the weights at their start unless given."""

    experiment: Experiment
    weights: Mapping[str, Array]

    def run(self, fields: Mapping[str, ArrayLike], *, training: bool = False, seed: int = 0) -> Run:
        arrays = {name: np.asarray(value) for name, value in fields.items()}
        leaves = {("input", name): array for name, array in arrays.items()}
        for path, value in self.weights.items():
            leaves["weight", path] = leaves["state", path] = value
        rows = len(next(iter(arrays.values()))) if arrays else 1
        scalars = {"training": float(training), "epoch": 0.0, "steps": 100.0, "epochs": 10.0, "examples": 8.0}
        return Run(rows, seed, 0, scalars, leaves)

    def output(self, name: str, *, training: bool = False, seed: int = 0, **fields: ArrayLike) -> Array:
        """Return an output of the experiment's graph."""
        run = self.run(fields, training=training, seed=seed)
        return evaluate(self.experiment.graph, run, [name])[name]

    def updates(self, **fields: ArrayLike) -> dict[str, Array]:
        """Return the moving averages after a step of training."""
        return evaluate_updates(self.experiment.graph, self.run(fields, training=True))

    def whole(self, name: str, **values: ArrayLike) -> Array:
        """Return a figure over a whole part, of outputs and fields."""
        assert self.experiment.whole is not None
        return evaluate(self.experiment.whole, self.run(values), [f"figure/{name}"])[f"figure/{name}"]


def bench(made: Experiment, **given: ArrayLike) -> Bench:
    """Put an experiment on the bench; weights by the last step of their path, else at their start."""
    weights = {}
    for each in made.weights:
        short = each.path.rsplit("/", 1)[-1]
        if short in given:
            weights[each.path] = np.asarray(given[short], np.float64)
        elif each.kind != "fitted":
            weights[each.path] = evaluate(each.initial, Run(1, 0), ["value"])["value"]
    return Bench(made, weights)


def fitted(made: Experiment, **rows: ArrayLike) -> Bench:
    """Put an experiment on the bench with what its scalers measure of some training rows."""
    fields = {("input", name): np.asarray(value, np.float64) for name, value in rows.items()}
    count = len(next(iter(fields.values())))
    weights = {
        each.path: evaluate(each.initial, Run(count, leaves=fields), ["value"])["value"]
        for each in made.weights
    }
    return Bench(made, weights)


def layer(chain: str, shape: Sequence[int], **weights: ArrayLike) -> Bench:
    """Put a layer on the bench: its output is "output/out", its input the field x."""
    text = f"""
data d {{ source = npz("d.npz") }}
loss total(y) = sum(y)
model m(x: {list(shape)}) {{ return (out = x -> {chain}) }}
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    return bench(experiment(text, [number("x", *shape)]), **weights)


def apply(chain: str, x: ArrayLike, *, training: bool = False, seed: int = 0, **weights: ArrayLike) -> Array:
    """Return what a layer makes of some examples."""
    array = np.asarray(x, np.float64)
    made = layer(chain, array.shape[1:], **weights)
    return made.output("output/out", training=training, seed=seed, x=array)


def loss(call: str, y: ArrayLike, t: ArrayLike, classes: int = 0) -> Array:
    """Return a loss of each example, of outputs y and targets t."""
    outputs, targets = np.asarray(y, np.float64), np.asarray(t)
    target = label("t", classes) if classes else number("t", *targets.shape[1:], target=True)
    text = f"""
data d {{ source = npz("d.npz") }}
model m(y: {list(outputs.shape[1:])}) = y -> identity
train {{
    model = m
    data = d
    loss = {call}
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    made = bench(experiment(text, [number("y", *outputs.shape[1:]), target]))
    return made.output("loss", y=outputs, t=targets if classes else targets.astype(np.float64))


def steps(optimizer: str, gradients: Sequence[ArrayLike], start: ArrayLike) -> list[Array]:
    """Return a weight after each step of an optimizer that is given these gradients."""
    w = np.asarray(start, np.float64)
    text = f"""
model m() {{
    w = weight([{w.size}], zeros)
    return sum(w^2)
}}
train {{
    model = m
    loss = m
    optimizer = {optimizer}
    steps = 100
}}
"""
    rule = experiment(text).rules["m/w"]
    states = {name: np.full_like(w, value) for name, value in rule.states.items()}
    path = []
    for step, gradient in enumerate(gradients):
        leaves = {("weight", "w"): w, ("input", "g"): np.asarray(gradient, np.float64)}
        leaves |= {("state", name): value for name, value in states.items()}
        scalars = {"epoch": float(step), "steps": 100.0, "epochs": 100.0}
        new = evaluate_updates(rule.graph, Run(1, 0, step, scalars, leaves))
        w, states = new["w"], {name: new[name] for name in states}
        path.append(w)
    return path

"""Where a training starts: weights as their initializers say, scalers fitted, states of the optimizer."""

import numpy as np
from numpy.typing import NDArray

from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate
from netdsl.semantics.experiment import Experiment, Weight
from netdsl.training.executable import Values

Numbers = dict[str, NDArray[np.float32]]


def initial_values(experiment: Experiment, rows: Values) -> Numbers:
    """Return every weight, fitted figure and state of an optimizer by name.

    `rows` are the fields of the train part in raw units; they may be empty, and then what is fitted is
    left out: a weights file has it.
    """
    seed = experiment.training.seed
    values = {each.path: _initial(each, seed) for each in experiment.weights if each.kind != "fitted"}
    if rows:
        from netdsl.data.scaling import fit

        values.update(fit(experiment.weights, rows))
    for path, rule in experiment.rules.items():
        for state, start in rule.states.items():
            values[f"{path}@{state}"] = np.full(values[path].shape, start, np.float32)
    return values


def overlaid(values: Numbers, kept: Values) -> tuple[Numbers, tuple[str, ...], tuple[str, ...]]:
    """Return values with those of a weights file in their place, where name and shape are the same.

    Also the names that were taken, and those of weights that the file has in another shape. States of the
    optimizer stay as they are: a new training begins with its own.
    """
    taken: Numbers = {}
    differing: list[str] = []
    for name in values:
        if "@" in name or name not in kept:
            continue
        if kept[name].shape == values[name].shape:
            taken[name] = np.asarray(kept[name], np.float32)
        else:
            differing.append(name)
    return {**values, **taken}, tuple(taken), tuple(differing)


def _initial(weight: Weight, seed: int) -> NDArray[np.float32]:
    value = evaluate(weight.initial, Run(rows=0, seed=seed), ["value"])["value"]
    return np.array(np.broadcast_to(value, weight.shape), np.float32)

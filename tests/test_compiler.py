"""An experiment's programs against the oracle, step by step."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.compiler import Compiled, compile_experiment
from netdsl.graph import Graph, Run, evaluate
from netdsl.program import Target
from netdsl.runtime import Executable
from tests.compiling import adam, classifier, experiment_of, rule_of
from tests.lowering.running import close, oracle

RNG = np.random.default_rng(5)
FIELDS = {
    "x": RNG.normal(size=(40, 20)).astype(np.float32),
    "label": RNG.integers(0, 10, 40).astype(np.int32),
}
PREPARED = {**FIELDS, "prepared/x": FIELDS["x"] * np.float32(0.5)}


def compiled(graph: Graph, optimizer: str = "adam", clip: float | None = None) -> Compiled:
    make = {"adam": adam, "sgd": rule_of}[optimizer]
    rules = {path: make(graph[index].shape) for path, index in graph.leaves("weight").items()}
    return compile_experiment(experiment_of(graph, rules, clip), Target(check=True))


def started(executable: Executable, seed: int = 2) -> dict[str, np.ndarray]:
    """Give each weight a start; the states stay at 0."""
    rng = np.random.default_rng(seed)
    kept: dict[str, np.ndarray] = {}
    for name in executable.names():
        shape = executable.read(name).shape
        kept[name] = (rng.normal(size=shape) * (0.0 if "@" in name else 0.3)).astype(np.float32)
        executable.write(name, kept[name])
    return kept


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_steps_are_those_of_the_oracle(optimizer: str, clip: float | None) -> None:
    found = compiled(classifier(), optimizer, clip)
    executable = Executable(found.training, 2, guard=16)
    kept = started(executable)
    executable.bind(PREPARED)
    order = np.random.default_rng(0).permutation(40)
    for step in range(3):
        rows = order[16 * step : 16 * step + 16]
        given = executable.run(rows, 16, step=step, seed=9)
        fields = {name: value[rows] for name, value in PREPARED.items()}
        outputs, kept = oracle(found.graphs["training"], kept, fields, len(rows), step=step, seed=9)
        for name, value in outputs.items():
            close(given[name][0], value, 1e-5, name)
        for name, value in kept.items():
            close(executable.read(name), value, 1e-4, name)
            kept[name] = executable.read(name)
    assert executable.intruded() == ()


def test_one_run_of_many_steps_is_as_many_runs_of_one() -> None:
    found = compiled(classifier())
    order = np.random.default_rng(0).permutation(40)
    results = []
    for cuts in ([0, 40], [0, 16, 32, 40]):
        executable = Executable(found.training, 1)
        started(executable)
        executable.bind(PREPARED)
        losses = [executable.run(order[a:b], 16, step=a // 16, seed=4)["loss"] for a, b in pairwise(cuts)]
        results.append((np.concatenate(losses), *(executable.read(name) for name in executable.names())))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bits_do_not_depend_on_threads() -> None:
    found = compiled(classifier())
    kept = []
    for threads in (1, 2, 3):
        executable = Executable(found.training, threads)
        started(executable)
        executable.bind(PREPARED)
        executable.run(np.random.default_rng(0).permutation(40), 16, seed=4)
        kept.append({name: executable.read(name) for name in executable.names()})
    for name in kept[0]:
        np.testing.assert_array_equal(kept[0][name], kept[1][name])
        np.testing.assert_array_equal(kept[0][name], kept[2][name])


def test_evaluation_inference_and_preparation() -> None:
    graph = classifier()
    found = compiled(graph)
    programs = found.evaluation, found.inference, found.preparation
    assert found.whole is None
    rows = np.arange(40)
    results: dict[str, np.ndarray] = {}
    kept: dict[str, np.ndarray] = {}
    for program in programs:
        assert program is not None
        executable = Executable(program, 2)
        kept |= started(executable)
        executable.bind(PREPARED)
        results |= executable.run(rows, 7)
    leaves: dict[tuple[str, str], NDArray[Any]] = {("weight", name): value for name, value in kept.items()}
    leaves |= {("input", name): value for name, value in FIELDS.items()}
    want = evaluate(graph, Run(40, scalars={"training": 0.0}, leaves=leaves))
    assert set(results) == set(want)
    for name, value in want.items():
        if name == "penalty":
            np.testing.assert_allclose(results[name], np.full(6, value), rtol=1e-5)
        else:
            close(results[name], value, 1e-5, name)


def test_what_the_compiler_did_is_told() -> None:
    found = compiled(classifier())
    assert [each.name for each in found.passes if each.program == "training"][:3] == [
        "specialize", "objective", "simplify",
    ]  # fmt: skip
    assert found.rewrites["training"]
    assert set(found.graphs) >= {"training", "differentiated", "evaluation", "inference", "preparation"}

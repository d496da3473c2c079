"""Graphs and networks drawn at random give on a simulated device what the oracle says."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from numpy.typing import NDArray

from netdsl.compiler import compile_experiment
from netdsl.graph import Graph
from netdsl.passes.legalize import legalize
from tests.compiling import adam, experiment_of, rule_of
from tests.cuda.both_devices import compare_on_device, device_executable
from tests.lowering.test_places import kept_of, training
from tests.lowering.test_random_graphs import same_as_the_oracle, trained
from tests.lowering.test_random_image_networks import Plan as ImagePlan
from tests.lowering.test_random_image_networks import fits, layers_of
from tests.lowering.test_random_image_networks import plans as image_plans
from tests.lowering.test_random_networks import Network, Plan
from tests.lowering.test_random_networks import plans as network_plans
from tests.passes.random_graphs import graphs

SETTINGS = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
pytestmark = pytest.mark.slow


def same_on_a_device(graph: Graph) -> None:
    same_as_the_oracle(graph, lambda: device_executable(legalize(graph))).close()


@SETTINGS
@given(graphs())
def test_values(graph: Graph) -> None:
    same_on_a_device(graph)


@SETTINGS
@given(graphs(size=8))
def test_gradients_and_updates(graph: Graph) -> None:
    same_on_a_device(trained(graph))


@SETTINGS
@given(network_plans)
def test_networks(plan: Plan) -> None:
    assume(plan.rows < 20 and max(units for units, _, _ in plan.layers) < 40 and plan.inputs < 40)
    graph = Network(plan).graph()
    make = {"sgd": rule_of, "adam": adam}[plan.optimizer]
    rules = {path: make(graph[index].shape) for path, index in graph.leaves("weight").items()}
    step = compile_experiment(experiment_of(graph, rules, plan.clip)).graphs["training"]
    random = np.random.default_rng(plan.rows)
    fields: dict[str, NDArray[Any]] = {
        "x": random.normal(size=(plan.rows, plan.inputs)).astype(np.float32),
        "label": random.integers(0, plan.layers[-1][0] if "half" not in plan.layers[-1][1] else 1, plan.rows),
    }
    kept = {
        name: np.abs(random.normal(size=step[index].shape)).astype(np.float32) * np.float32(0.3)
        for name, index in step.kept().items()
    }
    compare_on_device(step, fields, plan.rows, kept, tolerance=1e-3, step=1, seed=3)


@SETTINGS
@given(image_plans)
def test_networks_for_images(plan: ImagePlan) -> None:
    assume(plan.rows < 6 and plan.channels < 5 and all(stage.outputs < 7 for stage in plan.stages))
    assume(fits(plan))
    shape = (*plan.space, plan.channels)
    graph = training(shape, layers_of(plan))
    fields = {"x": np.random.default_rng(plan.rows).normal(size=(plan.rows, *shape)).astype(np.float32)}
    compare_on_device(graph, fields, plan.rows, kept_of(graph), tolerance=1e-3, step=2, seed=5)

"""Places in memory: nothing that lives at the same time overlaps, and what does not shares."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from netdsl.compiler import compile_experiment
from netdsl.passes.plan_memory import MemoryPlan, _Placed, lifetimes, plan_memory
from netdsl.program import Program
from netdsl.program.layout import size
from tests.compiling import adam, classifier, experiment_of

GRAPH = classifier(64, (48, 48, 48))
PROGRAM = compile_experiment(
    experiment_of(GRAPH, {path: adam(GRAPH[index].shape) for path, index in GRAPH.leaves("weight").items()})
).training


def overlapping(program: Program, plan: MemoryPlan, rows: int) -> list[tuple[str, str]]:
    lives = lifetimes(program)
    found = []
    for a, b in combinations(plan.values, 2):
        at_once = lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]
        ends = {name: plan.values[name] + size(program.buffers[name], rows) for name in (a, b)}
        if at_once and plan.values[a] < ends[b] and plan.values[b] < ends[a]:
            found.append((a, b))
    return found


@pytest.mark.parametrize("rows", [1, 17, 64, 1000])
def test_values_that_live_at_once_lie_apart(rows: int) -> None:
    assert overlapping(PROGRAM, plan_memory(PROGRAM, rows), rows) == []


def test_values_share_memory() -> None:
    plan = plan_memory(PROGRAM, 64)
    total = sum(size(PROGRAM.buffers[name], 64) for name in plan.values)
    assert plan.values_size < 0.82 * total


@pytest.mark.parametrize("seed", range(5))
def test_pieces_lie_at_the_lowest_place_that_is_free(seed: int) -> None:
    draw = np.random.default_rng(seed)
    placed = _Placed(60)
    before: list[tuple[int, int, int, int]] = []
    for length in sorted(draw.integers(1, 40, 60).tolist(), reverse=True):
        first, last = sorted(draw.integers(0, 30, 2).tolist())
        others = [(place, end) for place, end, start, stop in before if start <= last and first <= stop]
        free = [
            place
            for place in range(sum(end - begin for begin, end in others) + 1600)
            if all(end <= place or place + length <= begin for begin, end in others)
        ]
        place = placed.add(length, first, last)
        assert place == free[0]
        before.append((place, place + length, first, last))


def test_weights_lie_together_before_states() -> None:
    plan = plan_memory(PROGRAM, 64)
    roles = [PROGRAM.buffers[name].role for name in sorted(plan.kept, key=lambda name: plan.kept[name])]
    assert roles == sorted(roles, key=("constant", "weight", "state").index)
    assert plan.kept == plan_memory(PROGRAM, 7).kept


def test_guards_set_everything_apart() -> None:
    plan = plan_memory(PROGRAM, 64, guard=16)
    for places in (plan.kept, plan.values):
        ends = sorted((place, place + size(PROGRAM.buffers[name], 64)) for name, place in places.items())
        assert ends[0][0] == 16
        assert all(end + 16 <= start for (_, end), (start, _) in pairwise(ends))

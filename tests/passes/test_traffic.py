"""The rules that spare passes over memory: each rewrites its formula, which keeps its value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Graph, Node, Origin, Run, Shape, Value, evaluate, verify
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.passes.rewriting import Rewriter, Rule, rebuild, table
from netdsl.passes.rules.traffic import RULES

IMAGE = (BATCH, 4, 6, 5)
SQUARES = {"size": (2, 2), "strides": (2, 2), "before": (0, 0), "after": (0, 0), "dilation": (1, 1)}
OVERLAPPING = SQUARES | {"size": (3, 2), "strides": (1, 2)}


@dataclass(frozen=True)
class Leaves:
    """Images, two vectors of their channels, the gradient of what a pool of them gives."""

    x: Value
    g: Value
    v: Value
    w: Value

    def repeated(self, vector: Value) -> Value:
        return vector.broadcast(IMAGE)

    @property
    def mean(self) -> Value:
        rows = self.x.builder.apply("scalar", name="rows")
        return (self.x.sum([0, 1, 2]).reshape((1, 1, 5)) * (1.0 / rows * (1 / 24))).reshape((5,))

    @property
    def centered(self) -> Value:
        return self.x - self.mean.broadcast(IMAGE)

    @property
    def relu(self) -> Value:
        return self.x.pointwise("maximum", 0.0)


def pool_of(v: Leaves, settings: dict[str, tuple[int, int]]) -> Value:
    """Return a relu's pool, plus the gradient of its sum of squares by the relu's argument."""
    pool = {name: each for name, each in settings.items() if name != "dilation"}
    best, taps = (v.relu.apply(name, **pool) for name in ("max_pool", "argmax_pool"))
    given = (best * 2.0).apply("put_window", taps, space=(4, 6), **pool)
    zero = v.x.builder.constant(0.0).broadcast(IMAGE)
    slope = v.x.apply("greater", zero).apply("where", given, zero)
    return best.sum([1, 2]).broadcast(IMAGE) + slope


def taps_of(x: Value) -> Value:
    pool = {name: each for name, each in SQUARES.items() if name != "dilation"}
    return x.apply("argmax_pool", **pool).apply("cast", dtype="float")


def put_back(v: Leaves, settings: dict[str, tuple[int, int]]) -> Value:
    """Return what the windows of a pool give back to the places of their greatest numbers."""
    pool = {name: each for name, each in settings.items() if name != "dilation"}
    best, taps = (v.x.apply(name, **pool) for name in ("max_pool", "argmax_pool"))
    return (best * 3.0).apply("put_window", taps, space=(4, 6), **pool)


EXAMPLES: list[tuple[str, Callable[[Leaves], Value]]] = [
    ("vectors without ones", lambda v: v.x + v.v.reshape((1, 1, 5)).broadcast(IMAGE)),
    ("reciprocal", lambda v: v.x / v.repeated(v.v)),
    ("reciprocal", lambda v: v.x / v.x.apply("exp").sum([3]).broadcast(IMAGE)),
    ("vectors together", lambda v: v.repeated(v.v) * v.x * v.repeated(v.w)),
    ("differences from a mean", lambda v: v.centered.sum([0, 1, 2])),
    ("times nothing", lambda v: v.centered.sum([0, 1, 2]) * v.v.reshape((1, 1, 1, 5))),
    ("plus nothing", lambda v: v.centered.sum([0, 1, 2]) + v.v.reshape((1, 1, 1, 5))),
    ("variance in one pass", lambda v: (v.centered * v.centered).sum([0, 1, 2])),
    ("factors of a sum", lambda v: (v.g * v.repeated(v.v) * (v.x * v.repeated(v.w))).sum([0, 1, 2])),
    ("sums in two", lambda v: v.x.sum([0, 1, 2])),
    (
        "slope by result",
        lambda v: (
            v.relu.sum([3]).broadcast(IMAGE)
            + v.x.pointwise("greater", 0.0).apply("where", v.g, v.repeated(v.v))
        ),
    ),
    ("relu after pool", lambda v: pool_of(v, SQUARES)),
    ("offset after pool", lambda v: pool_of(replace(v, x=v.x + v.repeated(v.v)), SQUARES)),
    ("offset after pool", lambda v: taps_of(v.repeated(v.v) + v.x)),
    ("sum of what is put", lambda v: put_back(v, SQUARES).sum([0, 1, 2])),
    ("sum of what is put", lambda v: put_back(v, OVERLAPPING).sum([1, 2])),
    ("slope before pool", lambda v: pool_of(v, SQUARES)),
    ("slope before pool", lambda v: pool_of(v, OVERLAPPING)),
]


BACKWARD = {"differences from a mean", "times nothing", "plus nothing"}
"""Rules that hold for derivatives alone, and one whose example needs them."""


def made(formula: Callable[[Leaves], Value], of: str = "") -> Graph:
    """Return the graph of a formula; `of` is the role of its nodes (see Node)."""
    builder = Builder(REGISTRY)
    x, g = (builder.apply("input", name=name, shape=IMAGE) for name in "xg")
    v, w = (builder.apply("weight", name=name, shape=(5,)) for name in "vw")
    with builder.within(Origin(of=of)):
        builder.outputs["y"] = formula(Leaves(x, g, v, w))
    return builder.finish()


def run() -> Run:
    random = np.random.default_rng(0)
    given = {("input", name): np.round(random.normal(size=(3, 4, 6, 5)), 1) for name in "xg"}
    given |= {("weight", name): random.uniform(0.5, 2.0, 5) for name in "vw"}
    return Run(3, scalars={"rows": 3.0}, leaves=given)


def observed(fired: set[str]) -> dict[str, list[Rule]]:
    """Return the rules, which note their names when they rewrite something."""

    def watch(rule: Rule) -> Rule:
        def attempt(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
            value = rule.attempt(builder, node, operands)
            if value is not None:
                fired.add(rule.name)
            return value

        return replace(rule, attempt=attempt)

    return {name: list(rules) for name, rules in table(map(watch, RULES)).items()}


@pytest.mark.parametrize(("name", "formula"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_a_rule_rewrites_and_keeps_the_value(name: str, formula: Callable[[Leaves], Value]) -> None:
    before = made(formula, "gradient" if name in BACKWARD else "")
    fired: set[str] = set()
    after = rebuild(before, Rewriter(observed(fired)))
    verify(after)
    assert name in fired
    np.testing.assert_allclose(
        evaluate(after, run())["y"], evaluate(before, run())["y"], rtol=1e-11, atol=1e-12
    )


@pytest.mark.parametrize("name", sorted(BACKWARD))
def test_what_is_not_finite_stays_so_forward(name: str) -> None:
    before = made(dict(EXAMPLES)[name])
    given = run()
    given.leaves["input", "x"][0, 0, 0, :2] = np.nan, np.inf
    fired: set[str] = set()
    with np.errstate(invalid="ignore"):
        wanted = evaluate(before, given)["y"]
        found = evaluate(rebuild(before, Rewriter(observed(fired))), given)["y"]
    assert not fired & BACKWARD
    assert np.isnan(wanted[..., :2]).all()
    assert np.isfinite(wanted[..., 2:]).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def test_zeros_times_what_is_not_finite_stay_forward() -> None:
    before = made(lambda v: v.v * v.x.builder.constant(0.0).broadcast((5,)))
    given = run()
    given.leaves["weight", "v"][:3] = 1, np.nan, np.inf
    with np.errstate(invalid="ignore"):
        found = evaluate(legalize(before), given)["y"]
    np.testing.assert_array_equal(found, [0, np.nan, np.nan, 0, 0])


def test_every_rule_has_an_example() -> None:
    assert {rule.name for rule in RULES} == {name for name, _ in EXAMPLES}


KEPT: list[tuple[str, str, Callable[[Leaves], Value]]] = [
    ("a mean of another value", "sum", lambda v: (v.g - v.mean.broadcast(IMAGE)).sum([0, 1, 2])),
    ("a sum over other axes", "sum", lambda v: v.centered.sum([0, 1])),
    ("a share of other rows", "sum", lambda v: (v.x - (v.mean * 2.0).broadcast(IMAGE)).sum([0, 1, 2])),
]


@pytest.mark.parametrize(("why", "name", "formula"), KEPT, ids=[why for why, *_ in KEPT])
def test_what_is_no_difference_from_a_mean(why: str, name: str, formula: Callable[[Leaves], Value]) -> None:
    before = made(formula, "gradient")
    fired: set[str] = set()
    after = rebuild(before, Rewriter(observed(fired)))
    assert "differences from a mean" not in fired
    np.testing.assert_allclose(evaluate(after, run())["y"], evaluate(before, run())["y"], rtol=1e-9)


def test_what_is_put_is_summed_where_only_some_places_are() -> None:
    fired: set[str] = set()
    rebuild(made(lambda v: put_back(v, SQUARES).sum([0, 1])), Rewriter(observed(fired)))
    assert "sum of what is put" not in fired


def differences(shape: Shape, share: float, moved: Shape) -> Graph:
    """Sum x - m and its square, where m is a share of x's sum by the rows, reshaped before it is repeated."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=shape)
    rows = builder.apply("scalar", name="rows")
    apart = x - (x.sum((0, 1)) * (1.0 / rows * share)).reshape(moved).broadcast(shape)
    with builder.within(Origin(of="gradient")):
        builder.outputs |= {"sum": apart.sum((0, 1)), "squares": (apart * apart).sum((0, 1))}
    return builder.finish()


MEANS: list[tuple[str, Shape, float, Shape, bool]] = [
    ("a mean in its place", (BATCH, 3, 3), 1 / 3, (3,), True),
    ("a mean moved to another axis", (BATCH, 3, 3), 1 / 3, (1, 3, 1), False),
    ("a mean of stacked batches", (-2, 3, 4), 1 / 6, (1, 1, 4), True),
    ("a sum of them by the rows of one", (-2, 3, 4), 1 / 3, (1, 1, 4), False),
]


@pytest.mark.parametrize(
    ("shape", "share", "moved", "is_mean"), [each[1:] for each in MEANS], ids=[each[0] for each in MEANS]
)
def test_what_a_mean_is(shape: Shape, share: float, moved: Shape, is_mean: bool) -> None:
    given = np.random.default_rng(0).normal(size=(-3 * shape[0], *shape[1:]))
    known = Run(3, scalars={"rows": 3.0}, leaves={("input", "x"): given})
    before = differences(shape, share, moved)
    fired: set[str] = set()
    after = rebuild(before, Rewriter(observed(fired)))
    ours = {"differences from a mean", "variance in one pass"}
    assert fired & ours == (ours if is_mean else set())
    wanted, found = evaluate(before, known), evaluate(after, known)
    for name in ("sum", "squares"):
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-11, atol=1e-12)


def test_a_mean_of_repeated_sums_is_left_alone() -> None:
    def variance(v: Leaves) -> Value:
        share = (1.0 / v.x.builder.apply("scalar", name="rows") * (1 / 24)).broadcast((4, 6, 5))
        apart = v.x - (v.x.sum([0, 1, 2]).reshape((1, 1, 5)).broadcast((4, 6, 5)) * share).broadcast(IMAGE)
        return (apart * apart).sum([0, 1, 2])

    before = made(variance)
    after = legalize(before)
    np.testing.assert_allclose(evaluate(after, run())["y"], evaluate(before, run())["y"], rtol=1e-11)


@pytest.mark.parametrize(("squarings", "factors"), [(40, 1), (0, 1500)])
def test_products_of_many_factors_are_not_taken_apart_to_the_last(squarings: int, factors: int) -> None:
    def product(v: Leaves) -> Value:
        y = v.x
        for _ in range(squarings):
            y = y * y
        for _ in range(factors):
            y = y * v.g
        return (y * v.repeated(v.v)).sum([0, 1, 2])

    before = made(product)
    fired: set[str] = set()
    after = rebuild(before, Rewriter(observed(fired)))
    assert "factors of a sum" in fired
    assert len(after) <= len(before) + 8
    known = run()
    for name in "xg":
        known.leaves["input", name][:] = np.where(known.leaves["input", name] > 0, 1.0, -1.0)
    np.testing.assert_allclose(
        evaluate(after, known)["y"], evaluate(before, known)["y"], rtol=1e-11, atol=1e-12
    )


def test_a_pool_stops_the_gradient_before_it_is_put_back() -> None:
    graph = legalize(made(lambda v: pool_of(v, SQUARES)))
    chosen = [index for index in graph if graph[index].operation.name == "where"]
    assert [graph[index].shape for index in chosen] == [(BATCH, 2, 3, 5)]
    relus = [index for index in graph if graph[index].operation.name == "maximum"]
    assert [graph[index].shape for index in relus] == [(BATCH, 2, 3, 5)]


def test_a_variance_far_from_zero_keeps_its_digits() -> None:
    """Squares around each example's own mean do not cancel, as those around 0 would."""
    before = made(lambda v: (v.centered * v.centered).sum([0, 1, 2]))
    far = run()
    far.leaves["input", "x"][:] += 1e6
    found = evaluate(legalize(before), far)["y"]
    exact = evaluate(before, far)["y"]
    np.testing.assert_allclose(found, exact, rtol=1e-6)

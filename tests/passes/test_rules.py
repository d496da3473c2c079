"""Every rule of `simplify`: a formula that it rewrites, with the same value before and after."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Node, Run, Value, evaluate, verify
from netdsl.operations import REGISTRY
from netdsl.operations.movement import padded
from netdsl.operations.sub_graph import apply_scan
from netdsl.passes.rewriting import Rewriter, Rule, RuleTable, rebuild, table
from netdsl.passes.simplify import GRADIENTS_DONE, RULES
from tests.passes.networks import sigmoid


@dataclass(frozen=True)
class Leaves:
    """What formulas are made of: two batched values, a positive one, labels, a table, a scalar."""

    x: Value
    y: Value
    p: Value
    t: Value
    w: Value
    s: Value

    @property
    def hot(self) -> Value:
        return self.t.apply("one_hot", classes=4)

    @property
    def yes(self) -> Value:
        return self.x.builder.constant(1.0).pointwise("greater", 0.0).broadcast(self.x.shape)


def exp(x: Value) -> Value:
    return x.apply("exp")


def log(x: Value) -> Value:
    return x.apply("log")


def part(x: Value, start: int, stop: int) -> Value:
    return x.apply("slice", starts=(0, start), stops=(BATCH, stop), steps=(1, 1))


def turned(x: Value) -> Value:
    return x.apply("transpose", axes=tuple(reversed(range(len(x.shape)))))


def row(x: Value) -> Value:
    return x.sum([0]).reshape(x.shape[1:])


def no(condition: Value) -> Value:
    return condition.apply("logical_not")


def summed(x: Value, by: Value, other: Value) -> Value:
    """Scan along four numbers: a state that grows by each, times a fixed one, and a sequence unread."""
    inside = Builder(REGISTRY)
    state, item, fixed = (
        inside.apply("input", name=name, shape=shape)
        for name, shape in (("state0", (BATCH, 1)), ("item0", (BATCH, 1)), ("fixed0", by.shape))
    )
    new = state * fixed + item
    inside.outputs = {"state0": new, "out0": new}
    sequences = [each.reshape((BATCH, 4, 1)) for each in (x, other)]
    body = inside.finish()
    return apply_scan(body, [part(x, 0, 1)], sequences, [by], steps=4).reshape((BATCH, 4))


def summed_with_a_number(x: Value) -> Value:
    """Scan along four numbers and a sequence that is 0.5 everywhere."""
    inside = Builder(REGISTRY)
    state, one, other = (
        inside.apply("input", name=name, shape=(BATCH, 1)) for name in ("state0", "item0", "item1")
    )
    new = (state + one) * other
    inside.outputs = {"state0": new, "out0": new}
    sequences = [x.builder.constant(0.5).broadcast((BATCH, 4, 1)), x.reshape((BATCH, 4, 1))]
    return apply_scan(inside.finish(), [part(x, 0, 1)], sequences, [], steps=4).reshape((BATCH, 4))


def less(x: Value, y: Value) -> Value:
    return x.apply("less", y)


POWERS = (-4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
EXAMPLES: list[tuple[str, Callable[[Leaves], Value]]] = [
    ("tanh", lambda v: (exp(v.x) - exp(v.y)) / (exp(v.y) + exp(v.x))),
    ("tanh", lambda v: 2.0 * sigmoid(v.x) - 1.0),
    ("tanh", lambda v: 1.0 - 2.0 * sigmoid(v.x)),
    ("sigmoid", lambda v: v.y / (exp(v.x) + 1.0)),
    ("sigmoid", lambda v: v.x.apply("tanh") * 0.5 + 0.5),
    ("counterpart of a sigmoid", lambda v: 1.0 - sigmoid(v.x).reshape((BATCH, 2, 2))),
    ("odd function", lambda v: (-v.x).apply("tanh")),
    ("softplus", lambda v: log(1.0 + exp(v.x))),
    ("softmax", lambda v: exp(v.x) / exp(v.x).sum([1])),
    ("softmax", lambda v: exp(v.x) / exp(v.x).sum([0])),
    ("shifted scores", lambda v: (v.x - v.x.apply("maximum_over", axis=1)).apply("softmax", axis=1)),
    ("shifted scores", lambda v: (v.x + -v.x.apply("minimum_over", axis=1)).apply("softmax", axis=1)),
    ("shifted scores", lambda v: (v.x - v.x.sum([1]) / 4.0).apply("softmax", axis=1)),
    ("shifted scores", lambda v: (v.x - v.x.sum([1]).apply("stop_gradient")).apply("log_softmax", axis=1)),
    ("shifted scores", lambda v: (v.x + 2.0).apply("log_softmax", axis=1)),
    ("scores less their logsumexp", lambda v: v.x - log(exp(v.x).sum([1]))),
    ("logarithm of a power", lambda v: log(exp(v.x))),
    ("logarithm of a sigmoid", lambda v: log(sigmoid(v.x))),
    ("logarithm of a softmax", lambda v: log(v.x.apply("softmax", axis=1))),
    ("logarithm of a sum of powers", lambda v: log(exp(v.x).sum([1]))),
    ("logarithm of the parts", lambda v: log(sigmoid(v.x) * sigmoid(v.y) / exp(v.y))),
    ("logarithm of the parts", lambda v: log(less(v.x, v.y).apply("where", sigmoid(v.x), exp(v.y)))),
    ("logarithm of the parts", lambda v: log(v.x.builder.apply("concat", sigmoid(v.x), exp(v.y), axis=1))),
    ("logarithm of the parts", lambda v: log(part(sigmoid(v.x), 1, 3).pointwise("maximum", 0.4))),
    ("log1p", lambda v: log(v.p + 1.0)),
    ("power of a log-softmax", lambda v: exp(v.x.apply("log_softmax", axis=0))),
    ("power of a softplus", lambda v: exp(-v.x.apply("softplus"))),
    ("power of a logarithm", lambda v: exp(log(v.x.apply("abs")))),
    ("one-hot to an index", lambda v: (v.x * v.hot * v.y).sum([1])),
    ("one-hot to an index", lambda v: (-v.hot / v.p).sum([0, 1])),
    ("one-hot to an index", lambda v: (v.hot * v.hot).sum([1])),
    ("pick first", lambda v: (v.x + v.x.builder.constant((1.0, 2.0, 3.0, 4.0))).apply("pick", v.t)),
    ("class of a one-hot", lambda v: v.hot.apply("argmax", axis=1).apply("cast", dtype="float")),
    ("one-hot to a row", lambda v: v.hot.apply("matmul", v.w, contract=((1, 0),), align=())),
    ("one-hot to a row", lambda v: v.hot.apply("matmul", v.w, contract=((1, 1),), align=())),
    ("one-hot to a row", lambda v: row(v.w).apply("matmul", v.hot, contract=((0, 1),), align=())),
    (
        "offset of a table",
        lambda v: (
            v.w.apply("gather", v.t.reshape((BATCH, 1)).broadcast((BATCH, 4)))
            + row(v.w).broadcast((BATCH, 4, 4))
        ),
    ),
    ("reshape once", lambda v: v.x.reshape((BATCH, 2, 2)).reshape((BATCH, 1, 4))),
    ("reshape once", lambda v: v.s.broadcast((BATCH, 4)).reshape((BATCH, 2, 2))),
    ("transpose once", lambda v: turned(turned(v.w))),
    ("transpose once", lambda v: v.w.reshape((1, 4, 1, 4)).apply("transpose", axes=(0, 2, 1, 3))),
    ("broadcast once", lambda v: v.w.reshape((1, 4, 4)).broadcast((BATCH, 4, 4))),
    ("part of the whole", lambda v: part(v.x.builder.apply("concat", v.x, v.y, axis=1), 4, 7)),
    ("part of the whole", lambda v: part(v.x.apply("pad", before=(0, 2), after=(0, 1)), 3, 5)),
    ("part of the whole", lambda v: part(v.x.apply("pad", before=(0, 2), after=(0, 4)), 6, 10)),
    ("nothing to pad", lambda v: v.x.apply("pad", before=(0, 0), after=(0, 0))),
    ("sum of parts", lambda v: padded(v.x, 1, 4, 8) + padded(v.y, 1, 0, 12) + padded(v.p, 1, 8, 4)),
    ("parts of one", lambda v: v.x.builder.apply("concat", part(v.x, 0, 3), part(v.x, 3, 4), axis=1)),
    ("sum over fewer axes", lambda v: v.x.sum([1]).sum([0, 1])),
    ("sum of a repeated value", lambda v: v.w.sum([0]).broadcast((BATCH, 3, 4)).sum([0, 1, 2])),
    ("factor of a sum", lambda v: (v.x * v.y.sum([1])).sum([1])),
    ("sign of a sum", lambda v: (-v.x).sum([0])),
    ("product with a transpose", lambda v: v.x.apply("matmul", turned(v.w), contract=((1, 0),), align=())),
    ("constants", lambda v: v.x * v.x.builder.constant(2.0).apply("exp")),
    ("constants", lambda v: v.x * v.x.builder.constant((1.0, 2.0, 3.0, 4.0)).apply("negate")),
    ("constants", lambda v: v.x.builder.constant(2.0).pointwise("less", 3.0).pointwise("where", v.x, v.y)),
    ("repeat last", lambda v: v.w.broadcast((BATCH, 4, 4)).apply("exp")),
    ("known branch", lambda v: v.yes.apply("where", v.x, v.y)),
    ("known branch", lambda v: less(v.x, v.y).apply("where", v.x, v.x)),
    ("condition negated", lambda v: no(less(v.x, v.y)).apply("where", v.x, v.y)),
    ("known condition", lambda v: v.yes.apply("logical_and", less(v.x, v.y)).apply("where", v.x, v.y)),
    ("known condition", lambda v: less(v.x, v.y).apply("logical_or", v.yes).apply("where", v.x, v.y)),
    ("double not", lambda v: no(no(less(v.x, v.y))).apply("where", v.x, v.y)),
    ("cast to itself", lambda v: v.x.apply("cast", dtype="float")),
    ("double negation", lambda v: (-v.x).apply("negate")),
    ("negated multiple", lambda v: -(v.x * 3.0)),
    ("negated difference", lambda v: -(v.x - v.y)),
    ("plus minus", lambda v: (-v.x) + v.y),
    ("minus minus", lambda v: v.x - (-v.y)),
    ("minus a multiple", lambda v: v.x - v.y * -2.0),
    ("sign of a product", lambda v: (-v.x) * (-v.y) + (-v.x) / v.p),
    ("sign of a product", lambda v: 2.0 / (-v.p)),
    ("absolute of a negative", lambda v: (-v.x).apply("abs")),
    ("absolute twice", lambda v: v.x.apply("abs").apply("abs")),
    ("negative sum", lambda v: -(v.x + 2.0)),
    ("plus 0", lambda v: 0.0 + v.x),
    ("minus a number", lambda v: v.x - 3.0),
    ("0 minus", lambda v: 0.0 - v.x),
    ("times 1", lambda v: 1.0 * v.x),
    ("times -1", lambda v: v.x * -1.0),
    ("divided by a number", lambda v: v.x / 3.0),
    ("divided by a scalar", lambda v: v.x / v.s),
    ("ratio to a number", lambda v: v.x.pointwise("ratio", 4.0) + v.y.pointwise("ratio", 0.0)),
    ("a sum of equals", lambda v: v.x + v.x),
    ("a number less a sum", lambda v: 3.0 - (v.x + 2.0)),
    ("a number less a difference", lambda v: 3.0 - (2.0 - v.x)),
    ("a difference and a number", lambda v: (3.0 - v.x) + 2.0),
    ("minus a multiple", lambda v: 3.0 - v.x * -2.0),
    ("numbers together by add", lambda v: (v.x + v.s) + 2.0),
    ("numbers together by multiply", lambda v: 2.0 * (v.x * v.s) / 3.0),
    *(("power of a number", lambda v, n=n: v.p**n) for n in POWERS),
    ("maximum twice", lambda v: v.x.pointwise("maximum", 0.1).pointwise("maximum", 0.2)),
    ("minimum twice", lambda v: v.x.pointwise("minimum", 0.1).pointwise("minimum", -0.2)),
    ("greater of equals", lambda v: v.x.pointwise("maximum", v.x)),
    ("smaller of equals", lambda v: v.x.pointwise("minimum", v.x)),
    ("gradients are done", lambda v: v.x.apply("stop_gradient")),
    ("constants inside", lambda v: summed_with_a_number(v.x)),
    ("constants inside", lambda v: summed(v.x, v.x.builder.constant(0.5), v.y)),
    ("what is read", lambda v: summed(v.x, part(v.y, 0, 1), v.y)),
]  # fmt: skip

ALL = (*GRADIENTS_DONE, *RULES)


def observed(fired: set[str]) -> RuleTable:
    """Return all rules, which note their names when they rewrite something."""

    def watch(rule: Rule) -> Rule:
        def attempt(builder: Rewriter, node: Node, operands: Sequence[Value]) -> Value | None:
            value = rule.attempt(builder, node, operands)
            if value is not None:
                fired.add(rule.name)
            return value

        return replace(rule, attempt=attempt)

    return table(map(watch, ALL))


def leaves(builder: Builder) -> Leaves:
    x, y, p = (builder.apply("input", name=name, shape=(BATCH, 4)) for name in "xyp")
    t = builder.apply("input", name="t", shape=(BATCH,), dtype="int")
    w = builder.apply("weight", name="w", shape=(4, 4))
    return Leaves(x, y, p, t, w, builder.apply("scalar", name="lr"))


def run() -> Run:
    random = np.random.default_rng(0)
    given = {("input", name): random.normal(size=(3, 4)) for name in "xyp"}
    given["input", "p"] = np.abs(given["input", "p"]) + 0.1
    given |= {("input", "t"): np.array([3, 0, 2]), ("weight", "w"): random.normal(size=(4, 4))}
    return Run(3, scalars={"lr": 0.3}, leaves=given)


@pytest.mark.parametrize(("name", "formula"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_a_rule_rewrites_and_keeps_the_value(name: str, formula: Callable[[Leaves], Value]) -> None:
    builder = Builder(REGISTRY)
    builder.outputs["y"] = formula(leaves(builder))
    before = builder.finish()
    fired: set[str] = set()
    after = rebuild(before, Rewriter(observed(fired)))
    verify(after)
    assert name in fired
    np.testing.assert_allclose(
        evaluate(after, run())["y"], evaluate(before, run())["y"], rtol=1e-12, atol=1e-13
    )


def test_every_rule_has_an_example() -> None:
    assert {rule.name for rule in ALL} == {name for name, _ in EXAMPLES}


KEPT: Sequence[tuple[str, Callable[[Leaves], Value]]] = [
    ("0 times infinity is NaN", lambda v: v.x * 0.0),
    ("infinity less infinity is NaN", lambda v: v.x - v.x),
    ("0 / 0 is NaN", lambda v: v.x / v.x),
    ("the root of a negative is NaN", lambda v: exp(log(v.x))),
    ("a number that is infinite", lambda v: v.x * 1.0 + v.x.builder.constant(0.0).apply("log")),
    ("softmax over another axis", lambda v: exp(v.x) / exp(v.x).sum([0]).sum([1])),
    ("another value in the sum", lambda v: exp(v.x) / exp(v.y).sum([1])),
    ("scores that are shifted one by one", lambda v: (v.x - v.y).apply("softmax", axis=1)),
    ("a shift that has a NaN", lambda v: (v.y - v.x.sum([1])).apply("softmax", axis=1)),
    (
        "a shift by a product of reductions",
        lambda v: (v.y - v.y.sum([1]) * v.x.sum([1])).apply("softmax", axis=1),
    ),
    ("a sum over another axis than the classes", lambda v: (v.x * v.hot).sum([0])),
    ("a power that is none of the short ones", lambda v: v.p**2.7),
]


@pytest.mark.parametrize(("why", "formula"), KEPT, ids=[why for why, _ in KEPT])
def test_what_must_not_be_rewritten(why: str, formula: Callable[[Leaves], Value]) -> None:
    builder = Builder(REGISTRY)
    builder.outputs["y"] = formula(leaves(builder))
    before = builder.finish()
    after = rebuild(before, Rewriter(table(ALL)))
    wild = run()
    wild.leaves["input", "x"][0] = [0.0, np.inf, -np.inf, np.nan]
    np.testing.assert_allclose(evaluate(after, wild)["y"], evaluate(before, wild)["y"], rtol=1e-12)


def test_rules_say_what_they_do() -> None:
    for rule in ALL:
        assert " -> " in rule.says
        assert not rule.says.startswith("((")

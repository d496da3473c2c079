"""Graphs drawn at random, for hypothesis: any operation on any values that fit it."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from netdsl.graph import BATCH, Builder, Graph, Value, count, is_batched
from netdsl.operations import REGISTRY, product

Draw = Callable[[st.SearchStrategy[int]], int]


class Drawing:
    """Draws one graph: a pool of values, to which operations on values of the pool are added."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.builder = Builder(REGISTRY)
        apply = self.builder.apply
        self.pool = [
            apply("input", name="x", shape=(BATCH, 4)),
            apply("input", name="z", shape=(BATCH, 2, 3)),
            apply("weight", name="v", shape=(4,)),
            apply("weight", name="m", shape=(4, 3)),
            apply("scalar", name="lr"),
        ]
        self.labels = apply("input", name="t", shape=(BATCH,), dtype="int")

    def number(self, below: int) -> int:
        return self.draw(st.integers(0, below - 1))

    def value(self) -> Value:
        return self.pool[self.number(len(self.pool))]

    def graph(self, size: int) -> Graph:
        steps = [
            *(
                self.unary,
                self.unary,
                self.binary,
                self.binary,
                self.binary,
                self.with_number,
                self.with_number,
            ),
            *(
                self.reduce,
                self.matmul,
                self.move,
                self.parts,
                self.label,
                self.choice,
                self.stable,
                self.repeated,
            ),
        ]
        for _ in range(size):
            value = steps[self.number(len(steps))]()
            if value is not None and value.shape.count(BATCH) <= 1 and count(value.shape) <= 64:
                self.pool.append(value)
        total = self.builder.constant(0.0)
        for place, value in enumerate(self.pool[-3:]):
            self.builder.outputs[f"y{place}"] = value
            total = total + value.sum(range(len(value.shape))).reshape(())
        self.builder.outputs["objective"] = total
        return self.builder.finish()

    # ---- steps --------------------------------------------------------------------------------

    def unary(self) -> Value:
        """Functions that keep values in a moderate range."""
        value = self.value()
        names = (
            "negate",
            "abs",
            "tanh",
            "sin",
            "cos",
            "arctan",
            "sigmoid",
            "erf",
            "stop_gradient",
            "softplus",
        )
        return value.apply(names[self.number(len(names))])

    def binary(self) -> Value | None:
        names = ("add", "subtract", "multiply", "add", "subtract", "multiply", "maximum", "minimum")
        first, second = self.value(), self.value()
        try:
            return first.pointwise(names[self.number(len(names))], second)
        except ValueError:
            return None

    def with_number(self) -> Value:
        """Arithmetic with a number on either side."""
        value = self.value()
        number = (0.0, 1.0, -1.0, 2.0, 0.5, -0.3, 3.0)[self.number(7)]
        choice = self.number(9)
        if choice == 6:
            return value / (number or 4.0)
        if choice == 7:
            return (value * value + 1.5) ** number
        if choice == 8:
            return number / (value * value + 1.5)
        results = (value + number, value * number, value - number, number - value, number * value, -value)
        return results[choice]

    def reduce(self) -> Value | None:
        value = self.value()
        if not value.shape:
            return None
        axis = self.number(len(value.shape))
        names = ("sum", "sum", "maximum_over", "softmax", "logsumexp")
        name = names[self.number(len(names))]
        return value.sum([axis]) if name == "sum" else value.apply(name, axis=axis)

    def matmul(self) -> Value | None:
        left, right = self.value(), self.value()
        pairs = [(i, j) for i, a in enumerate(left.shape) for j, b in enumerate(right.shape) if a == b]
        if not pairs:
            return None
        pair = pairs[self.number(len(pairs))]
        align = ((0, 0),) if is_batched(left.shape) and is_batched(right.shape) and pair != (0, 0) else ()
        if align and 0 in pair:
            return None
        return product(left, right, (pair,), align) * 0.1

    def move(self) -> Value | None:
        value = self.value()
        first = 1 if is_batched(value.shape) else 0
        rest = value.shape[first:]
        match self.number(4):
            case 0:
                return value.reshape((*value.shape[:first], count(value.shape)))
            case 1:
                return value.reshape((*value.shape[:first], 1, *rest))
            case 2 if len(rest) > 1:
                return value.apply(
                    "transpose", axes=(*range(first), *reversed(range(first, len(value.shape))))
                )
            case 3 if not first:
                return value.broadcast((BATCH, *value.shape)) if len(rest) < 3 else None
        return None

    def repeated(self) -> Value | None:
        """Repeat along an axis of extent 1 or a new one."""
        value = self.value()
        first = 1 if is_batched(value.shape) else 0
        if len(value.shape) > first and value.shape[first] == 1:
            return value.broadcast((*value.shape[:first], 2, *value.shape[first + 1 :]))
        return None if first else value.broadcast((2, *value.shape))

    def parts(self) -> Value | None:
        value = self.value()
        if not value.shape or value.shape[-1] in {1, BATCH}:
            return None
        last = len(value.shape) - 1
        stop = 1 + self.number(value.shape[-1])
        starts, stops, steps = [0] * last + [stop - 1], [*value.shape], [1] * (last + 1)
        part = value.apply("slice", starts=tuple(starts), stops=tuple(stops), steps=tuple(steps))
        if self.number(2):
            return value.builder.apply("concat", part, value, axis=last)
        return part.apply("pad", before=(0,) * last + (1,), after=(0,) * last + (self.number(2),))

    def label(self) -> Value | None:
        """One-hot vectors in products and sums."""
        value = self.value()
        hot = self.labels.apply("one_hot", classes=4)
        match self.number(4):
            case 0 if value.shape and value.shape[0] == 4:
                return product(hot, value, ((1, 0),))
            case 1 if value.shape in {(4,), (BATCH, 4), (), (BATCH, 1)}:
                return (hot * value).sum([1])
            case 2 if value.shape in {(4,), (BATCH, 4)}:
                return (value * -(hot * 2.0)).sum([0, 1])
            case 3 if value.shape == (BATCH, 4):
                return value.apply("pick", self.labels)
        return hot

    def choice(self) -> Value | None:
        """Take one of two by a condition on a third; thresholds are numbers that nothing else meets."""
        a, b, c = self.value(), self.value(), self.value()
        condition = c.pointwise(("less", "greater_equal")[self.number(2)], 0.1234567)
        if self.number(2):
            condition = condition.apply("logical_not")
        try:
            return condition.pointwise("where", a, b)
        except ValueError:
            return None

    def stable(self) -> Value | None:
        """Formulas that are recognized."""
        value = self.value().apply("tanh")
        powers = value.apply("exp")
        match self.number(6):
            case 0:
                return 1.0 / ((-value).apply("exp") + 1.0)
            case 1:
                return (powers + 1.0).apply("log")
            case 2 if value.shape:
                return powers / powers.sum([len(value.shape) - 1])
            case 3:
                return (powers - (-value).apply("exp")) / (powers + (-value).apply("exp"))
            case 4 if value.shape:
                return (powers / powers.sum([0])).apply("log")
            case 5:
                return (1.0 - value.apply("sigmoid")).apply("log")
        return powers


@st.composite
def graphs(draw: Draw, size: int = 14) -> Graph:
    """Draw a graph with outputs, one of them "objective", and weights v and m."""
    return Drawing(draw).graph(1 + draw(st.integers(0, size)))

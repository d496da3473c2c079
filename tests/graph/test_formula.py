"""Formulas of values."""

from netdsl.graph import BATCH, Builder, Value, formula
from netdsl.operations import REGISTRY


def names() -> tuple[Value, Value, Value]:
    builder = Builder(REGISTRY)
    a, b, c = (builder.apply("input", name=name, shape=(BATCH,)) for name in "abc")
    return a, b, c


def text(value: Value, depth: int = 6, *, latex: bool = False) -> str:
    return formula(value.builder, value.index, depth, latex=latex)


def test_parentheses_stand_only_where_they_are_needed() -> None:
    a, b, c = names()
    assert text(a + b * c) == "a + b * c"
    assert text((a + b) * c) == "(a + b) * c"
    assert text(a - (b - c)) == "a - (b - c)"
    assert text(a - b - c) == "a - b - c"
    assert text(a + (b + c)) == "a + b + c"
    assert text(a / (b * c)) == "a / (b * c)"
    assert text(a * (b / c)) == "a * (b / c)"
    assert text(a * (b * c)) == "a * b * c"
    assert text((a * b) * c) == "a * b * c"
    assert text(-(a + b)) == "-(a + b)"
    assert text(-(a**b)) == "-a ^ b"
    assert text((-a) ** b) == "(-a) ^ b"
    assert text((a - b).apply("exp")) == "exp(a - b)"
    assert text(a * -2.0) == "a * -2"


def test_what_lies_deeper_is_dots() -> None:
    a, b, c = names()
    assert text(a + b * c, 1) == "a + …"
    assert text(a + b * c, 1, latex=True) == r"\mathrm{a} + \ldots"


def test_latex() -> None:
    a, b, c = names()
    assert text((a + b) / c, latex=True) == r"\frac{\mathrm{a} + \mathrm{b}}{\mathrm{c}}"
    assert text(a ** (b + c), latex=True) == r"{\mathrm{a}}^{\mathrm{b} + \mathrm{c}}"
    assert text((a + b) * c, latex=True) == r"(\mathrm{a} + \mathrm{b}) \cdot \mathrm{c}"
    name = a.builder.apply("weight", name="dense_1/w", shape=())
    assert text(name, latex=True) == r"\mathrm{dense\_1/w}"


def test_settings_are_written() -> None:
    a, _, _ = names()
    assert text(a.reshape((BATCH, 1)).sum([0, 1])) == "sum(reshape(a, [batch, 1]), over=[0, 1])"
    assert text(a.broadcast((BATCH,)).apply("argmax", axis=0)) == "argmax(a, over=0)"

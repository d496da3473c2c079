"""What operations mean, said a second time in plain Python and NumPy, and at their corners."""

import math
from typing import Any

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Run, Shape, evaluate
from netdsl.operations import REGISTRY, product
from netdsl.passes.differentiate import differentiate


def apply(name: str, *arrays: Any, **settings: Any) -> np.ndarray:
    """Apply an operation to shared arrays."""
    builder = Builder(REGISTRY)
    given = [np.asarray(each) for each in arrays]
    kinds = {"f": "float", "i": "int", "b": "bool"}
    operands = [
        builder.apply("input", name=str(n), shape=each.shape, dtype=kinds[each.dtype.kind])
        for n, each in enumerate(given)
    ]
    builder.outputs["y"] = builder.apply(name, *operands, **settings)
    run = Run(1, leaves={("input", str(n)): each for n, each in enumerate(given)})
    return evaluate(builder.finish(), run)["y"]


X = np.array([-2.5, -1.0, -0.5, 0.0, 0.5, 1.5, 2.5])
Y = np.array([1.0, -1.0, 2.0, 3.0, -0.5, 1.5, 2.0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", X + Y),
        ("subtract", X - Y),
        ("multiply", X * Y),
        ("divide", X / Y),
        ("minimum", [min(a, b) for a, b in zip(X, Y, strict=True)]),
        ("maximum", [max(a, b) for a, b in zip(X, Y, strict=True)]),
        ("less", X < Y),
        ("less_equal", X <= Y),
        ("greater", X > Y),
        ("greater_equal", X >= Y),
        ("equal", X == Y),
        ("not_equal", X != Y),
    ],
)
def test_two_operands(name: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(apply(name, X, Y), expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("negate", -X),
        ("abs", [2.5, 1, 0.5, 0, 0.5, 1.5, 2.5]),
        ("sign", [-1, -1, -1, 0, 1, 1, 1]),
        ("exp", [math.exp(x) for x in X]),
        ("sin", [math.sin(x) for x in X]),
        ("cos", [math.cos(x) for x in X]),
        ("tanh", [math.tanh(x) for x in X]),
        ("arctan", [math.atan(x) for x in X]),
        ("erf", [math.erf(x) for x in X]),
        ("floor", [-3, -1, -1, 0, 0, 1, 2]),
        ("ceil", [-2, -1, 0, 0, 1, 2, 3]),
        ("round", [-2, -1, 0, 0, 0, 2, 2]),
        ("sigmoid", [1 / (1 + math.exp(-x)) for x in X]),
        ("softplus", [math.log(1 + math.exp(x)) for x in X]),
        ("stop_gradient", X),
    ],
)
def test_one_operand(name: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(apply(name, X), expected, rtol=1e-14)


def test_functions_of_positive_numbers() -> None:
    x = np.array([0.25, 1.0, 4.0])
    np.testing.assert_allclose(apply("log", x), [math.log(each) for each in x], rtol=1e-15)
    np.testing.assert_allclose(apply("log1p", x), [math.log(1 + each) for each in x], rtol=1e-15)
    np.testing.assert_array_equal(apply("sqrt", x), [0.5, 1, 2])
    np.testing.assert_allclose(apply("power", x, np.array([2.0, -3.0, 0.5])), [0.0625, 1, 2], rtol=1e-15)


def test_ratio_is_0_where_the_divisor_is_0() -> None:
    np.testing.assert_array_equal(apply("ratio", [1.0, 0.0, 6.0], [0.0, 0.0, 3.0]), [0, 0, 2])


def test_logic_and_casts() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    np.testing.assert_array_equal(apply("logical_and", a, b), a & b)
    np.testing.assert_array_equal(apply("logical_or", a, b), a | b)
    np.testing.assert_array_equal(apply("logical_not", a), ~a)
    np.testing.assert_array_equal(apply("cast", a, dtype="float"), [1, 1, 0, 0])
    np.testing.assert_array_equal(apply("cast", [-1.7, 1.7], dtype="int"), [-1, 1])
    np.testing.assert_array_equal(apply("cast", [0.0, 0.5], dtype="bool"), [False, True])
    np.testing.assert_array_equal(apply("where", a, [1.0, 2, 3, 4], [5.0, 6, 7, 8]), [1, 2, 7, 8])


def test_extremes_are_finite_where_formulas_overflow() -> None:
    far = np.array([-1e4, -100.0, 100.0, 1e4])
    np.testing.assert_allclose(apply("sigmoid", far), [0, math.exp(-100), 1, 1], rtol=1e-14)
    np.testing.assert_allclose(apply("softplus", far), [0, math.exp(-100), 100, 1e4], rtol=1e-14)
    np.testing.assert_array_equal(apply("softmax", far, axis=0), [0, 0, 0, 1])
    np.testing.assert_array_equal(apply("log_softmax", far, axis=0), [-2e4, -10100, -9900, 0])
    np.testing.assert_array_equal(apply("logsumexp", far, axis=0), [1e4])


def test_not_a_number_stays_visible() -> None:
    nan = [math.nan, 1.0]
    for name in ("minimum", "maximum"):
        assert math.isnan(apply(name, nan, [0.0, 0.0])[0])
        assert math.isnan(apply(name, [0.0, 0.0], nan)[0])
    assert math.isnan(apply("maximum_over", nan, axis=0)[0])
    assert math.isnan(apply("softmax", nan, axis=0)[1])
    assert math.isnan(apply("sign", nan)[0])


TABLE = np.array([[3.0, 1.0, 3.0], [-1.0, 5.0, 0.0]])


def test_reductions_keep_the_axis() -> None:
    np.testing.assert_array_equal(apply("sum", TABLE, axes=(1,)), [[7], [4]])
    np.testing.assert_array_equal(apply("sum", TABLE, axes=(0, 1)), [[11]])
    np.testing.assert_array_equal(apply("maximum_over", TABLE, axis=1), [[3], [5]])
    np.testing.assert_array_equal(apply("minimum_over", TABLE, axis=0), [[-1, 1, 0]])
    np.testing.assert_array_equal(apply("argmax", TABLE, axis=1), [[0], [1]])
    np.testing.assert_array_equal(apply("argmin", TABLE, axis=1), [[1], [0]])


def test_ranks_of_equals_are_the_mean_of_theirs() -> None:
    np.testing.assert_array_equal(apply("rank_over", TABLE, axis=1), [[2.5, 1, 2.5], [1, 3, 2]])
    np.testing.assert_array_equal(apply("rank_over", TABLE, axis=0), [[2, 1, 2], [1, 2, 1]])
    np.testing.assert_array_equal(
        apply("rank_over", [0.0, -0.0, math.inf, -math.inf], axis=0), [2.5, 2.5, 4, 1]
    )
    assert np.isnan(apply("rank_over", [1.0, math.nan], axis=0)).all()


def test_the_softmax_of_the_courses() -> None:
    found = apply("softmax", [5.0, 2.0, -1.0, 3.0], axis=0)
    np.testing.assert_array_equal(np.round(found, 3), [0.842, 0.042, 0.002, 0.114])


def test_movements() -> None:
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(apply("reshape", x, shape=(2, 6)), x.reshape(2, 6))
    np.testing.assert_array_equal(apply("transpose", x, axes=(1, 0)), x.T)
    np.testing.assert_array_equal(apply("broadcast", x[0], shape=(2, 4)), [x[0], x[0]])
    np.testing.assert_array_equal(
        apply("slice", x, starts=(1, 0), stops=(3, 4), steps=(1, 3)), [[4, 7], [8, 11]]
    )
    np.testing.assert_array_equal(apply("pad", [1.0, 2.0], before=(1,), after=(2,)), [0, 1, 2, 0, 0])
    np.testing.assert_array_equal(apply("concat", x, x[:, :1], axis=1)[1], [4, 5, 6, 7, 4])


def test_by_index() -> None:
    x = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(apply("gather", x, [2, 0]), [x[2], x[0]])
    np.testing.assert_array_equal(apply("scatter_add", [1, 1, 0], [1.0, 2.0, 4.0], extent=3), [4, 3, 0])
    np.testing.assert_array_equal(apply("one_hot", [2, 0], classes=3), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(apply("pick", x, [3, 0, 1]), [[3], [4], [9]])


@pytest.mark.parametrize("index", [-1, 4])
@pytest.mark.parametrize("name", ["gather", "scatter_add", "pick"])
def test_an_index_outside_of_the_table_is_told(name: str, index: int) -> None:
    calls: dict[str, Any] = {
        "gather": lambda: apply("gather", np.zeros(4), [index]),
        "scatter_add": lambda: apply("scatter_add", [index], [1.0], extent=4),
        "pick": lambda: apply("pick", np.zeros((1, 4)), [index]),
    }
    with pytest.raises(IndexError, match=r"outside of 0 \.\. 3"):
        calls[name]()


# ---- products ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "contract", "align", "formula"),
    [
        ((BATCH, 3), (3, 2), ((1, 0),), (), "bk,kn->bn"),
        ((2, 3), (BATCH, 3), ((1, 1),), (), "mk,bk->bm"),
        ((BATCH, 3), (BATCH, 3), ((1, 1),), ((0, 0),), "bk,bk->b"),
        ((BATCH, 3), (BATCH, 2), ((0, 0),), (), "bk,bn->kn"),
        ((BATCH, 4, 3), (4, 3, 2), ((2, 1),), ((1, 0),), "bhk,hkn->bhn"),
        ((4, 3, 2), (BATCH, 4, 3), ((1, 2),), ((0, 1),), "hkn,bhk->bhn"),
        ((BATCH, 4, 3), (BATCH, 2, 3), ((2, 2),), ((0, 0),), "bmk,bnk->bmn"),
        ((4,), (BATCH, 2), (), (), "m,bn->bmn"),
    ],
)
def test_products_whichever_has_the_batch_axis(
    left: Shape, right: Shape, contract: Any, align: Any, formula: str
) -> None:
    builder = Builder(REGISTRY)
    a = builder.apply("input", name="a", shape=left)
    b = builder.apply("input", name="b", shape=right)
    builder.outputs["y"] = product(a, b, contract, align)
    random = np.random.default_rng(0)
    arrays = [random.normal(size=[5 if n == BATCH else n for n in shape]) for shape in (left, right)]
    leaves = {("input", "a"): arrays[0], ("input", "b"): arrays[1]}
    found = evaluate(builder.finish(), Run(5, leaves=leaves))["y"]
    np.testing.assert_allclose(found, np.einsum(formula, *arrays), rtol=1e-12)


# ---- corners ----------------------------------------------------------------------------------


def slope(name: str, x: float, *others: float | None, first: bool = True, **settings: Any) -> float:
    """Return the derivative of an operation by its operand that is not a number (None in `others`)."""
    builder = Builder(REGISTRY)
    value = builder.apply("weight", name="x", shape=())
    constants = [builder.constant(0.0 if each is None else each) for each in others]
    operands = [value, *constants] if first else [*constants, value]
    y = builder.apply(name, *operands, **settings)
    builder.outputs["d"] = builder.apply("gradient_of", y, value)
    run = Run(1, leaves={("weight", "x"): np.asarray(x)})
    return float(evaluate(differentiate(builder.finish()), run)["d"])


def test_derivatives_at_corners() -> None:
    assert slope("maximum", 0.0, 0.0) == slope("maximum", 0.0, 0.0, first=False) == 0
    assert slope("minimum", 0.0, 0.0) == slope("minimum", 0.0, 0.0, first=False) == 1
    assert slope("abs", 0.0) == 0
    assert slope("ratio", 1.0, 0.0) == 0
    assert slope("power", 0.0, 0.0) == 0
    assert slope("power", 0.0, 1.0) == 1
    assert slope("power", 0.0, 2.0) == 0
    assert slope("power", 0.0, 2.0, first=False) == math.log(2)
    assert slope("power", 2.0, 0.0, first=False) == 0
    assert slope("sqrt", 0.0) == math.inf


def test_a_tie_of_two_weights_is_shared() -> None:
    for name in ("maximum", "minimum"):
        builder = Builder(REGISTRY)
        a, b = (builder.apply("weight", name=each, shape=()) for each in "ab")
        y = a.apply(name, b)
        for each, value in (("a", a), ("b", b)):
            builder.outputs[each] = builder.apply("gradient_of", y, value)
        run = Run(1, leaves={("weight", "a"): np.asarray(1.0), ("weight", "b"): np.asarray(1.0)})
        assert evaluate(differentiate(builder.finish()), run) == {"a": 0.5, "b": 0.5}


def test_the_first_of_equal_maxima_gets_the_gradient() -> None:
    builder = Builder(REGISTRY)
    x = builder.apply("weight", name="x", shape=(4,))
    builder.outputs["high"] = builder.apply("gradient_of", x.apply("maximum_over", axis=0), x)
    builder.outputs["low"] = builder.apply("gradient_of", x.apply("minimum_over", axis=0), x)
    run = Run(1, leaves={("weight", "x"): np.array([1.0, 3.0, 3.0, 1.0])})
    found = evaluate(differentiate(builder.finish()), run)
    np.testing.assert_array_equal(found["high"], [0, 1, 0, 0])
    np.testing.assert_array_equal(found["low"], [1, 0, 0, 0])


# ---- shapes that do not fit -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shapes", "settings", "sentence"),
    [
        ("add", [(2,), (3,)], {}, r"one shape, and is given \[2\] and \[3\]"),
        ("add", [(2,)], {}, "takes 2 values, and is given 1"),
        ("where", [(2,), (2,), (2,)], {}, "where takes yes or no, and is given numbers"),
        ("logical_not", [(2,)], {}, "yes or no"),
        ("sum", [(2,)], {"axes": (1,)}, r"axis 1, and \[2\] has no such axis"),
        ("sum", [(2, 2)], {"axes": (1, 0)}, "rising order"),
        ("softmax", [(2,)], {"axis": 2}, "no such axis"),
        ("matmul", [(2, 3), (2, 3)], {"contract": ((1, 0),), "align": ()}, r"axis 1 of \[2, 3\] with axis 0"),
        ("matmul", [(2,), (2,)], {"contract": ((1, 0),), "align": ()}, r"pairs axes \[1\] of \[2\]"),
        ("matmul", [(2, 3), (BATCH, 3)], {"contract": ((1, 1),), "align": ()}, "batch axis first"),
        ("reshape", [(2, 3)], {"shape": (5,)}, r"\[2, 3\] has 6 elements, and \[5\] has 5"),
        ("reshape", [(BATCH, 3)], {"shape": (3,)}, "the batch axis stays first"),
        ("transpose", [(BATCH, 3)], {"axes": (1, 0)}, "batch axis first"),
        ("transpose", [(2, 3)], {"axes": (1, 1)}, "each axis"),
        ("broadcast", [(2,)], {"shape": (3,)}, "shapes do not fit"),
        ("broadcast", [(2,)], {"shape": (1,)}, r"\[2\] does not broadcast to \[1\]"),
        (
            "slice",
            [(4,)],
            {"starts": (2,), "stops": (5,), "steps": (1,)},
            r"2 \.\. 5 is no part of an axis of 4",
        ),
        ("slice", [(BATCH,)], {"starts": (0,), "stops": (1,), "steps": (1,)}, "batch axis whole"),
        ("pad", [(BATCH,)], {"before": (1,), "after": (0,)}, "batch axis as it is"),
        ("pad", [(3,)], {"before": (-1,), "after": (0,)}, "before and after each axis"),
        ("concat", [(2, 3), (3, 3)], {"axis": 1}, r"not \[2, 3\] and \[3, 3\]"),
        ("concat", [(BATCH,), (BATCH,)], {"axis": 0}, "does not join examples"),
        ("gather", [(2,), (2,)], {}, "gather takes whole numbers"),
        ("one_hot", [(2,)], {"classes": 2}, "whole numbers"),
        ("weight", [], {"name": "w", "shape": (BATCH,)}, "no batch axis"),
        ("constant", [], {"value": "text"}, "'text' is no constant"),
        ("cast", [(2,)], {"dtype": "text"}, "float, int and bool, not text"),
        ("orthogonal", [], {"shape": (2,), "stream": ""}, "two axes"),
        ("truncated", [], {"shape": (BATCH,), "stream": ""}, "for the start of weights"),
    ],
)
def test_operands_that_do_not_fit_are_told_in_a_sentence(
    name: str, shapes: list[Shape], settings: dict[str, Any], sentence: str
) -> None:
    builder = Builder(REGISTRY)
    operands = [builder.apply("input", name=str(n), shape=shape) for n, shape in enumerate(shapes)]
    with pytest.raises(ValueError, match=sentence):
        builder.apply(name, *operands, **settings)

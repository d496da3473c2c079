"""Sequences and attention against the formulas in NumPy, from the text of a model to float64."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.diagnostics import DiagnosticError
from netdsl.semantics.schema import FieldSchema
from tests.library.bench import Bench, apply, bench, experiment, layer

Array = NDArray[np.float64]

RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(3, 5, 6))
HEADS = 2


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def normalized(x: Array) -> Array:
    return np.asarray((x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5))


def heads_of(x: Array, heads: int) -> Array:
    rows, places, columns = x.shape
    return x.reshape(rows, places, heads, columns // heads).transpose(0, 2, 1, 3)


def attended(q: Array, k: Array, v: Array, heads: int, *, causal: bool) -> Array:
    """Return softmax(Q K^T / sqrt(d)) V, one query at a time."""
    q, k, v = (heads_of(each, heads) for each in (q, k, v))
    result = np.zeros((*q.shape[:3], v.shape[3]))
    for row, head, place in np.ndindex(*q.shape[:3]):
        last = place + 1 if causal else k.shape[2]
        scores = k[row, head, :last] @ q[row, head, place] / np.sqrt(q.shape[3])
        result[row, head, place] = softmax(scores) @ v[row, head, :last]
    return result.transpose(0, 2, 1, 3).reshape(len(q), q.shape[2], -1)


def linear(x: Array, weights: Mapping[str, Array], path: str) -> Array:
    return x @ weights[f"{path}/w"] + weights.get(f"{path}/b", np.zeros(()))


def self_attended(x: Array, weights: Mapping[str, Array], path: str, *, causal: bool) -> Array:
    q, k, v = (linear(x, weights, f"{path}/{each}") for each in "qkv")
    return linear(attended(q, k, v, HEADS, causal=causal), weights, f"{path}/out")


def with_random_weights(chain: str) -> Bench:
    """Put a layer for [5, 6] on the bench, with other weights than zeros and ones."""
    made = layer(chain, X.shape[1:])
    return Bench(
        made.experiment, {path: RANDOM.normal(size=value.shape) for path, value in made.weights.items()}
    )


# ---- layers at each place ---------------------------------------------------------------------


def test_pointwise_is_the_same_dense_layer_at_each_place() -> None:
    w, b = RANDOM.normal(size=(6, 4)), RANDOM.normal(size=4)
    expected = np.stack([apply("dense(4)", X[:, place], w=w, b=b) for place in range(5)], 1)
    np.testing.assert_allclose(apply("pointwise(4)", X, w=w, b=b), expected)


def test_pointwise_takes_values_of_any_rank() -> None:
    image, w = RANDOM.normal(size=(2, 4, 3, 5)), RANDOM.normal(size=(5, 2))
    np.testing.assert_allclose(apply("pointwise(2, bias=no)", image, w=w), image @ w)
    np.testing.assert_allclose(apply("pointwise(4, bias=no)", w, w=RANDOM.normal(size=(2, 4))).shape, (5, 4))


def test_a_sequence_for_dense_is_told_both_ways() -> None:
    with pytest.raises(DiagnosticError) as caught:
        layer("dense(3)", [5, 6])
    told = caught.value.diagnostics[0]
    assert told.code == "E0312"
    assert "`-> flatten -> dense(3)`" in str(told.help)
    assert "`-> pointwise(3)`" in str(told.help)
    assert told.fix is None


def categories(chain: str, places: int, classes: int) -> Bench:
    """Put a model of a field of categories on the bench."""
    names = tuple(f"c{number}" for number in range(classes))
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [{places}, {classes}]) {{ return (out = x -> {chain}) }}
loss total(y) = sum(y)
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    epochs = 1
}}
"""
    return bench(experiment(text, [FieldSchema("x", (places,), "category", classes=names)]))


def test_an_embedding_is_a_row_of_its_table_for_each_category() -> None:
    made = categories("embedding(4)", 3, 7)
    x = RANDOM.integers(0, 7, (5, 3))
    (table,) = made.weights.values()
    np.testing.assert_allclose(made.output("output/out", x=x), table[x])


# ---- places -----------------------------------------------------------------------------------


def test_a_position_embedding_adds_a_vector_for_each_place() -> None:
    table = RANDOM.normal(size=(5, 6))
    np.testing.assert_allclose(apply("position_embedding", X, table=table), X + table)


@pytest.mark.parametrize("columns", [6, 7])
def test_a_positional_encoding_is_that_of_the_paper(columns: int) -> None:
    expected = np.zeros((4, columns))
    for pos, column in np.ndindex(expected.shape):
        angle = pos / 10_000 ** (2 * (column // 2) / columns)
        expected[pos, column] = np.cos(angle) if column % 2 else np.sin(angle)
    x = RANDOM.normal(size=(2, 4, columns))
    np.testing.assert_allclose(apply("positional_encoding", x), x + expected)


# ---- attention --------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
def test_self_attention(causal: bool) -> None:
    made = with_random_weights(f"self_attention({HEADS}, causal={'yes' if causal else 'no'})")
    expected = self_attended(X, made.weights, "m/self_attention_1", causal=causal)
    np.testing.assert_allclose(made.output("output/out", x=X), expected)


def test_a_causal_place_sees_no_later_one() -> None:
    made = with_random_weights(f"self_attention({HEADS}, causal=yes)")
    changed = X.copy()
    changed[:, 3:] += 1
    before, after = (made.output("output/out", x=each) for each in (X, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] != after[:, 3:]).all()


def test_cross_attention_asks_another_sequence() -> None:
    text = """
data d { source = npz("d.npz") }
model m(x: [5, 6], y: [4, 3]) { return (out = cross_attention(x, y, 2)) }
loss total(y) = sum(y)
train {
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    epochs = 1
}
"""
    made = bench(experiment(text, [FieldSchema("x", (5, 6)), FieldSchema("y", (4, 3))]))
    y = RANDOM.normal(size=(3, 4, 3))
    path = "m/cross_attention_1"
    q, k, v = (linear(each, made.weights, f"{path}/{name}") for name, each in (("q", X), ("k", y), ("v", y)))
    expected = linear(attended(q, k, v, HEADS, causal=False), made.weights, f"{path}/out")
    np.testing.assert_allclose(made.output("output/out", x=X, y=y), expected)


def test_far_scores_overflow_nothing() -> None:
    made = with_random_weights(f"self_attention({HEADS}, causal=yes)")
    assert np.isfinite(made.output("output/out", x=1e4 * X)).all()


def test_heads_share_out_the_columns() -> None:
    with pytest.raises(DiagnosticError) as caught:
        layer("self_attention(4)", [5, 6])
    (told,) = caught.value.diagnostics
    assert told.code == "E0205"
    assert "1.5" in told.message
    assert told.primary is not None
    assert told.primary.span.text == "self_attention(4)"


def test_dropped_attention_is_dropped_in_training_alone() -> None:
    made = with_random_weights(f"self_attention({HEADS}, rate=50%)")
    still = made.output("output/out", x=X)
    np.testing.assert_allclose(still, self_attended(X, made.weights, "m/self_attention_1", causal=False))
    first, second = (made.output("output/out", training=True, seed=seed, x=X) for seed in (0, 1))
    assert (first != still).any()
    assert (first != second).any()


# ---- blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_normalizes_before_each_part_and_adds_after(causal: bool) -> None:
    made = with_random_weights(f"transformer_block({HEADS}, causal={'yes' if causal else 'no'}, act=relu)")
    weights, path = made.weights, "m/transformer_block_1"

    def norm(x: Array, number: int) -> Array:
        return (
            weights[f"{path}/layernorm_{number}/gamma"] * normalized(x)
            + weights[f"{path}/layernorm_{number}/beta"]
        )

    y = X + self_attended(norm(X, 1), weights, f"{path}/attention", causal=causal)
    hidden = np.maximum(linear(norm(y, 2), weights, f"{path}/pointwise_1"), 0)
    assert hidden.shape[-1] == 4 * X.shape[-1]
    expected = y + linear(hidden, weights, f"{path}/pointwise_2")
    np.testing.assert_allclose(made.output("output/out", x=X), expected)


def test_a_block_without_dropout_draws_nothing() -> None:
    made = with_random_weights(f"transformer_block({HEADS})")
    np.testing.assert_array_equal(
        made.output("output/out", x=X), made.output("output/out", training=True, x=X)
    )
    names = {made.experiment.graph[index].operation.name for index in made.experiment.graph}
    assert "uniform" not in names

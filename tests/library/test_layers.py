"""Layers with weights, and those that differ between training and inference."""

import numpy as np
import pytest

from netdsl.diagnostics import DiagnosticError
from tests.library.bench import apply, layer

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(6, 4))
IMAGES = RANDOM.normal(size=(6, 3, 2, 4))


def test_dense_is_a_product_and_an_offset() -> None:
    w, b = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=3)
    np.testing.assert_allclose(apply("dense(3)", X, w=w, b=b), X @ w + b)


def test_dense_without_offsets_has_none() -> None:
    made = layer("dense(3, bias=no)", [4])
    assert [weight.path for weight in made.experiment.weights] == ["m/dense_1/w"]


def test_offsets_start_at_zero_and_gains_at_one() -> None:
    made = layer("dense(3) -> batchnorm", [4]).weights
    assert not made["m/dense_1/b"].any()
    assert (made["m/batchnorm_1/gamma"] == 1).all()
    assert not made["m/batchnorm_1/beta"].any()


def test_dense_takes_a_vector() -> None:
    with pytest.raises(DiagnosticError) as caught:
        layer("dense(3)", [8, 8, 1])
    assert "flatten" in str(caught.value.diagnostics[0].help)


def test_flatten_keeps_the_order() -> None:
    np.testing.assert_array_equal(apply("flatten", IMAGES), IMAGES.reshape(6, 24))


def test_maxout_takes_the_greatest_piece() -> None:
    w, b = RANDOM.normal(size=(4, 6)), RANDOM.normal(size=6)
    expected = (X @ w + b).reshape(6, 3, 2).max(-1)
    np.testing.assert_allclose(apply("maxout(3)", X, w=w, b=b), expected)


def test_prelu_learns_its_slope() -> None:
    made = layer("prelu", [4])
    assert made.weights["m/prelu_1/slope"] == pytest.approx(0.25)
    np.testing.assert_allclose(apply("prelu", X, slope=[0.5]), np.where(X > 0, X, 0.5 * X))


# ---- dropout ----------------------------------------------------------------------------------


def test_dropout_does_nothing_in_inference() -> None:
    np.testing.assert_array_equal(apply("dropout(30%)", X), X)


def test_dropout_drops_its_share_and_scales_the_rest() -> None:
    ones = np.ones((200, 50))
    dropped = apply("dropout(30%)", ones, training=True)
    np.testing.assert_allclose(np.unique(dropped), [0, 1 / 0.7])
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.03)


def test_two_dropouts_and_two_seeds_drop_differently() -> None:
    ones = np.ones((20, 50))
    twice = apply("dropout(50%) -> dropout(50%)", ones, training=True)
    assert (twice > 0).mean() == pytest.approx(0.25, abs=0.07)
    first, second = (apply("dropout", ones, training=True, seed=seed) for seed in (0, 1))
    assert (first != second).any()
    np.testing.assert_array_equal(first, apply("dropout", ones, training=True, seed=0))


# ---- normalization ----------------------------------------------------------------------------


def test_batch_norm_makes_mean_zero_and_variance_one_in_training() -> None:
    y = apply("batchnorm(eps=0)", X, training=True)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(0), 1)


def test_batch_norm_of_images_is_over_the_batch_and_all_places() -> None:
    y = apply("batchnorm(eps=0)", IMAGES, training=True)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 1, 2)), 1)


def test_batch_norm_takes_the_moving_averages_in_inference() -> None:
    mu, var = RANDOM.normal(size=4), RANDOM.uniform(0.5, 2, size=4)
    gamma, beta = RANDOM.normal(size=4), RANDOM.normal(size=4)
    y = apply("batchnorm", X, mu=mu, var=var, gamma=gamma, beta=beta)
    np.testing.assert_allclose(y, gamma * (X - mu) / np.sqrt(var + 1e-5) + beta)


@pytest.mark.parametrize("momentum", [0.1, 0.9])
def test_moving_averages_keep_their_momentum(momentum: float) -> None:
    """At momentum 0.1 a course's 0.1 moving + 0.9 sample; the variance has 1/m."""
    made = layer(f"batchnorm(momentum={momentum})", [4])
    moved = made.updates(x=X)
    np.testing.assert_allclose(moved["m/batchnorm_1/mu"], (1 - momentum) * X.mean(0))
    np.testing.assert_allclose(moved["m/batchnorm_1/var"], momentum * 1 + (1 - momentum) * X.var(0))


def test_moving_averages_are_neither_penalized_nor_trained() -> None:
    made = layer("batchnorm", [4]).experiment
    kinds = {weight.path.rsplit("/", 1)[-1]: weight.kind for weight in made.weights}
    assert kinds == {"gamma": "gain", "beta": "offset", "mu": "running", "var": "running"}
    assert set(made.rules) == {"m/batchnorm_1/gamma", "m/batchnorm_1/beta"}


@pytest.mark.parametrize("training", [True, False])
def test_layer_norm_is_of_each_example(training: bool) -> None:
    y = apply("layernorm(eps=0)", X, training=training)
    np.testing.assert_allclose(y.mean(1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(1), 1)

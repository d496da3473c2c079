"""Penalties: which weights they see, and what they do to a step."""

import numpy as np
import pytest

from netdsl.graph.evaluate import evaluate
from netdsl.passes.differentiate import differentiate
from tests.library.bench import Bench, bench, experiment, number

RANDOM = np.random.default_rng(8)
W, B = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=2)


def penalized(loss: str) -> Bench:
    text = f"""
param λ = 0.3
data d {{ source = npz("d.npz") }}
model m(x: [3]) = x -> dense(2) -> batchnorm
train {{
    model = m
    data = d
    loss = {loss}
    optimizer = sgd(0.1)
    batch = 5
    epochs = 1
}}
"""
    made = experiment(text, [number("x", 3), number("t", 2, target=True)])
    return bench(made, w=W, b=B)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse + 0.01 * l1(weights)", 0.01 * np.abs(W).sum()),
        ("mse + 0.01 * l2(weights)", 0.01 * (W**2).sum()),
        ("mse + λ * elastic_net(weights, share=0.25)", 0.3 * (0.25 * np.abs(W).sum() + 0.375 * (W**2).sum())),
        ("mse + λ/(2*batch_size) * l2(weights)", 0.3 / (2 * 5) * (W**2).sum()),
    ],
)
def test_a_penalty_sees_the_weights_but_not_offsets_and_gains(loss: str, expected: float) -> None:
    assert penalized(loss).output("penalty", x=np.zeros((5, 3)), t=np.zeros((5, 2))) == pytest.approx(
        expected
    )


def test_a_penalized_step_is_weight_decay() -> None:
    """w ← (1 - αλ/m) w - α dW equals a step down the penalized objective, with λ/(2m) Σ w²."""
    m, alpha, lam = 5, 0.1, 0.3
    fields = {"x": RANDOM.normal(size=(m, 3)), "t": RANDOM.normal(size=(m, 2))}

    def gradient(loss: str, root: str) -> np.ndarray:
        made = penalized(loss)
        graph = differentiate(made.experiment.graph, root, ["m/dense_1/w"])
        return evaluate(graph, made.run(fields, training=True), ["gradient/m/dense_1/w"])[
            "gradient/m/dense_1/w"
        ]

    with_penalty = "mse + λ/(2*batch_size) * l2(weights)"
    d_loss = gradient("mse", "loss") / m  # of the sum over the batch
    d_penalty = gradient(with_penalty, "penalty")
    np.testing.assert_allclose(
        W - alpha * (d_loss + d_penalty), (1 - alpha * lam / m) * W - alpha * d_loss, rtol=1e-12
    )

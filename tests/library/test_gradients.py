"""The vectorized gradients of a lecture, in its column convention: units x examples."""

import numpy as np

from netdsl.graph.evaluate import evaluate
from netdsl.passes.differentiate import differentiate
from tests.library.bench import Array, bench, experiment, label, number

RANDOM = np.random.default_rng(9)
M, N, HIDDEN = 6, 4, 5
X = RANDOM.normal(size=(N, M))
W1, W2 = RANDOM.normal(size=(HIDDEN, N)), RANDOM.normal(size=(3, HIDDEN))
B1, B2 = RANDOM.normal(size=(HIDDEN, 1)), RANDOM.normal(size=(3, 1))


def derived(output: str, loss: str, classes: int, labels: Array) -> dict[str, Array]:
    """Return the gradients of the mean loss as the compiler derives them, in the lecture's layout."""
    units = 3 if classes == 3 else 1
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [{N}]) = x -> dense({HIDDEN}) as one -> tanh -> dense({units}) as two -> {output}
train {{
    model = m
    data = d
    loss = {loss}
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    made = bench(experiment(text, [number("x", N), label("t", classes)]))
    given = {"one/w": W1.T, "one/b": B1[:, 0], "two/w": W2[:units].T, "two/b": B2[:units, 0]}
    weights = {path: given[path.removeprefix("m/")] for path in made.weights}
    graph = differentiate(made.experiment.graph, "loss", list(weights))
    run = type(made)(made.experiment, weights).run({"x": X.T, "t": labels})
    found = evaluate(graph, run, [f"gradient/{path}" for path in weights])
    return {name.removeprefix("gradient/m/"): value.T / M for name, value in found.items()}


def lecture(a2: Array, y: Array, w2: Array) -> dict[str, Array]:
    """Return them as printed: dZ2 = A2 - Y, dW = dZ Aᵀ/m, db = Σ dZ / m, dZ1 = W2ᵀ dZ2 * g'(Z1)."""
    a1 = np.tanh(W1 @ X + B1)
    dz2 = a2 - y
    dz1 = w2.T @ dz2 * (1 - a1**2)
    return {
        "two/w": dz2 @ a1.T / M,
        "two/b": dz2.sum(1) / M,
        "one/w": dz1 @ X.T / M,
        "one/b": dz1.sum(1) / M,
    }


def test_a_softmax_under_cross_entropy() -> None:
    labels = np.array([0, 2, 1, 1, 0, 2])
    z = W2 @ np.tanh(W1 @ X + B1) + B2
    a2 = np.exp(z) / np.exp(z).sum(0)
    found = derived("softmax", "cross_entropy", 3, labels)
    for name, expected in lecture(a2, np.eye(3)[labels].T, W2).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_sigmoid_under_binary_cross_entropy() -> None:
    labels = np.array([0, 1, 1, 0, 1, 0])
    a2 = 1 / (1 + np.exp(-(W2[:1] @ np.tanh(W1 @ X + B1) + B2[:1])))
    found = derived("sigmoid", "binary_cross_entropy", 2, labels)
    for name, expected in lecture(a2, labels[None].astype(float), W2[:1]).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def test_shapes_of_the_lecture() -> None:
    assert (W2 @ np.tanh(W1 @ X + B1) + B2).shape == (3, M)  # z, a, dz: units x m; W, dW: units x inputs
    found = derived("softmax", "cross_entropy", 3, np.zeros(M, int))
    assert found["one/w"].shape == W1.shape
    assert found["two/w"].shape == W2.shape


def test_the_norm_of_nothing_has_no_slope() -> None:
    """Two equal codes are a distance of 0 apart: the gradient is 0, not the root's, which is no number."""
    text = """
data d { source = npz("d.npz") }
layer same(x: [n]) {
    g = gain([n])
    return g * x
}
model m(x: [3]) = norm(same(x) - x)
train {
    model = m
    data = d
    loss = contrastive
    optimizer = sgd(0.1)
    epochs = 1
}
"""
    made = bench(experiment(text, [number("x", 3), label("same_class", 2)]))
    (path,) = made.weights
    graph = differentiate(made.experiment.graph, "loss", [path])
    run = made.run({"x": RANDOM.normal(size=(4, 3)), "same_class": np.array([1, 0, 1, 0])})
    found = evaluate(graph, run, ["loss", f"gradient/{path}"])
    np.testing.assert_allclose(found["loss"], [0, 1, 0, 1], atol=1e-15)
    np.testing.assert_array_equal(found[f"gradient/{path}"], np.zeros(3))

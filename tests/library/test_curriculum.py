"""What courses print, seen through whole models.

The cases of a single definition stand with it: parameter counts in test_parameters, the softmax of
[5, 2, -1, 3] in test_activations, cross-entropy by both logarithms and Huber at 3 in test_losses, the
vectorized gradients in test_gradients, weight decay in test_penalties, batch norm's momentum in test_layers,
the convolution, the pools, their translation and rounding, and the weights of convolutions in test_images.
The gradient's scale, bias and variance are measured in tests/models/test_lessons.py, rectifiers that die and
ridge regression in test_lessons_of_training.py, the line of an epoch in tests/training/test_progress.py.
"""

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from netdsl.graph.evaluate import evaluate
from netdsl.passes.differentiate import differentiate
from tests.library.bench import Array, Bench, apply, bench, experiment, label, number

Targets = NDArray[np.float64] | NDArray[np.int64]


def net(chain: str, loss: str, classes: int, inputs: int) -> Bench:
    """Return a classifier at its start; without classes, a model of a number."""
    text = f"""
data d {{ source = npz("d.npz") }}
model m(x: [{inputs}]) = x -> {chain}
train {{
    model = m
    data = d
    loss = {loss}
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    target = label("t", classes) if classes else number("t", target=True)
    return bench(experiment(text, [number("x", inputs), target]))


def slopes(made: Bench, x: Array, t: Targets) -> tuple[float, dict[str, Array]]:
    """Return the mean loss and its gradients by the trained weights."""
    paths = list(made.weights)
    graph = differentiate(made.experiment.graph, "loss", paths)
    names = [f"gradient/{path}" for path in paths]
    found = evaluate(graph, made.run({"x": x, "t": t}, training=True), ["loss", *names])
    gradients = {path: found[name] / len(x) for path, name in zip(paths, names, strict=True)}
    return float(found["loss"].mean()), gradients


def descended(made: Bench, x: Array, t: Targets, rate: float, steps: int) -> tuple[Bench, list[float]]:
    """Take steps of gradient descent over all rows; return where they lead, and the cost before each."""
    costs = []
    for _ in range(steps):
        cost, gradients = slopes(made, x, t)
        costs.append(cost)
        moved = {path: value - rate * gradients[path] for path, value in made.weights.items()}
        made = Bench(made.experiment, moved)
    return made, costs


@pytest.mark.parametrize(("classes", "expected"), [(2, 0.693147), (10, 2.302585)])
def test_the_first_cost_of_an_untrained_net_is_the_logarithm_of_its_classes(
    classes: int, expected: float
) -> None:
    chain = f"dense(16, init=he) -> relu -> dense({classes}, init=zeros) -> softmax"
    random = np.random.default_rng(5)
    x, t = random.normal(size=(7, 5)), random.integers(0, classes, 7)
    cost, gradients = slopes(net(chain, "cross_entropy", classes, 5), x, t)
    assert round(cost, 6) == expected
    assert not gradients["m/dense_1/w"].any()  # zeros in the last layer let nothing through, once
    assert gradients["m/dense_2/w"].any()


def test_a_small_batch_can_be_overfitted_even_with_labels_drawn_at_random() -> None:
    random = np.random.default_rng(5)
    x, t = random.normal(size=(10, 8)), random.integers(0, 10, 10)
    made = net("dense(32, init=he) -> relu -> dense(10) -> softmax", "cross_entropy", 10, 8)
    made, costs = descended(made, x, t, rate=0.5, steps=300)
    assert costs[0] > 1.5
    assert costs[-1] < 0.02
    assert (made.output("output/m", x=x).argmax(1) == t).all()


def test_one_layer_cannot_learn_exclusive_or_and_two_can() -> None:
    x, t = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    line = net("dense(1) -> sigmoid", "binary_cross_entropy", 2, 2)
    _, costs = descended(line, x, t, rate=1.0, steps=300)
    assert costs[-1] == pytest.approx(np.log(2), abs=1e-3)
    bent = net("dense(8) -> tanh -> dense(1) -> sigmoid", "binary_cross_entropy", 2, 2)
    _, costs = descended(bent, x, t, rate=1.0, steps=600)
    assert costs[-1] < 0.05


def test_a_digit_between_three_and_nine_is_six_as_a_number_and_either_as_a_class() -> None:
    x = np.ones((2, 1))
    as_number, _ = descended(net("dense(1)", "mse", 0, 1), x, np.array([3.0, 9.0]), rate=0.2, steps=100)
    np.testing.assert_allclose(as_number.output("output/m", x=x).ravel(), [6, 6])  # (3 + 9)/2
    classes = net("dense(10) -> softmax", "cross_entropy", 10, 1)
    as_class, _ = descended(classes, x, np.array([3, 9]), rate=1.0, steps=400)
    shares = as_class.output("output/m", x=x)[0]
    np.testing.assert_allclose(shares[[3, 9]], 0.5, atol=5e-3)
    assert shares[6] < 5e-3


def test_weight_decay_shrinks_a_weight_that_the_loss_does_not_ask_for() -> None:
    """w ← (1 - αλ/m) w - α dW, with dW = 0: after n steps (1 - αλ/m)^n of the weight is left."""
    m, alpha, lam, steps = 4, 0.1, 0.8, 25
    made = net("dense(1)", f"0*mse + {lam}/(2*batch_size) * l2(weights)", 0, 3)
    x, t = np.zeros((m, 3)), np.zeros(m)
    path = "m/dense_1/w"
    w = made.weights[path]
    graph = differentiate(made.experiment.graph, "penalty", [path])
    for _ in range(steps):
        run = Bench(made.experiment, {**made.weights, path: w}).run({"x": x, "t": t}, training=True)
        w = w - alpha * evaluate(graph, run, [f"gradient/{path}"])[f"gradient/{path}"]
    np.testing.assert_allclose(w, (1 - alpha * lam / m) ** steps * made.weights[path], rtol=1e-12)


def test_two_classes_of_softmax_and_one_sigmoid_cost_the_same() -> None:
    random = np.random.default_rng(5)
    x, t = random.normal(size=(6, 3)), np.array([0, 1, 1, 0, 1, 0])
    pair = net("dense(2) -> softmax", "cross_entropy", 2, 3)
    w, b = pair.weights["m/dense_1/w"], pair.weights["m/dense_1/b"]
    single = net("dense(1) -> sigmoid", "binary_cross_entropy", 2, 3)
    between = {"m/dense_1/w": w[:, 1:] - w[:, :1], "m/dense_1/b": b[1:] - b[:1]}
    assert slopes(Bench(single.experiment, between), x, t)[0] == pytest.approx(slopes(pair, x, t)[0])


# ---- convolution and pooling, as layers of a chain ---------------------------------------------

X = [[1, 2, 1, 0], [0, 2, 1, 2], [1, 2, 1, 2], [1, 2, 1, 1]]
KERNEL = [[1, -1, 1], [0, 1, 0], [1, 1, -1]]


def image(rows: ArrayLike) -> Array:
    """Return one gray image of some rows of pixels."""
    return np.asarray(rows, np.float64)[None, :, :, None]


def test_the_convolution_of_the_courses_is_a_layer_with_one_filter() -> None:
    kernel = np.asarray(KERNEL, np.float64)[:, :, None, None]
    found = apply("conv(1, size=3, pad=1, stride=1)", image(X), k=kernel, b=[0])
    np.testing.assert_array_equal(found[0, ..., 0], [[-1, 3, 2, 3], [0, 4, 3, 6], [2, 3, 6, 3], [2, 2, 4, 0]])


@pytest.mark.parametrize(
    ("extent", "size", "stride"), [(28, 2, 2), (28, 3, 2), (5, 3, 2), (6, 3, 3), (4, 2, 1)]
)
def test_a_pool_gives_the_extent_less_its_size_divided_by_its_stride_and_one(
    extent: int, size: int, stride: int
) -> None:
    expected = (extent - size) // stride + 1  # 13 of 28 under F=3, S=2
    for pool in ("maxpool", "avgpool"):
        found = apply(f"{pool}({size}, stride={stride})", image(np.ones((extent, extent))))
        assert found.shape == (1, expected, expected, 1)


def test_max_pooling_sees_through_a_move_by_one_pixel() -> None:
    rows = np.arange(1.0, 17).reshape(4, 4)
    moved = [[2, 3, 4, 5], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    for each in (rows, moved):
        np.testing.assert_array_equal(apply("maxpool(2)", image(each))[0, ..., 0], [[6, 8], [14, 16]])
    ninths = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    np.testing.assert_array_equal(apply("maxpool(2, stride=1)", image(ninths))[0, ..., 0], [[5, 6], [8, 9]])


# ---- maxout, and norms beside each other ------------------------------------------------------


def test_maxout_of_two_pieces_can_be_a_rectifier_an_absolute_value_and_the_identity() -> None:
    x = np.linspace(-2, 2, 9)[:, None]
    for pieces, expected in (([[1, 0]], np.maximum(x, 0)), ([[1, -1]], np.abs(x)), ([[1, 1]], x)):
        found = apply("maxout(1, pieces=2)", x, w=pieces, b=[0, 0])
        np.testing.assert_allclose(found, expected)


def test_batch_norm_of_small_batches_is_chance_and_group_norm_does_not_see_the_batch() -> None:
    """The same example among others, drawn again and again: how far its normalized values spread."""
    random = np.random.default_rng(2)
    images = random.normal(size=(200, 3, 3, 4)) * random.uniform(0.5, 3, size=(200, 1, 1, 4))

    def spread(chain: str, batch: int) -> float:
        found = []
        for _ in range(60):
            others = random.choice(np.arange(1, 200), batch - 1, replace=False)
            rows = np.concatenate([images[:1], images[others]])
            found.append(apply(chain, rows, training=True)[0])
        return float(np.var(found, axis=0).mean())

    batches = [spread("batchnorm", size) for size in (32, 16, 8, 4, 2)]
    assert batches == sorted(batches)
    assert batches[-1] > 5 * batches[0]
    assert all(spread("groupnorm(2)", size) == pytest.approx(0, abs=1e-20) for size in (32, 2))

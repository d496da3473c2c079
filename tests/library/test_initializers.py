"""Where weights start: means, deviations and bounds, on draws large enough to tell."""

import numpy as np
import pytest

from tests.library.bench import Array, bench, experiment, number

INPUTS, UNITS = 300, 200


def start(init: str, inputs: int = INPUTS, units: int = UNITS) -> Array:
    text = f"""
data d {{ source = npz("d.npz") }}
loss total(y) = sum(y)
model m(x: [{inputs}]) {{ return (out = x -> dense({units}, init={init})) }}
train {{
    model = m
    data = d
    loss = total(out)
    optimizer = sgd(0.1)
    batch = 4
    epochs = 1
}}
"""
    return bench(experiment(text, [number("x", inputs)])).weights["m/dense_1/w"]


@pytest.mark.parametrize(("init", "value"), [("zeros", 0), ("ones", 1), ("constant(0.3)", 0.3)])
def test_constants(init: str, value: float) -> None:
    assert (start(init, 3, 2) == value).all()


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("normal", 0.01),
        ("normal(0.2)", 0.2),
        ("xavier", np.sqrt(2 / (INPUTS + UNITS))),
        ("he", np.sqrt(2 / INPUTS)),
        ("lecun", np.sqrt(1 / INPUTS)),
        ("gaussian(0, 0.5)", 0.5),
    ],
)
def test_normal_draws(init: str, deviation: float) -> None:
    w = start(init)
    assert w.mean() == pytest.approx(0, abs=deviation * 0.02)
    assert w.std() == pytest.approx(deviation, rel=0.01)
    assert np.abs(w).max() > 3.5 * deviation


@pytest.mark.parametrize(
    ("init", "bound"),
    [
        ("xavier_uniform", np.sqrt(6 / (INPUTS + UNITS))),
        ("he_uniform", np.sqrt(6 / INPUTS)),
        ("lecun_uniform", np.sqrt(3 / INPUTS)),
        ("uniform(-0.2, 0.2)", 0.2),
    ],
)
def test_uniform_draws(init: str, bound: float) -> None:
    w = start(init)
    assert np.abs(w).max() <= bound
    assert np.abs(w).max() == pytest.approx(bound, rel=1e-3)
    assert w.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)


def test_a_truncated_draw_has_none_beyond_two_deviations() -> None:
    w = start("truncated_normal(0.1)")
    assert np.abs(w).max() <= 0.2
    assert np.abs(w).max() == pytest.approx(0.2, rel=1e-2)
    assert w.std() == pytest.approx(0.1 * 0.8796, rel=0.02)


@pytest.mark.parametrize(("inputs", "units"), [(30, 20), (20, 30), (25, 25)])
def test_an_orthogonal_start_keeps_lengths(inputs: int, units: int) -> None:
    w = start("orthogonal", inputs, units)
    short = w if inputs >= units else w.T
    np.testing.assert_allclose(short.T @ short, np.eye(short.shape[1]), atol=1e-6)


def test_two_layers_start_differently_and_a_seed_repeats() -> None:
    assert (start("he") == start("he")).all()


def test_a_deep_stack_keeps_its_variance_with_the_right_start() -> None:
    """He's rule for rectifiers: the mean square stays from layer to layer; a smaller start dies out."""
    random = np.random.default_rng(0)
    for init, least, most in (("he", 0.3, 3), ("normal(0.01)", 0, 1e-6)):
        x = random.normal(size=(100, INPUTS))
        for _ in range(4):
            x = np.maximum(x @ start(init, INPUTS, INPUTS), 0)
        assert least <= (x**2).mean() <= most

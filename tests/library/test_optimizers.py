"""Optimizers against their formulas, step by step."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from tests.library.bench import Array, steps

RANDOM = np.random.default_rng(4)
START = RANDOM.normal(size=3)
GRADIENTS = list(RANDOM.normal(size=(6, 3)))
Rule = Callable[[Array, Sequence[Array]], Iterator[Array]]


def sgd(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    for g in gradients:
        w = w - 0.1 * g
        yield w


def momentum(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    v = np.zeros(3)
    for g in gradients:
        v = 0.8 * v - 0.1 * g
        w = w + v
        yield w


def nesterov(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    """Sutskever's form, whose gradient is taken at w + mu v: its look-ahead points are what is yielded."""
    v, look = np.zeros(3), w
    for g in gradients:
        v = 0.8 * v - 0.1 * g
        w = w + v
        look = w + 0.8 * v
        yield look


def adagrad(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    cache = np.zeros(3)
    for g in gradients:
        cache = cache + g**2
        w = w - 0.1 * g / (np.sqrt(cache) + 1e-8)
        yield w


def rmsprop(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    cache = np.zeros(3)
    for g in gradients:
        cache = 0.999 * cache + 0.001 * g**2
        w = w - 0.1 * g / (np.sqrt(cache) + 1e-8)
        yield w


def adadelta(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    cache, moved = np.zeros(3), np.zeros(3)
    for g in gradients:
        cache = 0.9 * cache + 0.1 * g**2
        d = np.sqrt(moved + 1e-6) / np.sqrt(cache + 1e-6) * g
        moved = 0.9 * moved + 0.1 * d**2
        w = w - d
        yield w


def adam(w: Array, gradients: Sequence[Array], decay: float = 0.0) -> Iterator[Array]:
    m, v = np.zeros(3), np.zeros(3)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        w = w - 0.1 * decay * w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield w


def adamw(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    return adam(w, gradients, decay=0.05)


def adamax(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    m, u = np.zeros(3), np.zeros(3)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g
        u = np.maximum(0.999 * u, np.abs(g) + 1e-8)
        w = w - 0.1 / (1 - 0.9**t) * m / u
        yield w


def nadam(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    """Dozat's algorithm 8, with the warming of section 4.2."""
    m, v, product = np.zeros(3), np.zeros(3), 1.0
    for t, g in enumerate(gradients, 1):
        mu, after = (0.9 * (1 - 0.5 * 0.96 ** (n * 0.004)) for n in (t, t + 1))
        product *= mu
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        ahead = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
        w = w - 0.1 * ahead / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield w


def lion(w: Array, gradients: Sequence[Array]) -> Iterator[Array]:
    m = np.zeros(3)
    for g in gradients:
        w = w - 0.1 * (np.sign(0.9 * m + 0.1 * g) + 0.05 * w)
        m = 0.99 * m + 0.01 * g
        yield w


RULES: dict[str, Rule] = {
    "sgd(0.1)": sgd,
    "momentum(0.1, mu=0.8)": momentum,
    "nesterov(0.1, mu=0.8)": nesterov,
    "adagrad(0.1)": adagrad,
    "rmsprop(0.1, decay=0.999)": rmsprop,
    "adadelta": adadelta,
    "adam(0.1)": adam,
    "adamw(0.1, decay=0.05)": adamw,
    "adamax(0.1)": adamax,
    "nadam(0.1)": nadam,
    "lion(0.1, decay=0.05)": lion,
}


@pytest.mark.parametrize("call", RULES)
def test_an_optimizer_is_its_formula(call: str) -> None:
    np.testing.assert_allclose(steps(call, GRADIENTS, START), list(RULES[call](START, GRADIENTS)), rtol=1e-12)


@pytest.mark.parametrize("call", ["adam(0.1)", "adamax(0.1)"])
def test_the_first_step_is_the_rate_whatever_the_gradient(call: str) -> None:
    (w,) = steps(call, [[1e-3, -5.0, 700.0]], [0.0, 0.0, 0.0])
    np.testing.assert_allclose(w, [-0.1, 0.1, -0.1], rtol=1e-4)


def test_the_bound_of_a_setting_is_kept() -> None:
    from netdsl.diagnostics import DiagnosticError

    with pytest.raises(DiagnosticError):
        steps("momentum(0.1, mu=1.5)", GRADIENTS, START)

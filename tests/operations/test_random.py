"""Random draws: the generator's known answers, and what depends on what."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Run, Shape, evaluate
from netdsl.operations import REGISTRY, philox


@pytest.mark.parametrize(
    ("word", "key", "expected"),
    [
        (0, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        (0xFFFFFFFF, (0xFFFFFFFF, 0xFFFFFFFF), "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ],
)
def test_known_answers_of_philox(word: int, key: tuple[int, int], expected: str) -> None:
    counter = np.full(1, word, np.uint64)
    four = philox.philox((counter, counter, counter, counter), key)
    assert " ".join(f"{int(each[0]):08x}" for each in four) == expected


def test_the_key_of_a_stream_is_kept() -> None:
    assert philox.stream_hash("mlp/dropout_1/keep") == 0x6C2ABA1451DBAF21
    low, high = philox.key(3, "")
    assert low ^ 3 == philox.stream_hash("") & 0xFFFFFFFF
    assert high == philox.stream_hash("") >> 32


def draw(
    name: str, shape: Shape, *, stream: str = "a", seed: int = 1, step: int = 0, rows: int = 8
) -> np.ndarray:
    builder = Builder(REGISTRY)
    builder.outputs["y"] = builder.apply(name, shape=shape, stream=stream)
    return evaluate(builder.finish(), Run(rows, seed=seed, step=step))["y"]


@pytest.mark.parametrize("name", ["uniform", "gaussian"])
def test_draws_depend_on_seed_stream_step_and_place_alone(name: str) -> None:
    first = draw(name, (BATCH, 5))
    np.testing.assert_array_equal(first, draw(name, (BATCH, 5)))
    np.testing.assert_array_equal(first[:3], draw(name, (BATCH, 5), rows=3))
    np.testing.assert_array_equal(first.ravel(), draw(name, (40,)))
    for other in (
        draw(name, (BATCH, 5), stream="b"),
        draw(name, (BATCH, 5), seed=2),
        draw(name, (BATCH, 5), step=1),
    ):
        assert not np.any(first == other)


def test_uniform_draws_fill_the_interval() -> None:
    x = draw("uniform", (100_000,))
    assert x.min() >= 0
    assert x.max() < 1
    np.testing.assert_array_equal(x * 2**24, np.floor(x * 2**24))
    counts, _ = np.histogram(x, 10, (0, 1))
    assert np.all(np.abs(counts - 10_000) < 500)


def test_gaussian_draws_have_the_moments_of_a_normal_distribution() -> None:
    x = draw("gaussian", (100_000,))
    moments = [np.mean(x**power) for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.06)
    assert abs(np.mean(x[::2] * x[1::2])) < 0.02


def test_truncated_draws_stay_within_two_deviations() -> None:
    x = draw("truncated", (50_000,))
    assert np.abs(x).max() <= 2
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 0.8796) < 0.01
    kept = np.abs(plain := draw("gaussian", (50_000,))) <= 2
    np.testing.assert_array_equal(x[kept], plain[kept])


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (3, 3, 2, 8)])
def test_orthogonal_matrices(shape: Shape) -> None:
    x = draw("orthogonal", shape).reshape(-1, shape[-1])
    product = x @ x.T if len(x) <= shape[-1] else x.T @ x
    np.testing.assert_allclose(product, np.eye(min(x.shape)), atol=1e-14)

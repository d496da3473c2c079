from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.kernels.cpu.bench import LEVELS, Memory, call, from_panels, hand_written, in_panels, stride


def exact(z: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wide = z.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    share = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
    rows = np.arange(len(z))
    loss = np.log(np.exp(wide).sum(axis=1)) - wide[rows, labels]
    share[rows, labels] -= 1
    return loss, share


def run(level: str, z: NDArray[Any], labels: NDArray[Any], panels: bool, scale: float, first: int) -> Any:
    rows, classes = z.shape
    memory = Memory()
    given = memory.place(in_panels(z) if panels else z)
    slope, loss = memory.place(np.full_like(given, np.nan)), memory.room(rows)
    strides = (16, stride(rows)) if panels else (classes, 16)
    bits = int(np.float32(scale).view(np.int32))
    call(
        hand_written(level)["softmax_cross_entropy"],
        given, *strides, memory.place(labels), classes, loss, slope, bits, first, rows,
    )  # fmt: skip
    memory.check()
    if panels:
        full = from_panels(slope, rows, -(-classes // 16) * 16)
        assert not full[first:, classes:].any()
        slope = full[:, :classes]
    return loss, slope


@pytest.mark.parametrize("level", LEVELS)
@given(rows=st.integers(1, 9), classes=st.integers(1, 40), panels=st.booleans(), begin=st.integers(0, 8))
@settings(max_examples=20, deadline=None)
def test_loss_and_gradient(level: str, rows: int, classes: int, panels: bool, begin: int) -> None:
    rng = np.random.default_rng([rows, classes])
    z = (4 * rng.standard_normal((rows, classes))).astype(np.float32)
    labels = rng.integers(0, classes, rows).astype(np.int32)
    first = min(begin, rows - 1)
    loss, slope = run(level, z, labels, panels, 1 / rows, first)
    expected = exact(z, labels)
    np.testing.assert_allclose(loss[first:], expected[0][first:], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(slope[first:], expected[1][first:] / rows, rtol=1e-5, atol=2e-7)
    assert np.isnan(loss[:first]).all()
    assert np.isnan(slope[:first]).all()


@pytest.mark.parametrize("level", LEVELS)
def test_huge_logits(level: str) -> None:
    z = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, 1e4]], np.float32)
    loss, slope = run(level, z, np.array([0, 0, 1], np.int32), False, 1.0, 0)
    np.testing.assert_allclose(loss, [0, 2e4, np.log(3)], rtol=1e-6)
    third = 1 / 3
    expected = np.array([[0, 0, 0], [-1, 1, 0], [third, -2 * third, third]])
    np.testing.assert_allclose(slope, expected, atol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
def test_a_logit_that_is_no_number_is_seen(level: str) -> None:
    z = np.array([[0, np.nan, 1], [1, 2, 3]], np.float32)
    loss, slope = run(level, z, np.array([0, 1], np.int32), False, 1.0, 0)
    assert np.isnan(loss).tolist() == [True, False]
    assert np.isnan(slope).all(axis=1).tolist() == [True, False]

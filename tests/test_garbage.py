"""The collector's thresholds are those of before, whatever happens meanwhile."""

import gc
from collections.abc import Iterator

import pytest

from netdsl.garbage import SELDOM, left_alone, seldom_collected


@pytest.fixture(autouse=True)
def usual_thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


def test_thresholds_are_raised_for_a_while() -> None:
    with seldom_collected():
        assert gc.get_threshold() == SELDOM
        with seldom_collected():
            assert gc.get_threshold() == SELDOM
        assert gc.get_threshold() == SELDOM
    assert gc.get_threshold() == (700, 10, 10)


def test_an_error_restores_them() -> None:
    @seldom_collected()
    def fail() -> None:
        raise ValueError("as is told")

    for _ in range(2):
        with pytest.raises(ValueError, match="as is told"):
            fail()
        assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("thresholds", [(0, 10, 10), (200_000, 5, 5)])
def test_who_collects_never_or_more_rarely_is_left_alone(thresholds: tuple[int, int, int]) -> None:
    gc.set_threshold(*thresholds)
    with seldom_collected():
        assert gc.get_threshold() == thresholds
    assert gc.get_threshold() == thresholds


def test_what_was_there_is_left_alone_only_meanwhile() -> None:
    with left_alone():
        frozen = gc.get_freeze_count()
        with left_alone():
            assert gc.get_freeze_count() == frozen > 0
        assert gc.get_freeze_count() == frozen
    assert gc.get_freeze_count() == 0

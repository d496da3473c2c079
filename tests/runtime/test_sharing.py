"""How many threads a run is shared out to, decided from made-up times."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from netdsl.runtime.sharing import CYCLES_A_PIECE, LONGEST_WAIT, PIECE, TOO_SHORT, WAIT, Sharing, Steps


def pieces(
    sharing: Sharing, count: int, seconds: Callable[[int], float], cores: Callable[[int], float]
) -> list[int]:
    """Run so many pieces of 10 steps whose times and cores are functions of the threads; return these."""
    found = []
    for _ in range(count):
        threads = sharing.threads
        found.append(threads)
        sharing.tell(10, threads, seconds(threads), cores(threads))
    return found


def alone(threads: int) -> float:
    """The time of a piece where each thread has a core."""
    return 0.1 / threads


def beside(threads: int) -> float:
    """The time where another program has half of the second core."""
    return {1: 0.1, 2: 0.14}[threads]


def test_nothing_is_tried_while_threads_have_their_cores() -> None:
    assert set(pieces(Sharing(4), 200, alone, float)) == {4}
    assert set(pieces(Sharing(1), 20, alone, lambda _: 0.5)) == {1}


def test_fewer_are_taken_at_once_where_another_program_has_a_core() -> None:
    found = pieces(Sharing(2), 500, beside, lambda threads: min(threads, 1.5))
    assert found[:3] == [2, 1, 1]
    assert found.count(2) < 20, "each trial costs"


def test_all_are_taken_again_when_the_other_program_has_ended() -> None:
    sharing = Sharing(2)
    pieces(sharing, 300, beside, lambda threads: min(threads, 1.5))
    found = pieces(sharing, LONGEST_WAIT + 4, alone, float)
    assert found[0] == 1
    assert found[-1] == 2


def test_all_are_kept_where_fewer_are_slower() -> None:
    """Where cores are only a little short, as when a container has a part of one."""
    found = pieces(Sharing(4), 200, alone, lambda threads: min(threads, 3.6))
    assert found[:3] == [4, 3, 4]
    assert found.count(4) > 190


def test_as_many_are_tried_as_there_were_cores() -> None:
    found = pieces(Sharing(8), 3, lambda threads: 0.1 / min(threads, 5), lambda threads: min(threads, 5.2))
    assert found == [8, 5, 5]


def test_trials_that_fail_become_rare() -> None:
    sharing = Sharing(2)
    found = pieces(sharing, 1000, beside, lambda threads: min(threads, 1.5))
    places = [place for place, threads in enumerate(found) if threads == 2]
    waits = [later - before for before, later in pairwise(places)]
    assert waits[0] <= WAIT + 3
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT + 2


def test_a_chosen_number_stays() -> None:
    assert set(pieces(Sharing(2, fixed=True), 50, beside, lambda _: 1.2)) == {2}


def test_all_stay_where_the_time_of_cores_is_told_coarsely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.runtime.sharing.TELLS_CORES", False)
    assert set(pieces(Sharing(2), 50, beside, lambda _: 1.2)) == {2}


def test_pieces_grow_until_they_last_long_enough() -> None:
    sharing = Sharing(2)
    lengths = []
    for _ in range(8):
        lengths.append(sharing.steps)
        sharing.tell(sharing.steps, 2, sharing.steps * 1e-4, 2)
    assert lengths[:5] == [1, 4, 16, 64, 256]
    assert lengths[-1] == round(PIECE / 1e-4)


def test_short_pieces_and_those_of_another_number_say_nothing() -> None:
    sharing = Sharing(2)
    for _ in range(20):
        sharing.tell(1, 2, TOO_SHORT / 2, 1.0)
        sharing.tell(1, 1, 1.0, 1.0)
        assert sharing.threads == 2


def test_a_run_that_is_shorter_than_handing_it_over_is_for_one_thread() -> None:
    steps = Steps(CYCLES_A_PIECE / 2, Sharing(2))
    assert (steps.threads(1), steps.threads(10)) == (1, 2)
    assert Steps(1.0, Sharing(2, fixed=True)).threads(1) == 2


def test_a_run_is_cut_into_pieces_that_are_nearly_alike() -> None:
    sharing = Sharing(2)
    sharing.steps = 100
    for left, expected in ((1, 1), (100, 100), (140, 140), (160, 80), (1010, 101)):
        assert sharing.next_piece(left) == expected

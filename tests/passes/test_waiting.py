"""Who needs whom is the same by levels and bits as by a search through everything."""

import numpy as np
import pytest

from netdsl.passes.waiting import Waiting, reaches


@pytest.mark.parametrize("seed", range(12))
def test_needs_are_found_while_things_are_joined_and_come_to_need_more(seed: int) -> None:
    draw = np.random.default_rng(seed)
    count = 40
    # Not numbered in their order: what a thing needs may have a higher number.
    rank = draw.permutation(count)
    needs: list[set[int]] = [
        {other for other in range(count) if rank[other] < rank[number] and draw.random() < 0.07}
        for number in range(count)
    ]
    users: list[set[int]] = [
        {user for user in range(count) if number in needs[user]} for number in range(count)
    ]
    waiting = Waiting(needs.__getitem__, users.__getitem__, count)
    there = set(range(count))
    for _ in range(60):
        first, second = (int(each) for each in draw.choice(sorted(there), 2, replace=False))
        for start in there:
            for goal in there - {start}:
                assert waiting.reaches([start], goal) == reaches(needs.__getitem__, [start], goal)
        if draw.random() < 0.5:
            if not reaches(needs.__getitem__, [second], first):
                needs[first].add(second)
                users[second].add(first)
                waiting.rise(first)
        elif not _stand_between(needs, first, second) and len(there) > 5:
            _join(needs, users, first, second)
            there.remove(second)
            waiting.join(first, second)


def _stand_between(needs: list[set[int]], first: int, second: int) -> bool:
    """Tell whether a circle would come of it that two became one."""
    return any(reaches(needs.__getitem__, needs[a] - {b}, b) for a, b in ((first, second), (second, first)))


def _join(needs: list[set[int]], users: list[set[int]], first: int, second: int) -> None:
    for each in needs[second]:
        users[each] = (users[each] - {second}) | {first}
    for each in users[second]:
        needs[each] = (needs[each] - {second}) | {first}
    needs[first] = (needs[first] | needs[second]) - {first, second}
    users[first] = (users[first] | users[second]) - {first, second}
    needs[second], users[second] = set(), set()


def test_a_thing_that_is_asked_for_by_itself_needs_nothing() -> None:
    needs: list[set[int]] = [set(), {0}, {1}]
    waiting = Waiting(needs.__getitem__, [{1}, {2}, set()].__getitem__, 3)
    assert waiting.reaches([2], 0)
    assert not waiting.reaches([0], 2)
    assert not waiting.reaches([], 0)

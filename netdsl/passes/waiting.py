"""Who waits for whom: reachability and order over things that are numbered."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Needs = Callable[[int], Iterable[int]]
"""What a number needs to come before it."""


def reaches(needs: Needs, start: Iterable[int], goal: int) -> bool:
    """Tell whether one of some numbers is `goal`, or needs it, or needs one that does."""
    seen: set[int] = set()
    todo = list(start)
    while todo:
        number = todo.pop()
        if number == goal:
            return True
        if number not in seen:
            seen.add(number)
            todo.extend(needs(number))
    return False


def in_turn(needs: Needs, count: int) -> list[int]:
    """Return the numbers below `count`, each after what it needs, else as they are."""
    done: list[int] = []
    known: set[int] = set()

    def visit(number: int) -> None:
        if number not in known:
            known.add(number)
            for each in sorted(needs(number)):
                visit(each)
            done.append(number)

    for number in range(count):
        visit(number)
    return done


class Waiting:
    """Who needs whom among things of which some come to need more, or become part of others, but never
    themselves.

    A search through all that a thing needs, for each of them, would take the square of their number. So each
    has a level, above those of what it needs: what is not above the goal is not looked at. And each knows, as
    bits of a number, what it needed at the beginning, which it still needs.
    """

    def __init__(self, needs: Needs, users: Needs, count: int) -> None:
        """Begin with so many things; what they need, and who needs them, is asked for anew each time."""
        self._needs, self._users = needs, users
        self._levels = [0] * count
        self._own = [1 << number for number in range(count)]
        self._above = list(self._own)
        for number in in_turn(needs, count):
            for each in needs(number):
                self._above[number] |= self._above[each]
                self._levels[number] = max(self._levels[number], self._levels[each] + 1)

    def join(self, first: int, second: int) -> None:
        """Note that the second became part of the first."""
        self._own[first] |= self._own[second]
        self._above[first] |= self._above[second]
        self.rise(first)

    def rise(self, number: int) -> None:
        """Note that a thing may need more than before."""
        level = max((self._levels[each] + 1 for each in self._needs(number)), default=0)
        self._levels[number] = max(self._levels[number], level)
        todo = [number]
        while todo:
            number = todo.pop()
            for each in self._users(number):
                if self._levels[each] <= self._levels[number]:
                    self._levels[each] = self._levels[number] + 1
                    todo.append(each)

    def reaches(self, starts: Iterable[int], goal: int) -> bool:
        """Tell whether one of some things needs `goal`, or needs one that does."""
        lowest, own = self._levels[goal], self._own[goal]
        higher = [each for each in starts if self._levels[each] > lowest]
        return any(self._above[each] & own for each in higher) or reaches(
            lambda number: [e for e in self._needs(number) if e == goal or self._levels[e] > lowest],
            higher,
            goal,
        )

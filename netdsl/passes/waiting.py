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

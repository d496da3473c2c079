"""Phases: as few barriers as what steps touch allows."""

from netdsl.passes.schedule import schedule
from netdsl.program import ROWS, Access, Each, Range, Step, Work, count_of

PANELS = Each((count_of(4),))
OTHER = Each((count_of(5),))
ALONE = Each(())


def step(work: Work, reads: str = "", writes: str = "", own: str = "") -> Step:
    return Step(
        (), work, tuple(Access(name, own) for name in reads), tuple(Access(name, own) for name in writes)
    )


def phases(*steps: Step) -> list[int]:
    """Return the phase of each step."""
    found = schedule(steps)
    return [
        next(n for n, phase in enumerate(found) if any(each is step for each in phase.steps))
        for step in steps
    ]


def test_independent_steps_share_a_phase() -> None:
    assert phases(step(PANELS, "a", "b"), step(OTHER, "a", "c")) == [0, 0]


def test_a_value_is_read_after_the_barrier() -> None:
    assert phases(step(PANELS, "a", "b"), step(PANELS, "b", "c"), step(PANELS, "c", "d")) == [0, 1, 2]


def test_pieces_of_their_own_need_no_barrier() -> None:
    first, second = step(PANELS, "a", "b", "panels"), step(PANELS, "b", "c", "panels")
    assert phases(first, second) == [0, 0]


def test_other_pieces_do() -> None:
    assert phases(step(PANELS, "a", "b", "panels"), step(OTHER, "b", "c", "panels")) == [0, 1]
    assert phases(step(PANELS, "a", "b", "panels"), step(PANELS, "b", "c", "rows")) == [0, 1]
    assert phases(step(Range(ROWS), "", "b", "r"), step(Range(ROWS, 16), "b", "", "r")) == [0, 1]


def test_one_thread_does_its_steps_in_order() -> None:
    assert phases(step(ALONE, "a", "b"), step(ALONE, "b", "c"), step(PANELS, "c", "d")) == [0, 0, 1]


def test_an_old_value_is_read_before_it_is_overwritten() -> None:
    assert phases(step(PANELS, "w", "y"), step(PANELS, "g", "w")) == [0, 1]


def test_a_value_is_written_twice_in_order() -> None:
    assert phases(step(PANELS, "", "w"), step(PANELS, "", "w")) == [0, 1]

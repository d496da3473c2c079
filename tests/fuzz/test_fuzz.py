"""A small part of what `python -m tests.fuzz` tries, and that the command notices what is wrong."""

import time

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz.trial import text_of, tried

SEED = 7


@pytest.mark.parametrize("part", range(6))
def test_no_text_makes_a_reader_fail(part: int) -> None:
    for index in range(50 * part, 50 * (part + 1)):
        kind, text = text_of(SEED, index)
        assert tried(text, SEED, index), kind


def test_a_text_is_the_same_for_the_same_numbers() -> None:
    assert [text_of(SEED, index) for index in range(20)] == [text_of(SEED, index) for index in range(20)]
    assert len({text_of(SEED, index) for index in range(100)}) > 90


def test_all_kinds_of_texts_are_tried_and_some_are_sound() -> None:
    found = {(text_of(SEED, index)[0], tried(text_of(SEED, index)[1], SEED, index)) for index in range(60)}
    assert {kind for kind, _ in found} == {"mutated", "derived", "network"}
    assert {"mistakes", "sound"} <= {outcome for _, outcome in found}


def test_an_exception_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, seed: int, index: int) -> str:
        raise KeyError(text[:1])

    monkeypatch.setattr(command, "tried", broken)
    outcomes, _, _, wrong = command.several(SEED, 0, 3)
    assert len(wrong) == outcomes.total() == 3
    assert "KeyError" in wrong[0][1]


def test_what_takes_too_long_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(text: str, seed: int, index: int) -> str:
        began = time.process_time()
        while time.process_time() - began < 0.05:
            pass
        return "sound"

    monkeypatch.setattr(command, "tried", slow)
    monkeypatch.setattr(command, "SECONDS", 0.01)
    assert "took" in command.several(SEED, 0, 1)[3][0][1]
    monkeypatch.setattr(command, "STUCK", 0.02)
    assert "StuckError" in command.several(SEED, 0, 1)[3][0][1]

"""The text that comes with the models, and what its grammar decides."""

import pytest

from tests.models.sentences import MODELS, script

make = script()


def test_the_text_is_what_the_script_writes() -> None:
    raw = (MODELS / "sentences.txt").read_bytes()
    assert raw == make.make_text().encode()
    assert len(raw) <= 150_000


def test_what_follows_is_always_among_the_choices() -> None:
    """Wherever a window begins, also in sentences that the text does not have."""
    text = make.make_text(400, seed=7)
    for agreement in (True, False):
        for start in range(0, len(text) - 41, 37):
            window, following = text[start : start + 40], text[start + 1 : start + 41]
            found = make.choices(window, agreement=agreement)
            assert all(each in allowed for each, allowed in zip(following, found, strict=True))


@pytest.mark.parametrize(
    ("sentence", "after", "choices"),
    [
        ("\nthe cats that the dog sees help themselves.\n", "\nthe cats that the dog sees", " "),
        ("\nthe cats that the dog sees help themselves.\n", "\nthe cats that the dog sees help", " "),
        ("\nthe cat that the dogs see helps the king.\n", "\nthe cat that the dogs see help", "s"),
        ("\nthe cats that the dog sees help themselves.\n", "\nthe cats that the dog sees help th", "e"),
        ("\nthe cats that the dog sees help themselves.\n", "\nthe cats that the dog sees help the", "m "),
        ("\nthe cat near the dogs loves itself.\n", "\nthe cat near the dogs loves ", "it"),
        ("\nthe cats near the dog love the mice.\n", "\nthe cats near the dog love ", "t"),
        ("\nthe foxes sleep.\n", "\nthe f", "o"),
        ("\nthe foxes sleep.\n", "\nthe fox", " e"),
        ("\nthe foxes sleep.\n", "\nthe foxes sleep", " ."),
    ],
)
def test_choices_after_the_beginning_of_a_sentence(sentence: str, after: str, choices: str) -> None:
    assert sentence.startswith(after)
    assert make.choices(after)[-1] == frozenset(choices)


def test_it_is_the_subject_that_decides_and_not_the_noun_beside_the_verb() -> None:
    for subject, ending in (("cat", "s"), ("cats", " ")):
        for between in ("dog", "dogs"):
            window = f"\nthe {subject} near the {between} help"
            assert make.choices(window)[-1] == {ending}
            assert make.choices(window, agreement=False)[-1] == {"s", " "}


def test_without_its_subject_a_window_leaves_the_number_open() -> None:
    assert make.choices("that the dog sees help")[-1] == {"s", " "}


def test_memory_matters_in_the_text() -> None:
    """About one character in thirty hangs on the number of a noun further back."""
    text = make.make_text(300)
    windows = [text[start : start + 64] for start in range(0, len(text) - 64, 64)]
    decided, remembered = 0, 0
    for window in windows:
        known = [len(each) == 1 for each in make.choices(window)]
        nearby = [len(each) == 1 for each in make.choices(window, agreement=False)]
        assert all(far or not near for near, far in zip(nearby, known, strict=True))
        decided += sum(known)
        remembered += sum(known) - sum(nearby)
    assert 0.65 < decided / (64 * len(windows)) < 0.8
    assert 0.025 < remembered / (64 * len(windows)) < 0.05

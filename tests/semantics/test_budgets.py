"""What would grow without bounds is refused before it does."""

import time

import pytest

from tests.semantics.bench import PLAIN, classifier, codes

DOUBLING = (
    "\n".join(f"layer l{n}(x) = x -> l{n + 1} -> l{n + 1}" for n in range(30)) + "\nlayer l30(x) = x -> tanh"
)


@pytest.mark.parametrize(
    ("stage", "before", "code"),
    [
        ("repeat 1000000000 { tanh }", "", "E0402"),
        ("repeat 1000 { relu -> repeat 1000 { relu -> repeat 1000 { tanh } } }", "", "E0401"),
        ("repeat n in 1 .. 1000000000 { tanh }", "", "E0402"),
        ("repeat 60000 { tanh -> dense(64) }", "", "E0402"),
        (" -> ".join(["relu"] * 21_000), "", "E0401"),
        ("dense(1M) -> relu -> dense(1M)", "", "E0403"),
        ("l0", DOUBLING, "E0401"),
        ("dense(99999999999)", "", "E0206"),
        ("reshape([99999999999999999999])", "", "E0206"),
        ("dropout(10^10^10)", "", "E0208"),
    ],
    ids=lambda each: each[:40],
)
def test_a_bomb_is_told_within_a_second_or_two(stage: str, before: str, code: str) -> None:
    start = time.process_time()
    found = codes(classifier(PLAIN.replace("dense(10)", f"{stage} -> dense(10)"), before=before))
    assert code in found
    assert time.process_time() - start < 6  # of the processor: others may have it meanwhile

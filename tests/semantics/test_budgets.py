"""What would grow without bounds is refused before it does."""

import time

import pytest

from netdsl.diagnostics import DiagnosticError, Source, Span, summary
from netdsl.semantics import mistakes
from netdsl.semantics.problems import MOST, Problems, mistake, warning
from tests.semantics.bench import PLAIN, classifier, codes, experiment, files_of

DOUBLING = (
    "\n".join(f"layer l{n}(x) = x -> l{n + 1} -> l{n + 1}" for n in range(30)) + "\nlayer l30(x) = x -> tanh"
)

SUMS = (
    "\n".join(f"layer m{n}(x) = repeat_{n}(x) + m{n + 1}(x)" for n in range(30))
    + "\nlayer m30(x) = x -> repeat 3000 { repeat_0 }\n"
    + "\n".join(f"layer repeat_{n}(x) = x -> repeat 1000 {{ tanh -> identity }}" for n in range(30))
)


@pytest.mark.parametrize(
    ("stage", "before", "code"),
    [
        ("repeat 1000000000 { tanh }", "", "E0402"),
        ("repeat 1000 { relu -> repeat 1000 { relu -> repeat 1000 { tanh } } }", "", "E0401"),
        ("repeat n in 1 .. 1000000000 { tanh }", "", "E0402"),
        ("repeat 60000 { tanh -> dense(64) }", "", "E0402"),
        ("m -> m", "layer m(x) = x -> " + " -> ".join(["repeat 1500 { relu }"] * 9), "E0401"),
        ("dense(1M) -> relu -> dense(1M)", "", "E0403"),
        ("l0", DOUBLING, "E0401"),
        ("l0", DOUBLING.replace("tanh", "dense(64)"), "E0401"),
        ("m0", SUMS, "E0401"),
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
    assert time.process_time() - start < 4  # of the processor: others may have it meanwhile


def test_what_is_told_of_one_file_is_what_somebody_reads() -> None:
    unused = "\n".join(f"param p{n} = {n}" for n in range(500))
    assert len(codes(classifier(PLAIN, before=unused))) == MOST
    wrong = "\n".join(f"    foo{n} = {n}" for n in range(500))
    text = f"{classifier(PLAIN).rstrip().removesuffix('}')}{wrong}\n}}"
    with pytest.raises(DiagnosticError) as caught:
        experiment(text)
    for error in (caught.value, mistakes(files_of(text), {}, None)):
        assert [each.code for each in error.diagnostics] == ["E0602"] * MOST
        assert error.more == 500 - MOST


def test_what_is_told_twice_is_counted_once() -> None:
    problems = Problems()
    source = Source("main.net", "x" * 300)
    for n in [*range(300), *range(300)]:
        problems.tell(mistake("E0208", "too large", Span(source, n, n + 1)).diagnostic)
        problems.tell(warning("W0103", "not needed", Span(source, n, n + 1)))
    assert (len(problems.found), problems.more) == (2 * MOST, 300 - MOST)
    with pytest.raises(DiagnosticError) as caught:
        problems.stop_if_any()
    assert summary(caught.value.diagnostics, caught.value.more) == "100 of 300 errors, 100 warnings"


@pytest.mark.parametrize("extent", ["1e308", "2.5", "0", "1e13"])
def test_an_extent_of_an_input_is_a_number_of_places(extent: str) -> None:
    text = classifier(PLAIN).replace("image: [", f"image: [{extent}, ")
    assert "E0206" in [each.code for each in mistakes(files_of(text), {}, None).diagnostics]

"""Reading on behind a mistake: what is told besides, what is kept, and what no text can do."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Severity, Source, Span, render, to_json
from netdsl.syntax import attempt, parse, tree

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("models/*.net"))[:12]]


def read(text: str) -> tuple[tree.File, list[Diagnostic], frozenset[str]]:
    salvage = attempt(Source("given.net", text))
    return salvage.file, list(salvage.diagnostics), salvage.lost


def codes(text: str) -> list[str]:
    return [each.code for each in read(text)[1]]


def place(diagnostic: Diagnostic) -> str:
    assert diagnostic.primary is not None
    return diagnostic.primary.span.text


def test_each_statement_is_told_by_itself() -> None:
    text = "layer f(x) {\n a = x y\n b = x\n c = 1 +\n}\nlayer g(x) = (x\nlayer h(x) = x z\n"
    assert codes(text) == ["E0008", "E0019", "E0002", "E0008"]


def test_what_parses_is_kept_and_what_does_not_is_lost_by_name() -> None:
    file, found, lost = read("param lr = 0.1\nmodel bad(x: [4]) {\n return x y\n}\nlayer good(x) = x\n")
    assert len(found) == 1
    assert [type(each).__name__ for each in file.declarations] == ["Param", "Definition"]
    assert "bad" in lost
    assert not lost & {"lr", "good"}


def test_spans_of_what_is_kept_are_those_of_the_text() -> None:
    text = "layer bad(x) = x y\n\nlayer good(x) = x + 1\n"
    file, _, _ = read(text)
    (good,) = file.declarations
    assert good.span.text == "layer good(x) = x + 1"
    assert good.span.line == 3


def test_what_follows_from_a_loss_is_told_apart() -> None:
    source = Source("given.net", "model bad(x) = x y\nlayer good(x) = x -> bad -> worse\n")
    salvage = attempt(source)

    def error(code: str, message: str, text: str) -> Diagnostic:
        start = source.text.rindex(text)
        return Diagnostic(code, message, Label(Span(source, start, start + len(text)), ""))

    real = error("E0101", "there is no name `worse`", "worse")
    found = [
        error("E0101", "there is no name `bad`", "bad"),
        error("E0301", "`bad` has no shape", "worse"),
        real,
        Diagnostic("E0602", "no train block"),
        replace(real, severity=Severity.WARNING),
    ]
    assert salvage.independent(found) == (real,)


def test_parse_tells_what_attempt_found() -> None:
    text = "layer f(x) = x y\nlayer g(x) = x z\n"
    with pytest.raises(DiagnosticError) as caught:
        parse(Source("given.net", text))
    assert caught.value.diagnostics == tuple(read(text)[1])


def test_mistakes_come_in_the_order_of_the_text() -> None:
    text = "layer f(x) = x y\nparam a = 'b'\nlayer g(x) = f(x, a=1, a=2)\nlayer h(x = x\n\u200b\n"
    starts = [each.primary.span.start for each in read(text)[1] if each.primary]
    assert starts == sorted(starts)
    assert len(starts) == 5


def test_an_unclosed_body_ends_where_the_next_declaration_begins() -> None:
    file, found, _ = read("layer f(x) {\n    return x\n\nlayer g(x) = x\ntrain {\n    epochs = 3\n")
    assert [place(each) for each in found] == ["{", "{"]
    assert [getattr(each, "kind", "") for each in file.declarations] == ["layer"]


def test_a_bracket_too_much_is_taken_away() -> None:
    file, found, _ = read("layer f(x) = max(x, 0))\nlayer g(x) = x ]\n")
    assert [each.code for each in found] == ["E0002", "E0002"]
    assert len(file.declarations) == 2


def test_a_bracket_in_a_text_that_is_not_closed_is_not_told() -> None:
    assert codes('param a = f("x)\nlayer g(x) = x\n') == ["E0003"]


def test_commas_separate_arguments_over_lines() -> None:
    text = "layer f(x) {\n    y = g(x,\n        a=1\n        b=2)\n    return y\n}\n"
    assert [(each.code, place(each)) for each in read(text)[1]] == [("E0020", "b")]


def test_a_fix_mends_the_mistake() -> None:
    """Where a diagnostic has a replacement, the text with it has one mistake less."""
    for text in [
        "layer f(x) = if x = 3 then x else 0\n",
        "layer f(x) = x relu\n",
        "import 'a.net'\n",
        "param a = .5\n",
        "param a = 10epochs\n",
        "param a = 1_000\n",
        "param a = 10 epocs\n",
        "layer f(x) = 3 × x\n",
        "train {\n    epochs: 3\n}\n",
        "layer f(x) {\n    return x;\n}\n",
        "layer f(x) {\n    retrun x\n}\n",
        "modle f(x: [4]) = x\n",
        "layer f(x [n]) = x\n",
        "param lr\u200b = 1\n",
        "train = { epochs = 1 }\n",
    ]:
        _, (diagnostic,), _ = read(text)
        assert diagnostic.fix is not None, text
        span = diagnostic.fix.span
        mended = text[: span.start] + diagnostic.fix.replacement + text[span.end :]
        assert codes(mended) == [], mended


def test_no_more_than_anyone_reads_is_told() -> None:
    assert 20 <= len(codes("a = b\n" * 500)) <= 60


PIECES = st.sampled_from(
    [
        *'(){}[]=;:,."#\n\t\\%&|!?$~²→éλ\r',
        "->",
        ":=",
        "**",
        "//",
        "}\n",
        "{\n",
        " if ",
        " then ",
        " else ",
        " repeat ",
        " in ",
        " as ",
        "\nlayer ",
        "\ntrain {",
        "\nreturn ",
        " state ",
        "1e",
        "3x",
        ".5",
        "\u202e",
        "�",
        "“",
        "'",
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    which=st.integers(0, len(TEXTS) - 1),
    start=st.integers(0, 400),
    edits=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 9), PIECES), max_size=5),
)
def test_any_text_is_read_or_told(which: int, start: int, edits: list[tuple[int, int, str]]) -> None:
    """Pieces put into a text, and taken out of it: there is a tree or a message, never anything else."""
    text = TEXTS[which][start : start + 600]
    for at, taken, put in edits:
        text = text[:at] + put + text[at + taken :]
    file, found, _ = read(text)
    assert render(found, color=True).count("\x1b[0m") > 0 or not found
    for each in found:
        assert re.fullmatch(r"E00\d\d|E04\d\d", each.code)
        assert each.primary is not None
        record = to_json(each)["primary"]
        assert 0 <= record["start"] <= record["end"] <= len(text)
    if not found:
        assert parse(Source("given.net", text)) == file


@pytest.mark.parametrize("text", ["({)", "A({)", "({", "x{)", "}{)", "}({)", "a\n}{)\n({)"])
def test_heads_shorter_than_what_stands_for_them_keep_their_length(text: str) -> None:
    _, found, _ = read(text)
    assert found
    render(found)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_characters_are_read_or_told(text: str) -> None:
    _, found, _ = read(text)
    render(found)

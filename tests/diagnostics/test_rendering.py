"""Messages as they are shown: excerpts, underlines, notes, colors."""

import re

import pytest

from netdsl.diagnostics import Diagnostic, Label, Severity, Source, Span, render, summary
from netdsl.diagnostics.cells import printable

MODEL = Source(
    "mnist.net",
    """param units = 512

data mnist { source = mnist() }

train {
    model = mlp
}

model mlp(image: [28, 28, 1]) {
    h = image -> dense(units) -> relu
    return h
}
""",
)
LIBRARY = Source("library/layers.net", "layer dense(x: [n]; units) {\n    return x\n}\n")


def at(text: str, message: str = "", source: Source = MODEL) -> Label:
    start = source.text.index(text)
    return Label(Span(source, start, start + len(text)), message)


def shown(primary: Label | None, *secondary: Label) -> str:
    return render([Diagnostic("E0312", "it does not fit", primary, secondary)])


def test_the_message_of_the_design() -> None:
    diagnostic = Diagnostic(
        "E0312",
        "`dense` takes a vector, and `image` is [28, 28, 1]",
        at("dense", "expects x: [n]"),
        (at("[28, 28, 1]", "the input has shape [28, 28, 1]"),),
        help="flatten it first: `image -> flatten -> dense(units)`",
    )
    assert render([diagnostic]) == (
        "error[E0312]: `dense` takes a vector, and `image` is [28, 28, 1]\n"
        "   ┌─ mnist.net:10:18\n"
        " 9 │ model mlp(image: [28, 28, 1]) {\n"
        "   │                  ----------- the input has shape [28, 28, 1]\n"
        "10 │     h = image -> dense(units) -> relu\n"
        "   │                  ^^^^^ expects x: [n]\n"
        "   = help: flatten it first: `image -> flatten -> dense(units)`\n"
    )


def test_lines_between_are_shown_or_left_out() -> None:
    assert shown(at("dense", "here"), at("units", "there"), at("mlp\n", "used")) == (
        "error[E0312]: it does not fit\n"
        "   ┌─ mnist.net:10:18\n"
        " 1 │ param units = 512\n"
        "   │       ----- there\n"
        "   ⋮\n"
        " 6 │     model = mlp\n"
        "   │             --- used\n"
        "   ⋮\n"
        "10 │     h = image -> dense(units) -> relu\n"
        "   │                  ^^^^^ here\n"
    )
    assert shown(at("model = mlp", "here"), at("source", "there")) == (
        "error[E0312]: it does not fit\n"
        "  ┌─ mnist.net:6:5\n"
        "3 │ data mnist { source = mnist() }\n"
        "  │              ------ there\n"
        "  ⋮\n"
        "6 │     model = mlp\n"
        "  │     ^^^^^^^^^^^ here\n"
    )
    assert "4 │\n" in shown(at("train", "here"), at("source", "there"))


def excerpt_of(text: str) -> list[str]:
    return text.splitlines()[2:]


def test_several_in_one_line() -> None:
    text = shown(at("dense", "this"), at("h = image", "all"), at("relu", "that"), at("image ->", "the rest"))
    assert excerpt_of(text) == [
        "10 │     h = image -> dense(units) -> relu",
        "   │     ------------ ^^^^^           ---- that",
        "   │     │   │        this",
        "   │     │   the rest",
        "   │     all",
    ]


def test_one_inside_of_another() -> None:
    assert excerpt_of(shown(at("->", "sign"), at("image -> dense", "all"))) == [
        "10 │     h = image -> dense(units) -> relu",
        "   │         ------^^------",
        "   │         │     sign",
        "   │         all",
    ]


def test_many_lines() -> None:
    assert excerpt_of(shown(at("train {\n    model = mlp\n}", "all of it"))) == [
        "5 │ train {",
        "  │ ^^^^^^^",
        "6 │     model = mlp",
        "7 │ }",
        "  │ ^ all of it",
    ]


def test_two_sources() -> None:
    text = shown(at("dense", "used here"), at("x: [n]", "declared here", LIBRARY))
    assert excerpt_of(text)[2:] == [
        "   ┌─ library/layers.net:1:13",
        " 1 │ layer dense(x: [n]; units) {",
        "   │             ------ declared here",
    ]


def test_two_sources_of_one_text_are_two() -> None:
    again = Source("again.net", MODEL.text)
    assert shown(at("dense", "here"), at("dense", "there", again)).count("┌─") == 2


ODD = Source("odd.net", "a\tb\n\t図図 x\ne\u0301 y\nz\u202ew\r\nlast")


@pytest.mark.parametrize(
    ("what", "line", "marks"),
    [
        ("b", "a    b", "     ^ here"),
        ("x", "    図図 x", "         ^ here"),
        ("図図", "    図図 x", "    ^^^^ here"),
        ("y", "e\u0301 y", "  ^ here"),
        ("w", "z<U+202E>w", "         ^ here"),
        ("\u202e", "z<U+202E>w", " ^^^^^^^^ here"),
        ("last", "last", "^^^^ here"),
    ],
)
def test_characters_of_any_width(what: str, line: str, marks: str) -> None:
    assert [row[4:] for row in excerpt_of(shown(at(what, "here", ODD)))] == [line, marks]


def test_the_end_of_a_line_and_of_a_file() -> None:
    at_newline = ODD.text.index("\n")
    assert excerpt_of(shown(Label(Span(ODD, at_newline, at_newline + 1), "here")))[1] == "  │       ^ here"
    end = len(ODD.text)
    assert excerpt_of(shown(Label(Span(ODD, end, end), "here"))) == ["5 │ last", "  │     ^ here"]
    empty = Source("empty.net", "")
    assert excerpt_of(shown(Label(Span(empty, 0, 0), "here"))) == ["1 │", "  │ ^ here"]


def test_a_very_long_line_is_cut_around_the_place() -> None:
    source = Source("long.net", "a" * 5000 + " here " + "b" * 5000)
    line, marks = excerpt_of(shown(at("here", "it", source)))
    assert len(line) < 200
    assert line.count("…") == 2
    start = line.index("here")
    assert marks[start : start + 4] == "^^^^"


def test_without_a_place() -> None:
    diagnostic = Diagnostic("E0801", "the disk is full", notes=("one", "two\nlines"), help="make room")
    assert render([diagnostic]) == (
        "error[E0801]: the disk is full\n  = note: one\n  = note: two\n          lines\n  = help: make room\n"
    )


def test_nothing_can_steer_the_terminal() -> None:
    nasty = "\x1b[2J\u202e\r\x00\x9b"
    source = Source(f"a{nasty}.net", f"x {nasty} y\n")
    text = render(
        [Diagnostic("E0001", nasty, at("x", nasty, source), notes=(nasty,), help=nasty)], color=False
    )
    assert not set(nasty.replace("[2J", "")) & set(text)
    assert "<U+001B>" in text


def test_colors_only_add_codes() -> None:
    diagnostic = Diagnostic("E0001", "a\nb", at("dense", "c"), (at("relu", "d"),), ("e",), "f")
    colored = render([diagnostic], color=True)
    assert "\x1b[1;31merror[E0001]" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == render([diagnostic], color=False)


def test_several_are_apart_and_counted() -> None:
    error = Diagnostic("E0001", "one")
    warning = Diagnostic("W0001", "two", severity=Severity.WARNING)
    assert render([error, warning]) == "error[E0001]: one\n\nwarning[W0001]: two\n"
    assert summary([error, warning, error]) == "2 errors, 1 warning"
    assert summary([error, warning, warning], more=4) == "1 of 5 errors, 2 warnings"
    assert render([]) == summary([]) == ""


def test_printable_text_is_left_alone() -> None:
    assert printable("λ 図 é “x”") == "λ 図 é “x”"
    assert printable("a\tb") == "a    b"

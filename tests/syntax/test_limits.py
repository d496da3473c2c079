"""What a file may hold, and that nothing larger is looked at for long."""

import time

import pytest

from netdsl.diagnostics import Diagnostic, Source, render
from netdsl.syntax import attempt, format_file, limits, parse
from netdsl.syntax.limits import DEPTH, FILE_SIZE, NAME_LENGTH, NESTING, NUMBER_LENGTH, TOKENS


def found(text: str) -> list[Diagnostic]:
    return list(attempt(Source("given.net", text)).diagnostics)


def codes(text: str) -> list[str]:
    return [each.code for each in found(text)]


def nested(depth: int, opening: str, closing: str) -> str:
    return "param a = " + opening * depth + "1" + closing * depth


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("[", "]"), ("f(", ")"), ("(a=", ")")])
def test_brackets_inside_of_each_other(opening: str, closing: str) -> None:
    text = nested(NESTING, opening, closing)
    assert codes(text) == []
    assert format_file(parse(Source("given.net", text))).count(opening[-1]) >= NESTING
    assert codes(nested(NESTING + 1, opening, closing)) == ["E0411"]


def test_repeats_inside_of_each_other() -> None:
    def text(depth: int) -> str:
        return "layer f(x) = x" + " -> repeat 2 { f" * depth + " }" * depth

    assert codes(text(NESTING)) == []
    assert codes(text(NESTING + 1)) == ["E0411"]


@pytest.mark.parametrize("step", ["- ", "2 ^ ", "1 + ", "1 * ", "x or ", "if x then 1 else "])
def test_operations_inside_of_each_other(step: str) -> None:
    assert codes(f"layer f(x) = {step * (DEPTH - 1)}x") == []
    assert codes(f"layer f(x) = {step * (DEPTH + 1)}x") == ["E0411"]


def test_a_long_chain_is_not_deep() -> None:
    assert codes("layer f(x) = x" + " -> f" * 1000) == []
    assert codes("param a = [" + "1, " * 1000 + "]") == []


def test_a_deep_tree_is_written_compared_and_printed() -> None:
    """Whoever walks a tree may recurse: the deepest there can be is not too deep for Python."""
    text = "param a = " + "(" * (NESTING - 1) + "- " * (DEPTH - NESTING) + "1" + ")" * (NESTING - 1)
    file = parse(Source("given.net", text))
    assert parse(Source("given.net", format_file(file))) == file
    assert "Unary" in repr(file)
    assert isinstance(hash(file), int)


def test_long_names_and_numbers() -> None:
    assert codes(f"param {'a' * NAME_LENGTH} = {'1' * NUMBER_LENGTH}") == []
    assert codes(f"param {'a' * (NAME_LENGTH + 1)} = 1") == ["E0413"]
    assert codes(f"param a = {'1' * (NUMBER_LENGTH + 1)}") == ["E0414"]
    assert codes(f"param a = {'1x' * NUMBER_LENGTH}1") == ["E0414"]
    assert codes("param a = 1e400") == ["E0414"]
    assert codes("param a = " + "9" * 10_000) == ["E0414"]


def test_a_large_file() -> None:
    assert codes("# " + "x" * FILE_SIZE) == ["E0412"]
    assert codes("# " + "x" * (FILE_SIZE - 2)) == []


def test_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    from netdsl.syntax import layout

    monkeypatch.setattr(layout, "TOKENS", 100)
    assert codes("param a = [" + "1, " * 40 + "]") == []
    assert codes("param a = [" + "1, " * 60 + "]") == ["E0412"]
    assert limits.TOKENS == TOKENS


LARGE = FILE_SIZE - 100
HOSTILE = {
    "opening": "param x = " + "(" * LARGE,
    "closing": ")" * LARGE,
    "all kinds": "{([" * (LARGE // 3),
    "signs": "param x = " + "- " * (LARGE // 2) + "1",
    "powers": "param x = " + "2^" * (LARGE // 2) + "1",
    "quotes": '"\n' * (LARGE // 2),
    "single quotes": "'" * LARGE,
    "one name": "a" * LARGE,
    "one number": "param x = " + "1" * LARGE,
    "empty lines": "\n" * LARGE,
    "blanks": "param x = 1" + " " * LARGE + "\n ->",
    "comments": "param x = 1\n" + "#a\n" * (LARGE // 3) + "-> f",
    "broken lines": "layer f(x) {\n" + "a b\n" * (LARGE // 4) + "}",
    "broken declarations": "a b\n" * (LARGE // 4),
    "bodies": "model x {\n" * (LARGE // 10),
    "hidden": "\u202e" * LARGE,
    "zeros": "\0" * LARGE,
    "superscripts": "²" * LARGE,
}


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long(text: str) -> None:
    start = time.perf_counter()
    message = render(found(text))
    assert time.perf_counter() - start < 10  # about a second on a quiet machine
    assert len(message) < 100_000

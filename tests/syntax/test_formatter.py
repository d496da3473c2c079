"""The formatter: the same tree, the same comments, and nothing left to format."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.diagnostics import Source
from netdsl.syntax import format_file, parse
from tests.syntax.trees import Grower

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("models/*.net"), *ROOT.glob("netdsl/library/*.net")])
CASES = sorted(Path(__file__).with_name("formatted").glob("*.net"))


def formatted(text: str) -> str:
    return format_file(parse(Source("given.net", text)))


def comments(text: str) -> list[str]:
    without_texts = re.sub(r'"[^"\n]*"', '""', text)
    return [line.rstrip() for line in re.findall(r"#.*", without_texts)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(0, 4))
def test_a_grown_tree_survives(seed: int, size: int) -> None:
    grown = Grower(seed, size).file()
    text = format_file(grown)
    assert parse(Source("grown.net", text)) == grown
    assert formatted(text) == text


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), places=st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_comments_anywhere_survive(seed: int, places: list[int]) -> None:
    """Comments are put at ends of lines of a formatted text, and in lines of their own."""
    lines = format_file(Grower(seed, 3).file()).split("\n")
    for number, place in enumerate(places):
        at = place % len(lines)
        if place % 2:
            lines[at] += f" # beside {number}"
        else:
            lines.insert(at, f"   # alone {number}")
    text = "\n".join(lines)
    tree = parse(Source("commented.net", text))
    once = format_file(tree)
    assert parse(Source("commented.net", once)) == tree
    assert sorted(comments(once)) == sorted(comments(text))
    assert formatted(once) == once


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_of_the_repository_survive(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    once = formatted(text)
    assert parse(Source(path.name, once)) == parse(Source(path.name, text))
    assert comments(once) == comments(text)
    assert formatted(once) == once


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_style(path: Path) -> None:
    """Each case holds what was written, a line of dashes, and what it becomes."""
    given_text, wanted = path.read_text(encoding="utf-8").split("# ----\n")
    assert formatted(given_text) == wanted


def test_a_looser_expression_gets_parentheses() -> None:
    """A tree that no text has as it stands (a pass made it) is still written so that it means the same."""
    from netdsl.syntax import tree
    from tests.syntax.trees import SOURCE, SPAN

    x = tree.Path((tree.Name("x", SPAN),), SPAN)
    total = tree.Binary("+", x, x, SPAN, SPAN)
    power = tree.Binary("^", tree.Binary("*", total, x, SPAN, SPAN), total, SPAN, SPAN)
    chain = tree.Chain(power, None, (tree.Stage(x, None, SPAN),), SPAN)
    param = tree.Param(tree.Name("y", SPAN), chain, None, None, SPAN)
    assert format_file(tree.File(SOURCE, (param,))) == "param y = (((x + x) * x)^(x + x) -> x)\n"

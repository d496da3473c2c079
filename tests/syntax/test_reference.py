"""What the language reference shows is of the language, and laid out as the formatter does it."""

import re
from pathlib import Path

import pytest

from netdsl.diagnostics import Source
from netdsl.syntax import format_file, parse
from netdsl.syntax.limits import DEPTH, NAME_LENGTH, NESTING, TOKENS
from netdsl.syntax.numerals import UNITS
from netdsl.syntax.words import DECLARATIONS, RESERVED

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```net\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", BLOCKS, ids=[block.split("\n")[0] for block in BLOCKS])
def test_an_example_parses_and_is_formatted(text: str) -> None:
    assert format_file(parse(Source("language.md", text))) == text


def test_examples_of_chains_parse() -> None:
    rows = re.findall(r"^\| `((?:x ->|if )[^`]*)`", PAGE, re.MULTILINE)
    assert len(rows) == 6
    for row in rows:
        parse(Source("language.md", f"layer f(x) = {row}\n"))


def test_the_page_names_every_word() -> None:
    missing = {word for word in (*DECLARATIONS, *UNITS, *RESERVED) if not re.search(rf"\b{word}\b", PAGE)}
    assert missing == set()


def test_the_page_names_the_limits() -> None:
    for limit in (
        f"{NESTING} deep",
        f"expression {DEPTH}",
        f"{TOKENS:,} words",
        f"{NAME_LENGTH} characters",
        "1 MiB",
    ):
        assert limit in PAGE.replace("\n", " ")

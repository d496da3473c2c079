"""Every `.net` file of the project parses, and is written as the formatter writes it."""

from pathlib import Path

import pytest

from netdsl.diagnostics import Source
from netdsl.syntax import format_file, parse

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "models").rglob("*.net"), *(ROOT / "netdsl" / "library").glob("*.net")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_as_the_formatter_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_file(parse(Source(path.name, text))) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_begins_with_what_it_teaches(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert first.startswith("# ")
    assert all(line.startswith("#") for line in first.splitlines())
    assert len(first) > 60

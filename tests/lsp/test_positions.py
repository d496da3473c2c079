"""Offsets and positions, in the units of each encoding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from netdsl.lsp.positions import Lines, width

ENCODINGS = ["utf-8", "utf-16", "utf-32"]
PIECES = ["a", "\n", "\r\n", "\r", "é", "λ", "😀", "\u2028", "\x0b", "𝒙"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@given(TEXTS, st.sampled_from(ENCODINGS))
def test_an_offset_is_found_again_by_its_position(text: str, encoding: str) -> None:
    lines = Lines(text, encoding)
    for offset in range(len(text) + 1):
        found = lines.offset(lines.position(offset))
        in_line_end = text[offset - 1 : offset + 1] == "\r\n"
        assert found == (offset - 1 if in_line_end else offset)


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 9), ("utf-16", 5), ("utf-32", 4)])
def test_a_column_is_counted_in_the_units_of_the_encoding(encoding: str, column: int) -> None:
    lines = Lines("x\na😀éé = 1", encoding)
    assert lines.position(2 + 4) == types.Position(1, column)
    assert lines.offset(types.Position(1, column)) == 2 + 4
    assert width("a😀éé", encoding) == column


def test_only_what_the_protocol_calls_a_line_end_is_one() -> None:
    lines = Lines("a\u2028b\x0bc\rd\r\ne\nf")
    assert lines.position(4) == types.Position(0, 4)
    assert [lines.offset(types.Position(line, 0)) for line in range(4)] == [0, 6, 9, 11]


def test_what_lies_behind_the_end_is_the_end() -> None:
    lines = Lines("ab\nc")
    assert lines.offset(types.Position(0, 99)) == 2
    assert lines.offset(types.Position(9, 0)) == 4
    assert lines.position(99) == types.Position(1, 1)


def test_the_middle_of_a_pair_is_before_it() -> None:
    assert Lines("a😀b").offset(types.Position(0, 2)) == 1

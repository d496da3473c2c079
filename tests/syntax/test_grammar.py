"""The grammar itself, the tables made of it, and the lists of words that other modules have."""

import json
import re
import subprocess
import sys

import lark
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netdsl.resources import resource_text
from netdsl.syntax import layout, reading, tables
from netdsl.syntax.mistakes.numbers import well_formed
from netdsl.syntax.numerals import UNITS
from netdsl.syntax.words import DEFINITIONS, RESERVED, SECTIONS

GRAMMAR = resource_text("grammars/net.lark")


def words_of(rule: str) -> set[str]:
    """The quoted words of a rule's one line."""
    line = next(line for line in GRAMMAR.splitlines() if re.match(rf"!?{rule}:", line))
    return set(re.findall(r'"(\w+)"', line))


@pytest.mark.slow
def test_the_grammar_is_strictly_lalr() -> None:
    """No conflict, and no two tokens of one rank that could match the same text."""
    assert isinstance(tables.build(strict=True), lark.Lark)


def test_the_kept_tables_are_those_of_the_grammar() -> None:
    """After a change of the grammar: python -m netdsl.syntax."""
    kept = json.loads(resource_text(tables.TABLES))
    if kept["lark"] != lark.__version__:
        pytest.skip("the tables were written by another version of Lark, and are not used with this one")
    assert tables.tables_text() == resource_text(tables.TABLES)


def test_the_tables_do_not_depend_on_hashes() -> None:
    code = "from netdsl.syntax.tables import tables_text; print(tables_text(), end='')"
    made = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True
    )
    assert made.stdout == tables.tables_text()


def test_tables_of_another_version_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    built = tables.build()
    monkeypatch.setattr(lark, "__version__", "1.9.9")
    monkeypatch.setattr(tables, "build", lambda: built)
    assert tables.parser.__wrapped__() is built


def test_the_parser_is_read_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> lark.Lark:
        raise AssertionError("the grammar was worked out anew")

    monkeypatch.setattr(tables, "build", refused)
    assert tables.parser.__wrapped__().options.start == ["file"]


def test_words_are_those_of_the_grammar() -> None:
    assert words_of("kind") == set(DEFINITIONS)
    assert words_of("section_kind") == set(SECTIONS)
    assert words_of("unit") == set(UNITS)
    keywords = set(re.findall(r'"([a-z]+)"', GRAMMAR))
    assert keywords - set(DEFINITIONS) - set(SECTIONS) - set(UNITS) - {"import", "param", "state"} == (
        RESERVED - {"else"}  # which is a pattern, since it may open a line
    )


def test_layout_and_recovery_agree_on_where_a_line_goes_on() -> None:
    names = {each.name: each.pattern.value for each in tables.parser().terminals}
    assert set(names) >= layout._CONTINUES
    compare = {"==", "!=", "<=", ">=", "<", ">"}
    named = {names[each] for each in layout._CONTINUES - {"COMPARE", "_ARROW", "_ELSE"}}
    assert named | compare | {"->", "else"} == reading.CONTINUES


@settings(max_examples=300)
@given(st.text("0123456789.eE+-x%kM_", min_size=1, max_size=8))
def test_numbers_are_those_of_the_grammar(text: str) -> None:
    patterns = [
        each.pattern.to_regexp() for each in tables.parser().terminals if each.name in ("NUMBER", "EXTENT")
    ]
    assert any(re.fullmatch(each, text) for each in patterns) == well_formed(text)


def test_each_rule_is_built() -> None:
    from netdsl.syntax.builder import Builder

    rules = {rule.options.template_source or rule.alias or rule.origin.name for rule in tables.parser().rules}
    made = {str(name) for name in rules if not name.startswith("_")}
    inlined = set(re.findall(r"^\?(\w+):", GRAMMAR, re.MULTILINE)) - {
        "disjunction",
        "conjunction",
        "comparison",
    }
    missing = {name for name in made - inlined if not hasattr(Builder, f"_{name}")}
    assert missing == set()


def test_the_grammar_stays_in_its_width() -> None:
    assert max(map(len, GRAMMAR.splitlines())) <= 120

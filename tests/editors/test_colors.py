"""The grammars of editors and of Pygments color every file of the project as the parser reads it."""

import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netdsl.highlighting import NetLexer
from netdsl.syntax.numerals import UNITS
from netdsl.syntax.words import DECLARATIONS, RESERVED
from tests.editors.parsed import parsed

ROOT = Path(__file__).resolve().parents[2]
VSCODE = ROOT / "docs" / "editors" / "vscode"
GRAMMAR: dict[str, Any] = json.loads((VSCODE / "syntaxes" / "net.tmLanguage.json").read_text("utf-8"))
FILES = sorted([*(ROOT / "models").rglob("*.net"), *(ROOT / "netdsl" / "library").glob("*.net")])
# What is hard to color: keywords as names, units that are names, names with other letters.
HARD = """param data = 3
param loss = 0.1  # train
param state = yes
layer f(x: [n]; train = 2 in 1 .. 3, search = 3x3) = x * train + data(x)
layer g(x) {
    state = x -> f(train=1)
    model = state -> tanh as loss
    λ̃ = if model > 1e-3 and not no then 10% * model else 2M
    h = 3
    s = 4 * h
    return λ̃ -> repeat n in [1, 2] { dense(n) -> relu }
}
optimizer o(w, g) {
    state v = 0
    v := v + g@g^2
}
train {
    epochs = 10 epochs
    stop   = [time(30 min), early(valid.loss, patience=1 epoch)]
}
"""
TEXTS = {**{path.stem: path.read_text("utf-8") for path in FILES}, "hard": HARD}


# ---- Pygments ------------------------------------------------------------------------------------

PYGMENTS = {
    "declaration": ("Token.Keyword.Declaration",),
    "control": ("Token.Keyword",),
    "word": ("Token.Operator.Word",),
    "flag": ("Token.Keyword.Constant",),
    "number": ("Token.Literal.Number",),
    "unit": ("Token.Keyword.Type",),
    "string": ("Token.Literal.String.Double",),
    "operator": ("Token.Operator",),
    "punctuation": ("Token.Punctuation",),
    "name": ("Token.Name",),
    "state": ("Token.Keyword", "Token.Name"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_pygments_colors_every_token_as_what_it_is(name: str) -> None:
    text = TEXTS[name]
    kinds = [""] * len(text)
    for start, kind, value in NetLexer().get_tokens_unprocessed(text):
        assert "Error" not in str(kind), (start, value)
        kinds[start : start + len(value)] = [str(kind)] * len(value)
    assert all(kinds)
    for start, end, kind in parsed(text):
        found = set(kinds[start:end])
        assert len(found) == 1, (text[start:end], found)
        assert found.pop().startswith(PYGMENTS[kind]), (text[start:end], kind, kinds[start])


def test_pygments_finds_the_lexer_by_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["netdsl"].partition(":")
    assert getattr(importlib.import_module(module), name) is NetLexer


# ---- TextMate ------------------------------------------------------------------------------------

TEXTMATE = {
    "declaration": ("keyword.declaration",),
    "control": ("keyword.control",),
    "word": ("keyword.operator.word",),
    "flag": ("constant.language",),
    "number": ("constant.numeric",),
    "unit": ("keyword.other.unit",),
    "string": ("string.quoted",),
    "operator": ("keyword.operator",),
    "punctuation": ("punctuation",),
    "name": ("variable", "entity.name"),
    "state": ("keyword.declaration", "variable", "entity.name"),
}


def colored(text: str) -> list[str]:
    """Color a text as an editor does: line by line, at each place the first rule that matches soonest."""
    rules = [GRAMMAR["repository"][each["include"].removeprefix("#")] for each in GRAMMAR["patterns"]]
    compiled = [(re.compile(rule["match"]), rule) for rule in rules]
    scopes: list[str] = []
    for line in text.splitlines(keepends=True):
        here = [""] * len(line)
        at = 0
        while at < len(line):
            found = [
                (match.start(), i) for i, (each, _) in enumerate(compiled) if (match := each.search(line, at))
            ]
            if not found:
                break
            match = compiled[min(found)[1]][0].search(line, at)
            assert match is not None
            for start, end, scope in _scopes(match, compiled[min(found)[1]][1]):
                here[start:end] = [scope] * (end - start)
            at = max(match.end(), at + 1)
        scopes += here
    return scopes


def _scopes(match: re.Match[str], rule: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    if "name" in rule:
        yield match.start(), match.end(), rule["name"]
    for group, each in rule.get("captures", {}).items():
        if match[int(group)] is not None:
            yield match.start(int(group)), match.end(int(group)), each["name"]


@pytest.mark.parametrize("name", TEXTS)
def test_textmate_colors_every_token_as_what_it_is(name: str) -> None:
    text = TEXTS[name]
    scopes = colored(text)
    for start, end, kind in parsed(text):
        found = set(scopes[start:end])
        assert len(found) == 1, (text[start:end], found)
        assert found.pop().startswith(TEXTMATE[kind]), (text[start:end], kind, scopes[start])


def words_of(rule: str) -> set[str]:
    """Return the words that a rule of the grammar lists."""
    groups = re.findall(r"\((?:\?:)?([a-z|]+)\)", GRAMMAR["repository"][rule]["match"])
    return set(max(groups, key=len).split("|"))


def test_the_grammar_of_editors_has_the_keywords_of_the_language() -> None:
    assert words_of("declaration") == set(DECLARATIONS)
    assert words_of("number") == set(UNITS)
    assert words_of("control") | words_of("operatorWord") | words_of("constant") == RESERVED


def test_the_folder_for_vs_code_holds_together() -> None:
    package = json.loads((VSCODE / "package.json").read_text("utf-8"))
    (language,) = package["contributes"]["languages"]
    (grammar,) = package["contributes"]["grammars"]
    assert language["extensions"] == [".net"]
    assert grammar["language"] == language["id"]
    assert grammar["scopeName"] == GRAMMAR["scopeName"]
    for path in (language["configuration"], grammar["path"], package["main"]):
        assert (VSCODE / path).is_file()
    settings = set(re.findall(r'settings\.get\("(\w+)"\)', (VSCODE / "extension.js").read_text("utf-8")))
    declared = package["contributes"]["configuration"]["properties"]
    assert {f"netdsl.{each}" for each in settings} == set(declared)
    assert declared["netdsl.command"]["default"] == ["netdsl", "lsp"]
    json.loads((VSCODE / "language-configuration.json").read_text("utf-8"))

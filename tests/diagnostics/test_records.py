"""Diagnostics for programs: JSON records and GitHub's annotations."""

import io
import json

import pytest

from netdsl.diagnostics import (
    Diagnostic,
    Fix,
    Label,
    Severity,
    Source,
    Span,
    suggest,
    to_github,
    to_json,
    use_color,
)

SOURCE = Source("a,b:c.net", "one\ntwo three\n")
TWO, THREE = Span(SOURCE, 4, 7), Span(SOURCE, 8, 13)


def test_a_record_has_every_field() -> None:
    diagnostic = Diagnostic(
        "E0001", "no", Label(TWO, "here"), (Label(THREE, "there"),), ("n",), "h", Fix(TWO, "2")
    )
    place = {
        "file": "a,b:c.net",
        "line": 2,
        "column": 1,
        "end_line": 2,
        "end_column": 4,
        "start": 4,
        "end": 7,
    }
    other = {**place, "column": 5, "end_column": 10, "start": 8, "end": 13}
    record = to_json(diagnostic)
    assert record == {
        "code": "E0001",
        "severity": "error",
        "message": "no",
        "primary": {**place, "label": "here"},
        "secondary": [{**other, "label": "there"}],
        "notes": ["n"],
        "help": "h",
        "fix": {**place, "replacement": "2"},
    }
    assert json.loads(json.dumps(record)) == record


def test_a_record_of_little() -> None:
    record = to_json(Diagnostic("W0001", "no", severity=Severity.WARNING))
    assert (record["primary"], record["secondary"], record["help"], record["fix"]) == (None, [], None, None)
    assert record["severity"] == "warning"


def test_annotations() -> None:
    label = Label(THREE, "here")
    assert to_github(Diagnostic("E0001", "50%\nno", label, help="do")) == (
        "::error file=a%2Cb%3Ac.net,line=2,endLine=2,col=5,title=E0001::50%25%0Ano%0Ahelp: do"
    )
    assert to_github(Diagnostic("W0001", "no", severity=Severity.WARNING)) == "::warning title=W0001::no"
    assert to_github(Diagnostic("N0001", "no", severity=Severity.NOTE)).startswith("::notice ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "terminal", "pipe"),
    [
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, True, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
    ],
)
def test_where_color_is_used(environment: dict[str, str], terminal: bool, pipe: bool) -> None:
    assert use_color(Terminal(), environment) is terminal
    assert use_color(io.StringIO(), environment) is pipe


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dens", "dense"),
        ("DENSE", "dense"),
        ("adma", "adam"),
        ("crossentropy", "cross_entropy"),
        ("relu", "relu"),
        ("banana", None),
        ("x", None),
        ("", None),
        ("a" * 10_000, None),
    ],
)
def test_what_was_meant(name: str, meant: str | None) -> None:
    assert suggest(name, ["relu", "dense", "adam", "cross_entropy", "y", "elu"]) == meant


def test_the_nearest_is_meant() -> None:
    assert suggest("momentums", ["momentum", "moments"]) == "momentum"
    assert suggest("relx", ["relz", "rely"]) == "rely"
    assert suggest("relu", []) is None

"""Each message as a person reads it: `mistakes/CODE.net` is told as `mistakes/CODE.txt` says.

Run with NETDSL_GOLDEN=write to write the texts anew, and read what changed.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from netdsl.diagnostics import Diagnostic, DiagnosticError, Source
from netdsl.diagnostics.rendering import render
from netdsl.semantics import elaborate, load_files, plan_data
from tests.semantics.bench import DIGITS, TABLE, no_imports

FOLDER = Path(__file__).parent / "mistakes"
CASES = sorted(FOLDER.glob("*.net"))
SCHEMAS = {"": DIGITS, "table": TABLE, "no valid": replace(DIGITS, rows={"train": 1000})}


def _messages(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    notes = dict(
        line[2:].split(": ", 1) for line in text.splitlines() if line.startswith("# ") and ": " in line
    )
    overrides = dict(each.split("=", 1) for each in notes.get("overrides", "").split())
    try:
        files = load_files(Source(path.name, text), no_imports)
        plan_data(files, overrides, None)
        found = elaborate(files, overrides, None, SCHEMAS[notes.get("schema", "")]).warnings
    except DiagnosticError as error:
        found = error.diagnostics
    return render(map(_without_library, found))


def _without_library(diagnostic: Diagnostic) -> Diagnostic:
    """Say what is shown of the library's text in a note: that text may change."""
    shown = [each for each in diagnostic.secondary if each.span.source.name.startswith("library/")]
    notes = tuple(f"{each.span.source.name}: {each.message}" for each in shown)
    kept = tuple(each for each in diagnostic.secondary if each not in shown)
    return replace(diagnostic, secondary=kept, notes=diagnostic.notes + notes)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_message_is_told_as_the_golden_file_says(path: Path) -> None:
    golden = path.with_suffix(".txt")
    messages = _messages(path)
    if os.environ.get("NETDSL_GOLDEN") == "write":
        golden.write_text(messages, encoding="utf-8")
    assert messages == golden.read_text(encoding="utf-8")
    assert f"[{path.stem}]" in messages

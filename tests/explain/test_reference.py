"""The pages of the documentation that are made of what they document."""

import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.diagnostics import Source
from netdsl.explain.reference import codes_reference, library_reference
from netdsl.resources import resource_names, resource_text
from netdsl.syntax import parse, tree

ROOT = Path(__file__).resolve().parents[2]


def library() -> list[Source]:
    return [Source(name, resource_text(f"library/{name}")) for name in resource_names("library", ".net")]


def test_the_pages_in_docs_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"run `python docs/generate.py`: {done.stdout}{done.stderr}"


def test_every_definition_is_on_the_page_once() -> None:
    page = library_reference(library())
    for source in library():
        for each in parse(source).declarations:
            assert isinstance(each, tree.Definition)
            assert page.count(each.span.text.rstrip()) == 1


def test_every_definition_has_a_comment() -> None:
    page = library_reference(library())
    for section in page.split("\n### ")[1:]:
        heading, text = section.split("\n", 1)
        assert text.split("```")[0].strip(), heading


@pytest.mark.parametrize("missing", [0, 4])
def test_a_file_that_the_page_does_not_know_is_a_mistake_of_ours(missing: int) -> None:
    sources = library()
    del sources[missing]
    with pytest.raises(AssertionError):
        library_reference(sources)


def test_the_index_of_messages_leads_to_each() -> None:
    page = codes_reference(
        {"E0001": "# E0001: one\n\nText.\n\n## The cure\n\nNone.\n", "W0002": "# W0002: two\n"}
    )
    assert "| [E0001](#e0001) | error | one |" in page
    assert "| [W0002](#w0002) | warning | two |" in page
    assert "### The cure" in page

"""Every code has a page, and every page a code."""

import re
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError, codes, explain, title

PACKAGE = Path(__file__).resolve().parents[2] / "netdsl"
CODE = re.compile(r"\b[EW]\d{4}\b")


def used() -> set[str]:
    """The codes that stand in quotes somewhere in the package's source."""
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return {code for text in texts for code in re.findall(r"""["']([EW]\d{4})["']""", text)}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert used() - set(codes()) == set(), "codes without a page"
    assert set(codes()) - used() == set(), "pages of codes that nothing tells"


@pytest.mark.parametrize("code", codes())
def test_a_page_tells_the_mistake_and_the_cure(code: str) -> None:
    page = explain(code)
    lines = page.splitlines()
    assert re.fullmatch(rf"# {code}: \S.*[^.]", lines[0])
    assert title(code) == lines[0].removeprefix(f"# {code}: ")
    assert "\n## The mistake\n" in page
    assert "\n## The cure\n" in page
    assert 8 <= len(lines) <= 40
    assert page.endswith("\n")


def test_pages_name_codes_that_exist() -> None:
    for code in codes():
        for named in CODE.findall(explain(code)):
            assert named in codes() or named == "E0081", f"{code} names {named}"


def test_explain_takes_a_code_as_it_is_typed() -> None:
    assert explain(" e0002 ") == explain("E0002")


def test_a_code_that_does_not_exist() -> None:
    with pytest.raises(DiagnosticError) as caught:
        explain("E0081")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "E0990"
    assert diagnostic.help

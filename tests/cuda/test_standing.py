"""What has not run on a device is told alike by `netdsl doctor` and by the pages."""

import re
from pathlib import Path

from netdsl.cli.doctor import cuda
from netdsl.runtime.cuda.standing import NEVER_RUN, NOT_RUN

DOCS = Path(__file__).resolve().parents[2] / "docs"


def section(page: str, title: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found, f"docs/{page} has no section {title}"
    return found[1]


def test_the_results_mark_what_has_not_run_on_a_device() -> None:
    told = " ".join(section("results.md", "On CUDA devices").split())
    assert f"- Run in simulators, but on no device: {', '.join(NOT_RUN)}. " in told
    assert f"- Run nowhere: {', '.join(NEVER_RUN)}. " in told


def test_doctor_tells_what_has_not_run_on_a_device() -> None:
    told = cuda()["cuda target"]
    assert all(each in told for each in (*NOT_RUN, *NEVER_RUN))


def test_the_page_of_the_target_has_run_nothing_on_a_device() -> None:
    told = section("internals/gpu.md", "What has run where").splitlines()
    head, _, *rows = [line for line in told if line.startswith("|")]
    assert head.endswith("| a device |")
    assert len(rows) >= 9
    assert {row.rsplit("|", 2)[1].strip() for row in rows} == {"no"}, "then NOT_RUN has less"


def test_the_benchmarks_have_nothing_of_a_device() -> None:
    assert "<!-- device -->\n\nNothing has run on a CUDA device yet.\n" in section(
        "benchmarks.md", "On a CUDA device"
    )

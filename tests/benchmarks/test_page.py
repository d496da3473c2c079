import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.page import parts, settings, write_page
from benchmarks.picture import bars
from benchmarks.table import BARS, fastest, in_order, number, summary
from benchmarks.workloads import WORKLOADS

RECORD: dict[str, Any] = {
    "ms": {"netdsl": [1.0, 1.1, 1.2], "PyTorch eager": [4.0, 4.4, 4.8], "JAX": [2.0, 2.2, 2.4], "NumPy": []},
    "ratios": {"PyTorch eager": [4.0, 4.0, 4.0], "JAX": [2.0, 2.1, 2.2], "NumPy": []},
    "compared": {"JAX": {"first": 1e-7, "early": 1e-6, "mean": 1e-5, "steps": 100}},
    "problems": {"PyTensor": "PyTensor does other work: x"},
    "flops": 110e6,
    "peak": 200.0,
}
STEPS = {"w10/1": RECORD, "w2/2": RECORD, "w2/1": RECORD}


def test_the_fastest_peer_is_that_of_the_least_median() -> None:
    assert fastest(RECORD) == "JAX"
    assert fastest({"ms": {"netdsl": [1.0]}}) is None


def test_the_summary_has_ratio_bar_and_share_of_the_peak() -> None:
    text = summary(STEPS)
    rows = text.splitlines()[2:]
    assert [row.split("|")[1].split()[0] for row in rows] == ["W2", "W2", "W10"]
    assert "| JAX 2.2 | **2.10** | 2.00 … 2.20 | 1.5 | 50% |" in rows[0]
    assert "| 25% |" in rows[1]


def test_keys_are_in_the_order_of_workloads() -> None:
    assert in_order(STEPS) == ["w2/1", "w2/2", "w10/1"]
    assert set(BARS) == set(WORKLOADS)


@pytest.mark.parametrize(("value", "text"), [(0.01234, "0.0123"), (123.4, "123"), (1.5, "1.5"), (0, "0")])
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_picture_has_a_bar_for_each_row() -> None:
    root = ElementTree.fromstring(bars(STEPS))
    assert len(root.findall("{http://www.w3.org/2000/svg}rect")) == 3


def test_a_page_gets_what_was_measured_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    names = "machine", "picture", "summary", "steps", "compiling"
    page.write_text("# A page\n" + "".join(f"<!-- {name} -->\nold {name}\n<!-- end -->\n" for name in names))
    write_page(page, {"steps": STEPS, "on": {"steps": dict.fromkeys(STEPS, "this one; jax 1")}})
    text = page.read_text()
    assert "this one; jax 1." in text
    assert "old compiling" in text
    assert "old steps" not in text
    assert "W2, 1: PyTensor does other work: x" in text
    assert page.with_suffix(".svg").exists()
    write_page(page, {"compiling": {"10": {"seconds": [1.0, 2.0]}, "100": {"seconds": [3.0]}}})
    assert text.count("<!--") == page.read_text().count("<!--")
    assert "| 100 | 3 / 3 / 3 | 30 |" in page.read_text()


def test_figures_of_several_machines_are_told_apart() -> None:
    new, old = "new; jax 2", "old; jax 1"
    on = {"steps": {"w10/1": new, "w2/2": old, "w2/1": new}, "memory": {"w1": old}}
    assert settings(on) == f"- steps (W2/1, W10/1): {new}.\n- steps (W2/2), memory: {old}."
    assert settings({"steps": {"w1/1": new}, "memory": {"w1": new}}) == f"{new}."


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="no part <!-- memory -->"):
        write_page(page, {"memory": {"w1": {"netdsl": 1.0}}})


def test_every_section_has_its_part() -> None:
    found = {
        "inference": {"w1/1/1": RECORD},
        "epochs": {"1": {"netdsl": [1.0], "loss": {"netdsl": 0.1}}},
        "starts": {
            "w1": {"netdsl": {"cold": [2.0], "warm": [0.5]}, "problems": {"JAX": "JAX: OSError: full"}}
        },
        "memory": {"w1": {"netdsl": 500.0, "problems": {"JAX": "JAX: ended"}}},
        "threads": {"w1/1": {"netdsl": [2.0]}, "w1/2": {"netdsl": [1.0]}},
        "sizes": {"batch/1": {"netdsl": 1.0, "JAX": 2.0}},
    }
    made = parts(found)
    assert set(made) == set(found)
    assert "| W1 | 2 | 1 | 2.00 |" in made["threads"]
    assert made["memory"].endswith("| netdsl | 500 |\n\nLeft out:\n\n- W1: JAX: ended")
    assert made["starts"].endswith(
        "| W1 | netdsl | 2 / 2 / 2 | 0.5 / 0.5 / 0.5 |\n\nLeft out:\n\n- W1: JAX: OSError: full"
    )


def test_results_are_added_to_those_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results.add(tmp_path, "steps", "w1/1", {"ms": 1})
    results.add(tmp_path, "steps", "w1/2", {"ms": 2})
    monkeypatch.setattr(results, "machine", lambda: "another")
    results.add(tmp_path, "steps", "w1/1", {"ms": 3})
    found = results.read(tmp_path)
    assert found["steps"] == {"w1/1": {"ms": 3}, "w1/2": {"ms": 2}}
    assert found["on"]["steps"]["w1/1"].startswith("another; numpy ")
    assert not found["on"]["steps"]["w1/2"].startswith("another")

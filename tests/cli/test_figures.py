"""Figures as a table on a terminal."""

from netdsl.cli.figures import figures_table
from netdsl.semantics.experiment import Figure

GRID = [[8.0, 2.0, 0.0], [0.0, 90.0, 10.0], [0.0, 0.0, 0.0]]
PARTS = {"valid": {"loss": 0.25, "objective": 0.3, "accuracy": 0.875, "confusion": GRID}}


def test_a_confusion_matrix_has_its_classes_and_what_is_told_of_each() -> None:
    table = figures_table(
        PARTS, [Figure("confusion", "whole", "neither", (3, 3), None, ("ant", "bee", "cicada"))]
    )
    assert table.splitlines() == [
        "              loss    accuracy",
        "valid         0.25       0.875",
        "",
        "valid confusion",
        "          ant  bee  cicada  precision     recall         f1",
        "  ant       8    2       0     1.0000     0.8000     0.8889",
        "  bee       0   90      10     0.9783     0.9000     0.9375",
        "  cicada    0    0       0     0.0000          -     0.0000",
    ]


def test_many_classes_are_told_without_their_confusions() -> None:
    classes = tuple(f"class {each}" for each in range(30))
    grid = [[float(a == b) for b in range(30)] for a in range(30)]
    table = figures_table(
        {"test": {"loss": 1.0, "c": grid}}, [Figure("c", "whole", "neither", (30, 30), None, classes)]
    )
    assert table.splitlines()[4:6] == [
        "            precision     recall         f1",
        "  class 0      1.0000     1.0000     1.0000",
    ]
    assert len(table.splitlines()) == 5 + 30


def test_a_table_of_ones_own_is_shown_as_it_is() -> None:
    table = figures_table({"test": {"loss": 1.0, "own": [[1.5, 20.0], [3.0, 4.0]], "line": [1.0, 2.0]}})
    assert table.splitlines()[3:] == ["test own", "  1.5  20", "    3   4", "", "test line", "  1", "  2"]

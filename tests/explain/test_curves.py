"""Learning curves as SVG."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.explain.curves import curves

SVG = "{http://www.w3.org/2000/svg}"


def history(epochs: int) -> list[Mapping[str, object]]:
    return [
        {
            "epoch": epoch,
            "train": {"loss": 2.0 / epoch, "accuracy": 0.5},
            "valid": {"loss": 1.0 / epoch + 0.02 * epoch},
            "best": epoch <= 7,
        }
        for epoch in range(1, epochs + 1)
    ]


def points(svg: str) -> list[list[tuple[float, float]]]:
    root = ET.fromstring(svg)
    lines = [each.get("points", "") for each in root.iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())] for line in lines]


def test_each_part_has_a_curve_with_a_point_an_epoch() -> None:
    train, valid = points(curves(history(20)))
    assert len(train) == len(valid) == 20
    assert [x for x, _ in train] == sorted(x for x, _ in train)
    assert [y for _, y in train] == sorted(y for _, y in train)  # down the page as the loss falls


def test_the_curves_stay_inside_the_picture() -> None:
    for line in points(curves(history(20))):
        assert all(64 <= x <= 530 and 40 <= y <= 316 for x, y in line)


def test_the_best_epoch_is_marked() -> None:
    texts = [each.text for each in ET.fromstring(curves(history(20))).iter(f"{SVG}text")]
    assert "best: 7" in texts


def test_a_figure_that_only_one_part_tells() -> None:
    assert len(points(curves(history(3), "accuracy"))) == 1


def test_one_epoch_and_a_figure_that_never_changes_are_drawn() -> None:
    assert "<circle" in curves(history(1))
    assert points(curves([{"epoch": n, "train": {"loss": 0.0}} for n in (1, 2)]))


def test_numbers_that_are_not_finite_are_left_out() -> None:
    records = [*history(3), {"epoch": 4, "train": {"loss": math.nan}, "valid": {"loss": None}}]
    assert all(len(line) == 3 for line in points(curves(records)))


def test_a_figure_that_nobody_tells_is_a_mistake() -> None:
    with pytest.raises(DiagnosticError, match="E0982") as caught:
        curves(history(3), "recall")
    assert caught.value.diagnostics[0].help == "it tells `loss`, `accuracy`"


def test_a_title_is_never_markup() -> None:
    root = ET.fromstring(curves(history(2), title="<script>x</script>\x00"))
    assert not list(root.iter(f"{SVG}script"))

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from netdsl.training.measure import Figures
from netdsl.training.progress import Quiet, Reporter, reporter_for
from netdsl.training.progress.lines import Course, JsonLines, Plain, number_text
from netdsl.training.progress.live import LiveTable
from netdsl.training.records import EpochRecord, Moment, Opening

OPENING = Opening(
    "mlp",
    200,
    8000,
    {"train": 1258, "valid": 269},
    ("train.loss", "train.accuracy", "valid.loss", "valid.accuracy"),
)
RECORD = EpochRecord(
    1,
    40,
    0.25,
    {
        "train": {"loss": 2.302585093, "objective": 2.302603, "accuracy": 0.4},
        "valid": {"loss": 2.3, "objective": 2.31, "accuracy": 0.4},
    },
    0.001,
    best=True,
)
MOMENT = Moment(1, 20, 20, 40, 2.3)


def test_the_line_of_the_courses_to_the_letter() -> None:
    lines: list[str] = []
    course = Course(lines.append)
    course.begin(OPENING)
    course.epoch(RECORD)
    assert lines == ["Finished epoch 1 / 200: cost 2.302603, train: 0.400000, val 0.400000, lr 1.000000e-03"]


def test_the_line_of_the_courses_without_accuracy_and_valid_part() -> None:
    lines: list[str] = []
    course = Course(lines.append)
    course.begin(replace(OPENING, columns=("train.loss", "train.r2")))
    course.epoch(replace(RECORD, parts={"train": {"loss": 1.0, "objective": 2.0, "r2": 0.5}}, rate=None))
    assert lines == ["Finished epoch 1 / 200: cost 2.000000, train: 0.500000, val nan, lr nan"]


def test_plain_lines() -> None:
    lines: list[str] = []
    plain = Plain(lines.append)
    plain.begin(replace(OPENING, resumed=7))
    plain.advance(MOMENT)
    plain.epoch(RECORD)
    assert lines == [
        "mlp: 200 epochs; rows: train 1258, valid 269; on the CPU",
        "going on in epoch 7",
        "epoch 1/200  train.loss 2.3026  train.accuracy 0.4000  valid.loss 2.3000  valid.accuracy 0.4000  "
        "lr 0.001  0.2 s  best",
    ]


def test_json_lines_are_strict_json() -> None:
    lines: list[str] = []
    reporter = JsonLines(lines.append)
    reporter.begin(OPENING)
    spoiled: dict[str, Figures] = {"train": {"loss": math.nan, "objective": math.inf, "confusion": [[1.0]]}}
    reporter.epoch(replace(RECORD, parts=spoiled))
    start, epoch = (json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in lines)
    assert start["event"] == "start"
    assert start["rows"] == {"train": 1258, "valid": 269}
    assert epoch["train"] == {"loss": None, "objective": None, "confusion": [[1.0]]}


def shown(width: int) -> list[str]:
    stream = io.StringIO()
    table = LiveTable(Console(file=stream, width=width, force_terminal=False))
    table.begin(OPENING)
    table.advance(MOMENT)
    for epoch in range(1, 4):
        table.epoch(replace(RECORD, epoch=epoch, best=epoch == 1))
    table.close()
    return [line.rstrip() for line in stream.getvalue().splitlines() if line.strip()]


def test_table_has_parts_above_figures_and_marks_the_best() -> None:
    lines = shown(100)
    assert lines[1].split() == ["train", "valid"]
    assert lines[2].split() == ["epoch", "loss", "accuracy", "loss", "accuracy"]
    rows = [line for line in lines if "/200" in line]
    assert [line.split()[0] for line in rows] == ["1/200", "2/200", "3/200"]
    assert [line.endswith("*") for line in rows] == [True, False, False]


def test_table_leaves_out_what_a_narrow_terminal_cannot_show() -> None:
    lines = shown(62)
    assert lines[2].split() == ["epoch", "loss", "accuracy"]
    assert max(map(len, lines)) <= 62


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_at_most_ten_refreshes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = _Clock()
    monkeypatch.setattr("netdsl.training.progress.live.time", clock)
    table = LiveTable(Console(file=io.StringIO(), width=100))
    refreshes = 0

    def refresh() -> None:
        nonlocal refreshes
        refreshes += 1

    table.begin(OPENING)
    monkeypatch.setattr(table._live, "refresh", refresh)
    for step in range(1000):
        clock.now = step / 1000 + 1
        table.advance(replace(MOMENT, position=step % 40))
        if step % 40 == 39:
            table.epoch(replace(RECORD, epoch=step // 40 + 1))
    assert 1 <= refreshes <= 10
    table.close()


@pytest.mark.parametrize(
    ("style", "kind"),
    [
        ("auto", Plain),
        ("plain", Plain),
        ("course", Course),
        ("quiet", Quiet),
        ("json", JsonLines),
        ("table", LiveTable),
    ],
)
def test_styles(style: str, kind: type[Reporter]) -> None:
    found = reporter_for(style, messages=io.StringIO(), results=io.StringIO())  # type: ignore[arg-type]
    assert type(found) is kind


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0.0000"),
        (0.98765, "0.9877"),
        (1e-5, "1.000e-05"),
        (-123.0, "-123.0000"),
        (2e6, "2.000e+06"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number_text(value) == text

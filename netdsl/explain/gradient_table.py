"""The table of a gradient check: each weight's derived gradient beside the one by finite differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from netdsl.diagnostics import Span
from netdsl.explain.tables import Column, table
from netdsl.graph import Shape, shape_text
from netdsl.lazy_dataclass import dataclass

Verdict: TypeAlias = Literal["fine", "corner", "unsure", "WRONG"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A weight, or a `gradient(y, x)` of the file, whose gradient was checked.

    `checked` slopes were compared, and `sided` with the slope on one side of a corner at their very point;
    `skipped` were not. `at` is the place of the one that agrees least: an entry, or a direction; `derived`
    and `measured` are its values, `error` is relative to the greater of them. `compiled` is how far the
    float32 gradient of the compiled program is from the derived one, relative to its greatest entry, or to
    a tenth of that of all weights where it is smaller; None where it was not asked for.
    """

    name: str
    shape: Shape
    checked: int = 0
    sided: int = 0
    skipped: int = 0
    at: str = ""
    derived: float = 0.0
    measured: float = 0.0
    error: float = 0.0
    verdict: Verdict = "fine"
    compiled: float | None = None


@dataclass(frozen=True, slots=True)
class Corner:
    """A place of the file where the function is not smooth near the point of the check.

    `elements` of its values have a corner within `step`, a part of the size of what is moved; `skipped`
    slopes were not compared for that.
    """

    place: str
    formula: str
    kind: str
    elements: int
    step: float
    skipped: int


@dataclass(frozen=True, slots=True)
class Fault:
    """An operation whose gradient is wrong by itself, and how far it is off at one of its operands."""

    operation: str
    place: str
    formula: str
    error: float
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class GradientReport:
    """A gradient check: what it was made of, and what it found."""

    model: str
    point: str
    rows: str
    objective: float
    tolerance: float
    weights: tuple[Checked, ...]
    inner: tuple[Checked, ...] = ()
    corners: tuple[Corner, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def wrong(self) -> tuple[Checked, ...]:
        """Return what is not the gradient of the file's objective."""
        return tuple(each for each in (*self.weights, *self.inner) if each.verdict == "WRONG")


def gradient_table(report: GradientReport, *, width: int = 100) -> str:
    """Return a report as text that fits `width` characters."""
    return "\n".join(_parts(report, width))


def _parts(report: GradientReport, width: int) -> Iterator[str]:
    yield f"model {report.model}: gradients at {report.point}, on {report.rows}"
    yield f"objective {report.objective:.9g}, in float64\n"
    yield _slopes("weight", report.weights, width)
    if report.inner:
        yield "The file's own gradients:\n"
        yield _slopes("formula", report.inner, width)
    if report.corners:
        yield "Not smooth near this point:\n"
        yield _corners(report.corners, width)
    if report.faults:
        yield "Operations whose own gradient is wrong:\n"
        yield _faults(report.faults, width)
    yield _verdict(report)


def _slopes(heading: str, rows: Sequence[Checked], width: int) -> str:
    """Return the table of slopes, without the columns that no row has anything in."""
    columns = [
        Column(heading, yields=True),
        Column("shape"),
        Column("slopes", "right"),
        Column("one side", "right"),
        Column("worst at", yields=True),
        Column("derived", "right"),
        Column("measured", "right"),
        Column("error", "right"),
        Column("verdict"),
        Column("on the CPU", "right"),
    ]
    cells = [_slope(each) for each in rows]
    kept = [number for number in range(len(columns)) if any(row[number] for row in cells)]
    return table([columns[n] for n in kept], [[row[n] for n in kept] for row in cells], width)


def _slope(each: Checked) -> list[str]:
    compared = each.checked + each.sided
    slopes = f"{compared} of {compared + each.skipped}" if each.skipped else str(compared)
    numbers = [each.at, f"{each.derived:.7g}", f"{each.measured:.7g}", f"{each.error:.1e}"]
    on_cpu = "" if each.compiled is None else f"{each.compiled:.1e}"
    told = numbers if compared else ["", "", "", ""]
    return [each.name, shape_text(each.shape), slopes, str(each.sided or ""), *told, each.verdict, on_cpu]


def _corners(corners: Sequence[Corner], width: int) -> str:
    columns = [
        Column("line"),
        Column("formula", yields=True),
        Column("corner", yields=True),
        Column("elements", "right"),
        Column("within", "right"),
        Column("left out", "right"),
    ]
    rows = [
        [each.place, each.formula, each.kind, str(each.elements), f"{each.step:.0e}", str(each.skipped)]
        for each in corners
    ]
    return table(columns, rows, width)


def _faults(faults: Sequence[Fault], width: int) -> str:
    columns = [Column("operation"), Column("line"), Column("formula", yields=True), Column("error", "right")]
    return table(
        columns, [[each.operation, each.place, each.formula, f"{each.error:.1e}"] for each in faults], width
    )


def _verdict(report: GradientReport) -> str:
    every = (*report.weights, *report.inner)
    if wrong := report.wrong:
        return f"{len(wrong)} of {len(every)} gradients are WRONG: off by more than {report.tolerance:.0e}"
    held = sum(each.verdict == "fine" for each in every)
    right = f"{held} of {len(every)} gradients are right to {report.tolerance:.0e}"
    if held == len(every):
        return right
    return f"{right}; the other{'s' if len(every) - held > 1 else ''} could not be told here"

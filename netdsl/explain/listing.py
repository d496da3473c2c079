"""A program as a list: for each step its place in the `.net` file, its formula, its kernel, its cost."""

from collections.abc import Iterator, Sequence

from netdsl.explain.tables import Column, table
from netdsl.program import Origin, Program, Step

_COLUMNS = (
    Column("phase", align="right"),
    Column("line", yields=True),
    Column("formula", yields=True),
    Column("kernel", yields=True),
    Column("FLOPs", align="right"),
    Column("bytes", align="right"),
)


def listing(program: Program, rows: int, *, width: int = 120) -> str:
    """Return the steps of a program as a table, the costs being those of a batch of `rows`.

    Steps of one phase may run at the same time. FLOPs and bytes are estimates.
    """
    lines: list[Sequence[str]] = []
    for number, phase in enumerate(program.phases, 1):
        for position, step in enumerate(phase.steps):
            shown = str(number) if position == 0 else ""
            lines += _lines(shown, step, rows)
    steps = program.steps()
    total = [sum(cost[n] for cost in (_costs(each, rows) for each in steps)) for n in (0, 1)]
    lines += [(), ("", "", "total", "", *map(amount, total))]
    return table(_COLUMNS, lines, width)


def _lines(phase: str, step: Step, rows: int) -> Iterator[Sequence[str]]:
    """Yield a step's first formula with its kernels and costs, then its other formulas."""
    origins = step.origins or (Origin(""),)
    kernels = ", ".join(dict.fromkeys(call.kernel for call in step.calls))
    costs = map(amount, _costs(step, rows))
    yield (phase, _place(origins[0]), origins[0].formula, kernels, *costs)
    for origin in origins[1:]:
        yield ("", _place(origin), origin.formula, "", "", "")


def _costs(step: Step, rows: int) -> tuple[int, int]:
    symbols = {"rows": rows}
    return step.flops.value(symbols), step.bytes.value(symbols)


def _place(origin: Origin) -> str:
    role = f" ({origin.of})" if origin.of else ""
    return (
        origin.path + role if origin.span is None else f"{origin.span.source.name}:{origin.span.line}{role}"
    )


def amount(number: float) -> str:
    """Return a count with three digits and a prefix: 1.54M."""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g}{prefix}"
    return f"{number:.3g}"

"""The page of schedules: the rate of each over a training of a hundred epochs, as numbers and as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from netdsl.diagnostics import Source
from netdsl.graph import Run, evaluate
from netdsl.semantics import elaborate, load_files

EPOCHS = 100
SHOWN = (0, 10, 25, 50, 75, 99)
"""Epochs whose rates the table has."""


@dataclass(frozen=True)
class Shown:
    """A schedule with settings, and what it is called elsewhere."""

    call: str
    torch: str
    title: str = ""

    @property
    def name(self) -> str:
        """Return what stands above its picture."""
        return self.title or self.call.partition("(")[0]


SCHEDULES = (
    Shown("fixed(0.1)", "`ConstantLR(factor=1)`"),
    Shown("step_decay(0.1, every=25 epochs)", "`StepLR(25, gamma=0.5)`"),
    Shown("multistep_decay(0.1, at=[30 epochs, 60 epochs])", "`MultiStepLR([30, 60])`"),
    Shown("piecewise(0.1, changes=[[20 epochs, 0.05], [70 epochs, 0.01]])", "`LambdaLR`"),
    Shown("exponential_decay(0.1, factor=0.97)", "`ExponentialLR(0.97)`"),
    Shown("inverse_time(0.1, rate=0.1)", "`LambdaLR`"),
    Shown("linear_decay(0.1)", "`LinearLR(1, 0, total_iters)`"),
    Shown("polynomial_decay(0.1)", "`PolynomialLR(total_iters, power=2)`"),
    Shown("cosine(0.1)", "`CosineAnnealingLR(T_max)`"),
    Shown("cosine_restarts(0.1, every=25 epochs)", "`CosineAnnealingWarmRestarts(25)`"),
    Shown(
        "cosine_restarts(0.1, every=10 epochs, growth=2)",
        "`CosineAnnealingWarmRestarts(10, T_mult=2)`",
        "cosine_restarts, growth=2",
    ),
    Shown("one_cycle(0.1)", "`OneCycleLR`, which counts steps"),
    Shown("warmup(0.1, over=20 epochs)", "`LinearLR(0.1, total_iters=20)`"),
    Shown("warmup(cosine(0.1), over=20 epochs)", "`ChainedScheduler` of both", "warmup(cosine)"),
)

TEXT = """
model m() {{
    w = weight([1], zeros)
    return sum(w^2)
}}
train {{
    model     = m
    optimizer = sgd({call})
    steps     = {steps}
}}
"""

ABOUT = """# Schedules

What each schedule of the [library](library.md) makes of a rate of 0.1 in a training of 100 epochs, at the
beginning of some of them. `docs/generate.py` writes this page; it asks the library.

![The rate of each schedule over a training](schedules.svg)

"""

MORE = """
Any schedule stands wherever an optimizer has a number, `adam(lr=cosine(0.01), beta1=linear_decay(0.95))`,
also [by part](language.md#rates-by-part). They nest: `warmup(cosine(0.01), over=500 steps)`. Times are epochs
or steps, as their unit says; a schedule in epochs changes between epochs, one in steps, or by the share of
the training that is done, from step to step.

`plateau(0.1, factor=0.1, patience=10)` follows the loss on the valid part instead of the time, as PyTorch's
`ReduceLROnPlateau` does with `threshold=0`; a schedule of your own may follow any figure, with
`logged(valid.accuracy)`.
"""


def rates(call: str, epochs: Sequence[float]) -> list[float]:
    """Return the rate at the beginning of epochs, of one step each."""

    def read(path: str, importing: str) -> Source:
        raise AssertionError(path)

    files = load_files(Source("schedule.net", TEXT.format(call=call, steps=EPOCHS)), read)
    graph = elaborate(files, {}, None, None).rate
    assert graph is not None
    clock = {"steps": float(EPOCHS), "epochs": float(EPOCHS)}
    runs = (Run(1, 0, 0, {**clock, "epoch": float(int(e)), "step": e, "t": e + 1}) for e in epochs)
    return [float(evaluate(graph, run, ["value"])["value"]) for run in runs]


def page() -> str:
    """Return the page."""
    heads = " | ".join(f"{each}" for each in SHOWN)
    lines = [f"| | {heads} | in PyTorch |", f"| --- |{' ---: |' * len(SHOWN)} --- |"]
    for each in SCHEDULES:
        cells = " | ".join(f"{rate:.4f}" for rate in rates(each.call, SHOWN))
        lines.append(f"| `{each.call}` | {cells} | {each.torch} |")
    return ABOUT + "\n".join(lines) + "\n" + MORE


WIDTH, HEIGHT, COLUMNS = 210, 110, 4


def picture() -> str:
    """Return a drawing of all of them, one panel each."""
    rows = -(-len(SCHEDULES) // COLUMNS)
    panels = [
        _panel(each.name, each.call, WIDTH * (n % COLUMNS), HEIGHT * (n // COLUMNS))
        for n, each in enumerate(SCHEDULES)
    ]
    size = f'width="{WIDTH * COLUMNS}" height="{HEIGHT * rows}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">\n'
        f'<rect {size} fill="#ffffff"/>\n' + "\n".join(panels) + "\n</svg>\n"
    )


def _panel(name: str, call: str, left: int, top: int) -> str:
    """Draw one schedule: its name above, below the rate from 0 to 0.1 over the epochs."""
    values = rates(call, range(EPOCHS))
    points = " ".join(
        f"{left + 12 + 1.85 * epoch:.1f},{top + 100 - 700 * value:.1f}" for epoch, value in enumerate(values)
    )
    return (
        f'<text x="{left + 12}" y="{top + 18}">{name}</text>\n'
        f'<path d="M{left + 12} {top + 28}V{top + 100}H{left + 198}" fill="none" stroke="#b0b0b0"/>\n'
        f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.6"/>'
    )

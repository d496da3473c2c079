"""Sequences drawn from a seed: `addition`, two numbers bit by bit, and `waves`, signals of three forms."""

import math
from typing import Final

import numpy as np

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.content import Content, of_arrays
from netdsl.data.draws import gaussian, permutation, uniform, words
from netdsl.data.problems import fail
from netdsl.diagnostics import Exit
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.schema import FieldSchema

_SEED: Final = Parameter("seed", "count", 0, 0, 2**53, by_name=True)
_MOST_BITS: Final = 12  # all pairs are put in a random order: 8.4 million
_FORMS: Final = ("sine", "square", "sawtooth")
_PERIODS: Final = (2.0, 6.0)


def open_addition(plan: SourcePlan, access: Access) -> Content:
    """Open `addition(n=10k, bits=8)`: two numbers as sequences of bits, and the bits of their sum.

    `x` [bits + 1, 2] has the two numbers side by side, the lowest bit first, as one adds by hand; `sum`
    [bits + 1] is what is to be predicted. No two rows have the same two numbers, in either order, so none of
    the pairs of a test part was trained on.

    Errors: E0522 when there are not as many pairs.
    """
    parameters = (
        Parameter("n", "count", 10_000, 1, 2**23),
        Parameter("bits", "count", 8, 1, _MOST_BITS),
        _SEED,
    )
    given = read_arguments(plan, parameters)
    rows, bits = given["n"], given["bits"]
    pairs = 2 ** (bits - 1) * (2**bits + 1)
    if rows > pairs:
        message = f"`addition` has {pairs:,} pairs of numbers of {bits} bits, and {rows:,} rows are asked for"
        fail(
            "E0522", message, span_of(plan, "n", 0), help="ask for fewer, or more bits", exit_code=Exit.USAGE
        )
    key = (plan.name, access.seed, given["seed"])
    larger, smaller = _pair(permutation(pairs, *key, "pairs")[:rows])
    turned = words(rows, *key, "order") >> np.uint64(63) == 1
    first, second = np.where(turned, larger, smaller), np.where(turned, smaller, larger)
    places = np.arange(bits + 1)
    x, total = (
        (number[:, None] >> places & 1).astype(np.float32)
        for number in (np.concatenate([first, second]), first + second)
    )
    fields = (
        FieldSchema("x", (bits + 1, 2), range=(0.0, 1.0)),
        FieldSchema("sum", (bits + 1,), target=True, range=(0.0, 1.0)),
    )
    return of_arrays(fields, {"x": np.stack([x[:rows], x[rows:]], axis=2), "sum": total}, source="pair")


def _pair(number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two numbers of a pair, the larger first: they are counted (0, 0), (1, 0), (1, 1), …"""
    larger = ((np.sqrt(8.0 * number + 1) - 1) // 2).astype(np.int64)
    return larger, number - larger * (larger + 1) // 2


def open_waves(plan: SourcePlan, access: Access) -> Content:
    """Open `waves(n=2000, noise=0.3, length=64)`: signals of three forms, sine, square and sawtooth.

    `signal` [length, 1] has two to six periods, begins anywhere in one, and is between -1 and 1 before the
    noise, of that standard deviation, is added.
    """
    parameters = (
        Parameter("n", "count", 2000, 1, 1_000_000),
        Parameter("noise", "number", 0.3, 0, 1e6),
        Parameter("length", "count", 64, 8, 4096, by_name=True),
        _SEED,
    )
    given = read_arguments(plan, parameters)
    rows, length = given["n"], given["length"]
    key = (plan.name, access.seed, given["seed"])
    label = (permutation(rows, *key, "label") % len(_FORMS)).astype(np.int32)
    least, most = _PERIODS
    periods = least + (most - least) * uniform(rows, *key, "periods")
    along = uniform(rows, *key, "phase")[:, None] + periods[:, None] * np.arange(length) / length
    exact = _wave(along % 1.0, label[:, None])
    moved = exact + given["noise"] * gaussian(rows * length, *key, "noise").reshape(rows, length)
    fields = (FieldSchema("signal", (length, 1)), FieldSchema("label", (), "label", True, _FORMS))
    arrays = {"signal": moved[:, :, None].astype(np.float32), "label": label}
    return of_arrays(fields, arrays, source="signal")


def _wave(along: np.ndarray, form: np.ndarray) -> np.ndarray:
    """Return a wave at a share of its period."""
    sine = np.sin(2 * math.pi * along)
    return np.select([form == 0, form == 1], [sine, np.where(along < 0.5, 1.0, -1.0)], 2 * along - 1)

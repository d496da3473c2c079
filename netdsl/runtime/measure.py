"""How fast this machine is, and how near to that the products come.

`python -m netdsl.runtime.measure` prints both for the layers of a digits network.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from netdsl.kernels.cpu.machine import machine
from netdsl.lazy_dataclass import dataclass
from netdsl.runtime.load import library

LANES: Final = 16
_WORDS: Final = 12
_SHAPES: Final = ((64, 784, 512), (64, 512, 256), (64, 256, 16))

_DESCRIPTIONS: Final[list[np.ndarray]] = []

Launch = tuple[str, tuple[int, ...]]
"""A kernel's name and its arguments."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Billions of operations a second, of one core."""

    name: str
    gflops: float


def floats(count: int) -> np.ndarray:
    """Return zeros that begin at a page."""
    raw = np.zeros(count + 1024, np.float32)
    start = -raw.ctypes.data // 4 % 1024
    return raw[start : start + count]


def described(words: Sequence[int]) -> int:
    """Return the address of words in memory, which stay there."""
    _DESCRIPTIONS.append(np.array(words, np.int64))
    return int(_DESCRIPTIONS[-1].ctypes.data)


def launch_table(launches: Sequence[Launch]) -> np.ndarray:
    """Return the launch list that the interpreter walks."""
    table = np.zeros((len(launches), _WORDS), np.int64)
    addresses = library().get_all(sorted({name for name, _ in launches}))
    for row, (name, arguments) in zip(table, launches, strict=True):
        row[0] = addresses[name]
        row[1 : 1 + len(arguments)] = arguments
    return table


def seconds_of(launches: Sequence[Launch], repeats: int = 20, steps: int = 5) -> float:
    """Return the shortest time of one walk through launches."""
    table, context = launch_table(launches), np.zeros(64, np.int64)
    interpret = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 5)(library()["interpret"])
    arguments = (table.ctypes.data, len(table), context.ctypes.data, 0, steps)
    return min(_timed(lambda: interpret(*arguments)) for _ in range(repeats)) / steps


def peak() -> Rate:
    """Return what one core reaches when it does nothing but multiply and add."""
    sums, turns = machine().sums, 20000
    place = floats(LANES * sums)
    seconds = seconds_of([("multiply_adds", (place.ctypes.data, turns))])
    return Rate(f"peak ({machine().level})", 2 * LANES * sums * turns / seconds / 1e9)


def product_rates(rows: int, inputs: int, outputs: int) -> list[Rate]:
    """Return what one core reaches in a layer's products: forward, to its input, to its weights."""
    layer = _Layer(rows, inputs, outputs)
    work = 2 * rows * inputs * outputs / 1e9
    shape = f"{rows}x{inputs}x{outputs}"
    return [
        Rate(f"{shape} {name}", work / seconds_of(launches))
        for name, launches in (
            ("forward", layer.forward()),
            ("to the input", layer.to_input()),
            ("to the input, turned first", [*layer.turned(), *layer.to_input()]),
            ("to the weights", layer.to_weights()),
        )
    ]


class _Layer:
    """The buffers of one layer and the launches of its products."""

    def __init__(self, rows: int, inputs: int, outputs: int) -> None:
        self.rows, self.inputs, self.outputs = rows, inputs, outputs
        self.panels = -(-outputs // LANES)
        self.stride = _stride(rows)
        self.block = self.panels * LANES * LANES
        self._places = {
            "x": floats(self.stride * -(-inputs // LANES)),
            "dx": floats(self.stride * -(-inputs // LANES)),
            "w": floats(inputs * LANES * self.panels),
            "dw": floats(inputs * LANES * self.panels),
            "y": floats(self.stride * self.panels),
            "blocks": floats(self.block * -(-rows // LANES)),
        }
        for name in ("x", "w", "y", "blocks"):
            self._places[name][:] = 0.01

    def forward(self) -> list[Launch]:
        x, w, y = self._at("x"), self._at("w"), self._at("y")
        shape = (self.rows, self.inputs)
        return [("product", (*shape, x, LANES, self.stride, w, y, self.stride, 0, self.panels, 0))]

    def turned(self) -> list[Launch]:
        y, blocks = self._at("y"), self._at("blocks")
        return [
            ("turn_panel", (self.rows, y + 4 * self.stride * p, blocks + 1024 * p, self.block))
            for p in range(self.panels)
        ]

    def to_input(self) -> list[Launch]:
        w, blocks, dx = self._at("w"), self._at("blocks"), self._at("dx")
        share = (0, -(-self.inputs // LANES))
        left = (self.rows, self.outputs, w, self.inputs)
        return [("product_back", (*left, blocks, self.block, dx, self.stride, *share))]

    def to_weights(self) -> list[Launch]:
        x, y, dw = self._at("x"), self._at("y"), self._at("dw")
        left, apart = (self.rows, x, LANES, self.stride), LANES * self.inputs
        return [
            (
                "weight_gradient",
                (described((*left, y + 4 * self.stride * p, self.stride, *target, 0, 0, 0, 0)),),
            )
            for p in range(0, self.panels, 2)
            for target in [(dw + 4 * apart * p, apart, min(2, self.panels - p), 0, self.inputs)]
        ]

    def _at(self, name: str) -> int:
        return self._places[name].ctypes.data


def _stride(rows: int) -> int:
    """Return the floats from panel to panel: never whole pages, which push each other out of a cache."""
    return rows * LANES + (LANES if rows * LANES % 1024 == 0 else 0)


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print the rates of this machine."""
    best = peak()
    print(f"{best.name:40}{best.gflops:7.1f} GFLOP/s a core")
    for shape in _SHAPES:
        for rate in product_rates(*shape):
            print(f"{rate.name:40}{rate.gflops:7.1f} GFLOP/s {rate.gflops / best.gflops:6.0%}")


if __name__ == "__main__":
    main()

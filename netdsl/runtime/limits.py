"""What this machine can do at most, measured: arithmetic in registers, and traffic with caches and memory."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from netdsl.kernels.cpu.machine import machine
from netdsl.lazy_dataclass import dataclass
from netdsl.runtime.load import library
from netdsl.runtime.measure import LANES, Launch, floats, launch_table
from netdsl.runtime.threads import Threads

Level: TypeAlias = Literal["L1", "L2", "memory"]
"""Where data is: in a core's own caches, or beyond them (the cache that cores share, and main memory)."""

LEVELS: Final[tuple[Level, ...]] = ("L1", "L2", "memory")
_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
_USUAL: Final[dict[Level, int]] = {"L1": 32 * 1024, "L2": 512 * 1024}
"""Bytes of the caches of a core, where the system does not tell them."""

_TURNS: Final = 20_000
_STREAMED: Final = 4 << 20
"""Bytes that a measurement streams through, at least: about half a millisecond from a cache."""

_MOST: Final = 256 << 20
"""Bytes of a measurement of memory, at most."""

_REPEATS: Final = 10

_TILE_SIDE: Final = 32
"""Rows, columns and steps of a product of tiles (`multiply_tiles`)."""

_TILE_FLOATS: Final = 4 * 768
"""Floats that its factors take, in parts."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What all threads can do together in a second: operations, and bytes to and from each level. `clock` is
    how many counts a second the processor's counter makes; `caches` are the bytes of a core's caches."""

    threads: int
    clock: float
    flops: float
    bandwidth: Mapping[Level, float]
    caches: Mapping[Level, int]


def limits(threads: int, footprint: int) -> Limits:
    """Measure the limits of this machine with so many threads at once.

    Memory is measured on `footprint` bytes (those of a step), but on more than caches hold: it is the traffic
    that a step would see, whether it is kept in the cache that cores share or not. The shortest of several
    measurements counts.
    """
    team = Threads(threads)
    try:
        clock = _clock()
        caches = cache_sizes()
        sizes: dict[Level, int] = {
            "L1": caches["L1"] // 2,
            "L2": caches["L2"] // 2,
            "memory": min(_MOST, max(footprint // threads, 8 * caches["L2"])),
        }
        return Limits(
            threads,
            clock,
            _flops(team, clock),
            {level: _bandwidth(team, clock, size) for level, size in sizes.items()},
            caches,
        )
    finally:
        team.close()


def cache_sizes() -> dict[Level, int]:
    """Return the bytes of a core's own caches, or usual ones where the system does not tell."""
    found = dict(_USUAL)
    for folder in sorted(_CACHES.glob("index*")):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        known: Level | None = {"1": "L1", "2": "L2"}.get(level)  # type: ignore[assignment]
        if kind != "Instruction" and known is not None and size.endswith("K"):
            found[known] = 1024 * int(size[:-1])
    return found


def _clock() -> float:
    """Return how often a second the processor's counter counts: the most of several measurements, since who
    is interrupted between a clock and the counter finds too few."""
    place = floats(LANES * machine().sums)
    table = launch_table([("multiply_adds", (place.ctypes.data, 10 * _TURNS))])
    context, spent = np.zeros(64, np.int64), np.zeros(1, np.int64)
    timed = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 6)(library()["interpret_timed"])
    rates = []
    for _ in range(_REPEATS):
        spent[0] = 0
        start = time.perf_counter()
        timed(table.ctypes.data, 1, context.ctypes.data, 0, 1, spent.ctypes.data)
        rates.append(float(spent[0]) / (time.perf_counter() - start))
    return max(rates)


def _flops(team: Threads, clock: float) -> float:
    """Return what products of float32 matrices can do, by tile registers where there are some."""
    name, size, flops = "multiply_adds", LANES * machine().sums, 2 * LANES * machine().sums
    turns = _TURNS
    if machine().level == "amx":
        name, size, flops, turns = "multiply_tiles", _TILE_FLOATS, 2 * _TILE_SIDE**3, _TURNS // 16
    places = [floats(size) for _ in range(team.count)]
    launches: list[Launch] = [(name, (place.ctypes.data, turns)) for place in places]
    return team.count * flops * turns * clock / _counts(team, launches, 1)


def _bandwidth(team: Threads, clock: float, size: int) -> float:
    """Return the bytes a second where each thread goes over two arrays of `size` bytes together."""
    lines = max(4, size // 128 // 4 * 4)
    times = max(1, _STREAMED // (128 * lines))
    places = [(floats(LANES * lines), floats(LANES * lines)) for _ in range(team.count)]
    launches: list[Launch] = [
        ("add_lines", (target.ctypes.data, source.ctypes.data, lines)) for target, source in places
    ]
    return team.count * times * 3 * 64 * lines * clock / _counts(team, launches, times)


def _counts(team: Threads, launches: Sequence[Launch], times: int) -> float:
    """Return the fewest counts in which each thread made its launch so many times, all at once."""
    tables = [launch_table([each]) for each in launches]
    contexts = [np.zeros(64, np.int64) for _ in launches]
    found = []
    for _ in range(_REPEATS + 1):
        spent = [np.zeros(1, np.int64) for _ in launches]
        team.run_timed(
            [(each.ctypes.data, 1) for each in tables],
            [each.ctypes.data for each in contexts],
            0,
            times,
            [each.ctypes.data for each in spent],
        )
        found.append(max(float(each[0]) for each in spent))
    return min(found[1:])

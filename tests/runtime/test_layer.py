"""A layer's products, forward and back, cut over threads."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.kernels.cpu.context import BARRIER_WORDS
from netdsl.runtime.measure import Launch, described, floats, launch_table
from netdsl.runtime.threads import Threads

ROWS, INPUTS, OUTPUTS = 37, 75, 90
STEPS = 20
IN, OUT = -(-INPUTS // 16), -(-OUTPUTS // 16)
PANEL = ROWS * 16


def run(count: int) -> bytes:
    """Go forward, back to the input and to the weights, in turns; return the bytes of all that came out."""
    rng = np.random.default_rng(0)
    sizes = {"x": IN * PANEL, "w": INPUTS * OUT * 16, "y": OUT * PANEL, "blocks": 3 * OUT * 256}
    places = {name: floats(size) for name, size in (*sizes.items(), ("dw", sizes["w"]))}
    for name in ("x", "w"):
        places[name][:] = rng.standard_normal(places[name].size) / 16
    barrier = np.zeros(2 * BARRIER_WORDS, np.int64)
    tables = [launch_table(launches(places, barrier, thread, count)) for thread in range(count)]
    contexts = np.zeros((count, 16), np.int64)
    threads = Threads(count)
    threads.run(
        [(each.ctypes.data, len(each)) for each in tables], [each.ctypes.data for each in contexts], 0, STEPS
    )
    threads.close()
    assert np.isfinite(places["dw"]).all()
    assert places["dw"].any()
    return b"".join(each.tobytes() for each in places.values())


def launches(
    places: dict[str, NDArray[np.float32]], barrier: NDArray[np.int64], thread: int, count: int
) -> list[Launch]:
    x, w, y, blocks, dw = (places[name].ctypes.data for name in ("x", "w", "y", "blocks", "dw"))
    wait: Launch = ("barrier", (barrier.ctypes.data, count))
    of_out = range(thread * OUT // count, (thread + 1) * OUT // count)
    first, last = thread * IN // count, (thread + 1) * IN // count
    result: list[Launch] = []
    low, panels = of_out.start, len(of_out)
    given = (ROWS, INPUTS, x, 16, PANEL)
    result.append(("product", (*given, w + 64 * INPUTS * low, y + 4 * PANEL * low, PANEL, 0, panels, 0)))
    for p in of_out:
        result.append(("turn_panel", (ROWS, y + 4 * PANEL * p, blocks + 1024 * p, 256 * OUT)))
    result.append(wait)
    for p, many in ((p, min(2, of_out.stop - p)) for p in of_out[::2]):
        factors = (ROWS, x, 16, PANEL, y + 4 * PANEL * p, PANEL)
        target = (dw + 64 * INPUTS * p, 16 * INPUTS, many, 0, INPUTS)
        result.append(("weight_gradient", (described((*factors, *target, 0, 0, 0, 0)),)))
    result.append(wait)
    part = x + 4 * PANEL * first
    result.append(("product_back", (ROWS, OUTPUTS, w, INPUTS, blocks, 256 * OUT, part, PANEL, first, last)))
    result.append(wait)
    return result


@pytest.mark.parametrize("count", [2, 3])
def test_bits_do_not_depend_on_the_number_of_threads(count: int) -> None:
    assert run(count) == run(1)

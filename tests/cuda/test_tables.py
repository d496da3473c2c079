"""Entries of a table are sorted by its rows, in their order, and added up so."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netdsl.graph import BATCH, Builder, Graph
from netdsl.kernels.cuda.kernel import Work
from netdsl.kernels.cuda.simulation import simulate
from netdsl.kernels.cuda.sorting import sort_entries
from netdsl.lowering.cuda.lower import lower_to_device
from netdsl.operations import REGISTRY
from netdsl.passes.legalize import legalize
from netdsl.runtime.cuda.executable import DeviceExecutable
from tests.cuda.both_devices import compare_on_device
from tests.cuda.on_device import device_of_tests

ROWS = 6


@pytest.mark.parametrize(
    ("entries", "extent"), [(1, 1), (5, 3), (300, 16), (700, 17), (40, 5000), (260, 2)], ids=str
)
def test_entries_are_in_the_order_of_their_rows(entries: int, extent: int) -> None:
    rows = np.random.default_rng(entries).integers(0, extent, entries).astype(np.int32)
    given = {name: np.full(size, -99, np.int32) for name, size in (("order", entries), ("other", entries))}
    given |= {name: np.full(extent, -99, np.int32) for name in ("begin", "end")}
    (kernel,) = Work((sort_entries(entries, extent),)).kernels
    simulate(kernel, {"x": rows, **given}, 1)
    expected = np.argsort(rows, kind="stable")
    np.testing.assert_array_equal(given["order"], expected)
    counts = np.bincount(rows, minlength=extent)
    np.testing.assert_array_equal(given["end"] - given["begin"], counts)
    there = counts > 0
    starts = np.cumsum(counts) - counts
    np.testing.assert_array_equal(given["begin"][there], starts[there])


def sums(extent: int) -> Graph:
    """Return sums over entries of a table: of two values, and a table with a row more."""
    builder = Builder(REGISTRY)
    i = builder.apply("input", name="i", shape=(BATCH, 7), dtype="int", below=extent)
    x = builder.apply("input", name="x", shape=(BATCH, 7, 3), dtype="float")
    builder.outputs = {
        "added": i.apply("scatter_add", x * 2.0, extent=extent),
        "squares": i.apply("scatter_add", x * x, extent=extent),
        "others": i.apply("scatter_add", x, extent=extent + 1),
    }
    return builder.finish()


def fields(extent: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        "i": rng.integers(0, extent, (ROWS, 7)),
        "x": rng.normal(size=(ROWS, 7, 3)).astype(np.float32),
    }


def test_sums_are_what_the_oracle_says() -> None:
    compare_on_device(sums(70), fields(70), ROWS)


def test_sums_over_sorted_entries_have_the_bits_of_a_look_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    legal, found = legalize(sums(9)), []
    for least in (1, 100):
        monkeypatch.setattr("netdsl.lowering.cuda.plan.SORTED", least)
        program = lower_to_device(legal, "test", ROWS)
        assert any(name.startswith("sort_entries") for name in program.kernels) == (least == 1)
        executable = DeviceExecutable(program, device_of_tests())
        executable.bind(fields(9))
        found.append(executable.run(np.arange(ROWS), 4))
    for name, each in found[1].items():
        np.testing.assert_array_equal(found[0][name], each, err_msg=name)

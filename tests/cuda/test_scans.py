"""Scans on a simulated device against the oracle: outputs and gradients, forward and in reverse."""

import pytest

from tests.cuda.both_devices import compare_on_device
from tests.lowering.test_scan import fields_of, network
from tests.operations.test_scan import CELLS, Cell


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("cell", [each for each in CELLS if each.name != "shared"], ids=str)
def test_scans_are_what_the_oracle_says(cell: Cell, reverse: bool) -> None:
    graph = network(cell, 3, reverse)
    compare_on_device(graph, fields_of(graph, 5), 5)

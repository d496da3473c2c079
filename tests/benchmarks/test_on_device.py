"""The clock of steps on a device, on a simulated one."""

import pytest

from benchmarks.on_device import microseconds
from netdsl.runtime.cuda.simulated import SimulatedDevice


@pytest.mark.slow
def test_steps_are_timed() -> None:
    assert microseconds("w4", SimulatedDevice(), steps=1, rounds=1) > 0

"""Tests of the CUDA target. Those marked `cuda` need the extra `[cuda]`, those marked `gpu` a device too.

NETDSL_TEST_CUDA asks for them: `compile` for the first, `device` for both. `simulator`, with
NUMBA_ENABLE_CUDASIM=1, runs the others in numba-cuda's simulator. What is asked for and cannot run fails.
"""

import os
from importlib.util import find_spec
from typing import Any

import pytest

from netdsl.lowering.cuda.blas import WORTH
from netdsl.runtime.cuda.blas import Blas
from netdsl.runtime.cuda.simulated import SimulatedDevice
from tests.cuda.cublas_double import Double

ASKED = os.environ.get("NETDSL_TEST_CUDA", "")
MARKS = {"compile": {"cuda"}, "device": {"cuda", "gpu"}}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not asked for, and say so in pytest's count of tests that were deselected."""
    wanted = MARKS.get(ASKED, set())
    left_out = [
        each for each in items if {"cuda", "gpu"} & {mark.name for mark in each.iter_markers()} - wanted
    ]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [each for each in items if each not in left_out]


@pytest.fixture(scope="session")
def toolchain() -> None:
    """Fail with the message of the toolchain where a package is missing."""
    from netdsl.runtime.cuda.toolchain import check_packages

    check_packages()


@pytest.fixture
def blas_device() -> SimulatedDevice:
    """A simulated device with a library."""
    device = SimulatedDevice()
    device.library = Blas(Double(device))
    return device


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every product be worth the library."""
    for precision in WORTH:
        monkeypatch.setitem(WORTH, precision, 0.0)


@pytest.fixture
def bindings() -> Any:
    """The bindings, where the extra is installed."""
    if find_spec("nvmath") is None:
        pytest.skip("the extra [cuda-blas] is not installed")
    from nvmath.bindings import cublasLt

    return cublasLt

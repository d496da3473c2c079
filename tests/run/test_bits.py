"""A run that goes on on another kind of machine is told so."""

from typing import Any

import pytest

from netdsl.run.bits import made_by

H200 = {"kind": "cuda", "name": "NVIDIA H200", "driver": "CUDA 13.0"}
CPU = {"kind": "cpu", "name": "sapphirerapids"}
LIBRARY = {**H200, "blas": "cuBLASLt 13.1"}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ((H200, {"level": "avx2"}), ({**H200, "driver": "CUDA 13.1"}, {"level": "amx"})),
        ((CPU, {"level": "avx2"}), ({**CPU, "name": "znver5"}, {"level": "avx512"})),
    ],
    ids=["another driver", "wider vectors"],
)
def test_the_bits_are_the_same(before: tuple[Any, Any], now: tuple[Any, Any]) -> None:
    assert made_by(*before) == made_by(*now) is not None


def test_the_bits_differ() -> None:
    machines = [
        (H200, {}),
        (LIBRARY, {}),
        ({**LIBRARY, "blas": "cuBLASLt 13.2"}, {}),
        ({**H200, "name": "NVIDIA B200"}, {}),
        (CPU, {"level": "generic"}),
        (CPU, {"level": "avx512"}),
        (CPU, {"level": "amx"}),
    ]
    assert len({made_by(*each) for each in machines}) == len(machines)


def test_nobody_knows_of_manifests_without_a_machine() -> None:
    assert made_by({}, {}) is None

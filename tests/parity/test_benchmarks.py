"""What the benchmarks time beside PyTorch is the same work."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import sections, steps
from benchmarks.comparing import apart
from benchmarks.kinds import KINDS
from benchmarks.ours import Ours
from benchmarks.table import on_device
from benchmarks.torch_peer import Peer
from benchmarks.workloads import WORKLOADS

pytestmark = pytest.mark.parity
SMALL = "w4", "w8", "w9", "w11"
LARGE = "w6", "w7", "w10"


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(each, marks=pytest.mark.slow) for each in LARGE)])
def test_pytorch_does_the_same_work(name: str, tmp_path: Path) -> None:
    workload = WORKLOADS[name]
    ours = Ours(workload, 0.0, 2, tmp_path)
    ours.keep(tmp_path)
    with np.load(tmp_path / "start.npz") as start, np.load(tmp_path / "rows.npz") as rows:
        peer = Peer("eager", workload, dict(start), dict(rows), 0.0, 2)
    count = 10 if name in SMALL else 3
    order = np.load(tmp_path / "order.npy")[: count * workload.batch]
    found = apart(ours.run(order).tolist(), peer.run(order).tolist())
    assert found.same_work(), found


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_pytorch_takes_turns_with_the_simulated_device(
    precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch has the CPU there, which rounds nothing."""
    monkeypatch.setattr(steps, "DEVICE", steps.Lengths(most=2, least=3, compared=3))
    peer = "PyTorch eager"
    job = sections.Job((WORKLOADS["w4"],), (KINDS[peer],), (1,), 1, tmp_path, "simulated", precision)
    ((name, record),) = sections.of_device(job)
    assert record["problems"] == {}
    mean = record["compared"][peer]["mean"]
    assert mean < 1e-6 if precision == "float32" else 1e-6 < mean < 1e-2
    assert on_device({name: record}).count(peer) == 1

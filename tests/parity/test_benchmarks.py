"""What the benchmarks time beside PyTorch is the same work."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.comparing import apart
from benchmarks.ours import Ours
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
    steps = 10 if name in SMALL else 3
    order = np.load(tmp_path / "order.npy")[: steps * workload.batch]
    found = apart(ours.run(order).tolist(), peer.run(order).tolist())
    assert found.same_work(), found

"""What all tests share: where the data lies, and one thread for NumPy beside the other test processes."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("NETDSL_DATA_DIR", str(Path(__file__).resolve().parents[2] / "shared" / "data"))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is first imported


@pytest.fixture
def all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let work be shared out to all threads that may have it, however small it is and whoever else runs."""
    from netdsl.runtime import sharing

    monkeypatch.setattr(sharing, "CYCLES_A_PHASE", 1e-9)
    monkeypatch.setattr(sharing, "CYCLES_A_PIECE", 0.0)
    monkeypatch.setattr(sharing, "LACKING", 1000.0)

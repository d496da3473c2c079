import os
from pathlib import Path
from typing import Any, Self

import pytest

from benchmarks import command, epoch, memory, results, sections, start
from benchmarks.kinds import PEERS
from benchmarks.turns import PeerError, finished
from benchmarks.workloads import WORKLOADS


def test_a_process_that_fails_is_told_by_its_last_line() -> None:
    with pytest.raises(PeerError, match=r"^NumPy: KeyError: 'w0'$"):
        finished("NumPy", ["benchmarks.once", "NumPy", "w0", "nowhere", "1"], os.environ)


def test_a_peer_that_fails_to_start_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "prepare", lambda *_: None)
    monkeypatch.setattr(start, "first_step", failing_peer)
    record = start.measure(WORKLOADS["w1"], ["netdsl", "JAX"], 1, 3, tmp_path)
    assert record == {
        "netdsl": {"cold": [1.0] * 3, "warm": [1.0] * 3},
        "problems": {"JAX": "JAX: OSError: full"},
    }


def failing_peer(label: str, *_: Any) -> float:
    if label != "netdsl":
        raise PeerError(f"{label}: OSError: full")
    return 1.0


def job(folder: Path) -> sections.Job:
    return sections.Job((), PEERS, (1,), 3, folder)


def test_a_peer_that_fails_in_its_epoch_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_epoch", lambda label, threads: (failing_peer(label), 0.5))
    assert dict(sections.of_epochs(job(tmp_path))) == {
        "1": {
            "netdsl": [1.0] * 3,
            "loss": {"netdsl": 0.5},
            "problems": {"PyTorch eager": "PyTorch eager: OSError: full"},
        }
    }


def test_a_problem_of_netdsls_ends_its_section_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(label: str, threads: int) -> tuple[float, float]:
        raise PeerError(f"{label}: OSError: full")

    monkeypatch.setattr(sections, "_epoch", broken)
    command.measure(tmp_path, "epochs", sections.of_epochs(job(tmp_path)))
    assert "epochs ended: netdsl: OSError: full" in capsys.readouterr().out
    assert results.read(tmp_path) == {}


def test_data_are_drawn_before_a_process_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Measured:
        def __init__(self, label: str, threads: int, log: Path) -> None:
            self.drawn = (tmp_path / "w4" / "w4.npz").exists()

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def ask(self, **request: Any) -> dict[str, Any]:
            return {"megabytes": 7.0 if self.drawn else 9.0}

    monkeypatch.setattr(memory, "Participant", Measured)
    assert memory.measure(WORKLOADS["w4"], [], 1, tmp_path, tmp_path / "log.txt") == {
        "netdsl": 7.0,
        "problems": {},
    }


@pytest.mark.parametrize("place", ["data", "cache"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_is_found_as_netdsl_finds_it(
    place: str, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETDSL_DATA_DIR")
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match="MNIST is neither in the data folder"):
        epoch.training_files()
    if place == "data":
        monkeypatch.setenv("NETDSL_DATA_DIR", str(tmp_path))
    folder = tmp_path / "MNIST/raw" if place == "data" else tmp_path / "cache/data/mnist"
    folder.mkdir(parents=True)
    files = tuple(folder / f"train-{each}-ubyte{ending}" for each in ("images-idx3", "labels-idx1"))
    for each in files:
        each.touch()
    assert epoch.training_files() == files

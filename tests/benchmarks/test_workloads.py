from pathlib import Path

import numpy as np
import pytest

from benchmarks.command import parsed
from benchmarks.comparing import apart
from benchmarks.drawn import DRAWN
from benchmarks.kinds import KINDS, OURS, PEERS, told
from benchmarks.numpy_peer import Peer
from benchmarks.ours import Ours
from benchmarks.turns import Participant, PeerError
from benchmarks.workloads import FOLDER, WORKLOADS
from netdsl.run.engine import Engine
from netdsl.run.opening import open_file
from netdsl.run.options import Options


def test_each_workload_has_a_file_and_each_file_is_a_workload() -> None:
    assert {each.stem for each in FOLDER.glob("*.net")} == set(WORKLOADS)


@pytest.mark.parametrize("name", sorted(WORKLOADS))
def test_each_file_says_what_its_peers_are_told(name: str) -> None:
    given, text = WORKLOADS[name], WORKLOADS[name].file.read_text(encoding="utf-8")
    assert f"batch     = {given.batch}\n" in text
    assert f"optimizer = {given.optimizer}({given.lr:g})\n" in text
    assert f"loss      = {given.cost}" in text
    assert f"= {given.dropout:.0%} in" in text if given.dropout else "dropout" not in text


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_each_file_of_drawn_data_compiles(name: str, tmp_path: Path) -> None:
    from benchmarks.ours import laid_down

    opened = open_file(laid_down(WORKLOADS[name], tmp_path, None), Options())
    with Engine(opened.experiment, 1) as engine:
        assert engine.compiled.training is not None
        assert (
            sum(
                each.flops.value({"rows": 1})
                for phase in engine.compiled.training.phases
                for each in phase.steps
            )
            > 0
        )


def both(name: str, folder: Path) -> tuple[Ours, Peer]:
    workload = WORKLOADS[name]
    ours = Ours(workload, 0.0, 1, folder)
    ours.keep(folder)
    with np.load(folder / "start.npz") as start, np.load(folder / "rows.npz") as rows:
        return ours, Peer("", workload, dict(start), dict(rows), 0.0, 1)


@pytest.mark.parametrize("name", ["w4", "w11"])
def test_numpy_does_the_same_work(name: str, tmp_path: Path) -> None:
    ours, peer = both(name, tmp_path)
    order = np.load(tmp_path / "order.npy")[: 20 * WORKLOADS[name].batch]
    found = apart(ours.run(order).tolist(), peer.run(order).tolist())
    assert found.same_work(), found
    assert found.mean < 1e-4


@pytest.mark.parametrize("name", ["w4", "w11"])
@pytest.mark.parametrize("batch", [1, 8])
def test_numpy_answers_the_same(name: str, batch: int, tmp_path: Path) -> None:
    ours, peer = both(name, tmp_path)
    rows = np.arange(8)[::-1]
    assert np.allclose(ours.infer(rows, batch), peer.infer(rows, batch), rtol=0, atol=1e-5)


def test_a_worker_answers_and_tells_its_problems(tmp_path: Path) -> None:
    with Participant(OURS.label, 1, tmp_path / "log.txt") as worker:
        worker.ask(do="load", workload="w4", folder=str(tmp_path), rate=0.0)
        assert len(worker.ask(do="losses", steps=4, piece=2)["losses"]) == 4
        assert worker.ask(do="time", steps=2)["seconds"] > 0
        assert worker.ask(do="peak_memory")["megabytes"] > 10
        with pytest.raises(PeerError, match="netdsl: KeyError"):
            worker.ask(do="load", workload="w0", folder=str(tmp_path), rate=0.0)


def test_peers_are_told_with_the_command_that_installs_them() -> None:
    text = told()
    assert "NumPy" in text.splitlines()[0]
    if any(each.lacks for each in PEERS):
        assert "pip install -e '.[benchmarks]'" in text
    assert len(KINDS) == len(PEERS) + 1


@pytest.mark.parametrize("wrong", [["w12"], ["--peers", "Torch"]])
def test_a_wrong_name_is_told(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed(wrong)
    assert "is called" in capsys.readouterr().err

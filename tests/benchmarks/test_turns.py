from typing import Any

import pytest

from benchmarks import growth, inference
from benchmarks.comparing import apart
from benchmarks.steps import measure, ranked
from benchmarks.turns import PeerError, in_turns, left_behind, together
from benchmarks.workloads import WORKLOADS


class Fake:
    """Answers as a worker does, with losses and times that are given."""

    def __init__(self, losses: list[float], seconds: float, log: list[str], name: str) -> None:
        self.losses, self.seconds, self.log, self.name = losses, seconds, log, name
        self.penalized = self.broken = False
        self.waiting: list[dict[str, Any]] = []

    def start(self, **request: Any) -> None:
        self.log.append(f"{self.name} {request['do']}")
        self.waiting.append(self.answer(**request))

    def finish(self) -> dict[str, Any]:
        answer = self.waiting.pop(0)
        if "problem" in answer:
            raise PeerError(answer["problem"])
        return answer

    def ask(self, **request: Any) -> dict[str, Any]:
        self.start(**request)
        return self.finish()

    def answer(self, **request: Any) -> dict[str, Any]:
        match request["do"]:
            case "losses":
                first = request.get("first", 0)
                found = self.losses[first : first + request["steps"]]
                objective = [2 * each for each in found]
                return {"losses": found, "objective": objective, "penalized": self.penalized}
            case "time":
                return {"seconds": self.seconds * request["steps"]}
            case "infer":
                return {"seconds": self.seconds * request["calls"], "outputs": self.losses[:4]}
            case "figures":
                return {"flops": 1e6, "peak": 100.0}
        return {"problem": "broken"} if self.broken else {}


def test_netdsl_goes_before_each_peer_and_the_first_round_is_not_kept() -> None:
    order: list[str] = []

    def turn(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    peers = {"one": lambda: turn("one", 2.0), "two": lambda: turn("two", 3.0)}
    times = in_turns(lambda: turn("ours", 1.0), peers, rounds=2, pause=0)
    assert order == ["ours", "one", "ours", "two"] * 3
    assert times == {"one": [(2.0, 1.0)] * 2, "two": [(3.0, 1.0)] * 2}


def test_a_peer_far_behind_has_three_turns() -> None:
    peers = {"near": lambda: 2.0, "far": lambda: 9.0}
    times = in_turns(lambda: 1.0, peers, rounds=6, pause=0)
    assert [len(times[name]) for name in peers] == [6, 3]
    assert not left_behind([(9.0, 1.0)] * 2, 3.0)


def test_losses_that_differ_by_rounding_are_of_the_same_work() -> None:
    losses = [2.0, 1.5, 1.2, 1.1, 1.0, 0.9]
    assert apart(losses, [each * (1 + 1e-6) for each in losses]).same_work()


@pytest.mark.parametrize(
    "theirs",
    [
        [2.1, 1.5, 1.2, 1.1, 1.0, 0.9],
        [2.0, 1.5, 1.3, 1.1, 1.0, 0.9],
        [2.0, 1.5, 1.2, 1.1, 1.0, 2.0],
        [2.0, 1.5, 1.2, float("nan"), 1.0, 0.9],
    ],
    ids=["first", "early", "mean", "nan"],
)
def test_other_losses_are_of_other_work(theirs: list[float]) -> None:
    assert not apart([2.0, 1.5, 1.2, 1.1, 1.0, 0.9], theirs).same_work()


def test_fewer_steps_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="6 losses beside 5"):
        apart([1.0] * 6, [1.0] * 5)


def test_who_does_other_work_is_told_and_not_timed(tmp_path: Any) -> None:
    log: list[str] = []
    said: list[str] = []
    fair, cheat = Fake([1.0] * 100, 0.02, log, "fair"), Fake([1.0] + [0.5] * 99, 0.001, log, "cheat")
    workers = {"netdsl": Fake([1.0] * 100, 0.01, log, "ours"), "fair": fair, "cheat": cheat}
    record = measure(WORKLOADS["w4"], workers, 2, tmp_path, said.append)
    assert list(record["ratios"]) == ["fair"]
    assert record["ratios"]["fair"] == pytest.approx([2.0, 2.0])
    assert "cheat does other work" in record["problems"]["cheat"]
    assert "cheat time" not in log
    assert len(said) == 1


def test_losses_with_penalties_are_compared_with_such(tmp_path: Any) -> None:
    log: list[str] = []
    peer = Fake([2.0] * 100, 0.02, log, "peer")
    peer.penalized = True
    workers = {"netdsl": Fake([1.0] * 100, 0.01, log, "ours"), "peer": peer}
    record = measure(WORKLOADS["w4"], workers, 2, tmp_path, print)
    assert record["compared"]["peer"]["mean"] == 0


def test_who_fails_is_told_and_not_timed(tmp_path: Any) -> None:
    log: list[str] = []
    peer = Fake([1.0] * 100, 0.02, log, "peer")
    peer.broken = True
    workers = {"netdsl": Fake([1.0] * 100, 0.01, log, "ours"), "peer": peer}
    record = measure(WORKLOADS["w4"], workers, 2, tmp_path, print)
    assert record["problems"] == {"peer": "broken"}
    assert record["ratios"] == {}
    assert not peer.waiting


def test_without_a_fair_peer_netdsl_has_its_figures(tmp_path: Any) -> None:
    log: list[str] = []
    cheat = Fake([0.5] * 100, 0.001, log, "cheat")
    workers = {"netdsl": Fake([1.0] * 100, 0.01, log, "ours"), "cheat": cheat}
    record = inference.measure(WORKLOADS["w1"], 1, workers, 3, tmp_path, print)
    assert record["ms"] == {"netdsl": pytest.approx([10.0] * 3)}
    assert "cheat answers otherwise" in record["problems"]["cheat"]
    cheat.broken = True
    assert growth.step(workers, 64, [32], 3, tmp_path) == {
        "netdsl": pytest.approx(10.0),
        "problems": {"cheat": "broken"},
    }


def test_what_is_not_timed_is_done_together() -> None:
    log: list[str] = []
    workers = {name: Fake([1.0], 1.0, log, name) for name in ("one", "two")}
    found = together(workers, [{"do": "load"}, {"do": "time", "steps": 2}])
    assert found == {name: [{}, {"seconds": 2.0}] for name in workers}
    assert log == ["one load", "one time", "two load", "two time"]


def test_the_fastest_come_first() -> None:
    record = {"ms": {"netdsl": [1.0], "a": [3.0], "b": [2.0, 9.0, 2.0], "c": []}}
    assert ranked(record) == ["b", "a"]

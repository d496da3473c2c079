"""A file of sequences: embeddings, both kinds of attention, a model used twice, two outputs with losses."""

from pathlib import Path

import numpy as np
import pytest

import netdsl
from tests.whole.reference import Twin, differences

FILE = Path(__file__).with_name("features") / "sequences.net"
WORDS = ("one ", "two ", "three ", "four. ")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = "".join(np.random.default_rng(3).choice(WORDS, 150))
    (tmp_path / "words.txt").write_text(text, encoding="utf-8")
    copy = tmp_path / FILE.name
    copy.write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    return copy


@pytest.mark.parametrize("overrides", [{}, {"train.batch": "1"}, {"train.optimizer": "sgd(0.1)"}])
def test_its_steps_are_those_of_its_graph(overrides: dict[str, str], file: Path) -> None:
    twin = Twin(file, 2, **overrides)
    apart = differences(twin.executed(5), twin.meant(5))
    twin.close()
    assert max(apart.values()) < 2e-4, apart


def test_its_weights_depend_on_no_number_of_threads(file: Path) -> None:
    courses = []
    for threads in (1, 2, 3):
        twin = Twin(file, threads)
        courses.append(twin.executed(5))
        twin.close()
    for other in courses[1:]:
        assert set(differences(courses[0], other).values()) == {0.0}


def test_it_trains_and_predicts(file: Path) -> None:
    run = netdsl.train(file, run_dir=None, style="quiet")
    first, last = (record["train"] for record in (run.history[0], run.history[-1]))
    assert isinstance(first, dict)
    assert isinstance(last, dict)
    assert last["loss"] < first["loss"]
    assert {name.split("/")[0] for name in run.weights} == {"encoder", "net"}
    run.close()


def test_far_scores_of_a_sequence_lose_nothing(file: Path) -> None:
    """Each place's softmax and logarithm become one stable form, and rows of the table get their gradient."""
    length, far, rate = 12, 1e4, 1e-6
    path = file.with_name("far.net")
    path.write_text(
        f"""
data words {{ source = text("words.txt", length={length}) }}
model net(characters: [{length}, classes]) =
    {far:g} * embedding(characters, classes, init=normal(1)) -> softmax
train {{
    model     = net
    data      = words
    loss      = cross_entropy
    optimizer = sgd({rate})
    batch     = all
    epochs    = 1
}}
""",
        encoding="utf-8",
    )
    (table,) = (np.array(each, np.float64) for each in netdsl.compile(path).weights.values())
    run = netdsl.train(path, run_dir=None, style="quiet")
    text = (file.parent / "words.txt").read_text("utf-8")
    codes = np.searchsorted(sorted(set(text)), list(text))
    windows = np.lib.stride_tricks.sliding_window_view(codes, length + 1)[::length]
    x, t = windows[:, :-1].ravel(), windows[:, 1:].ravel()
    z = far * table[x]
    logs = z - z.max(1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(1, keepdims=True))
    record = run.history[0]["train"]
    assert isinstance(record, dict)
    assert record["loss"] == pytest.approx(-logs[np.arange(len(t)), t].mean(), rel=1e-5)
    gradient = np.zeros_like(table)
    np.add.at(gradient, x, far * (np.exp(logs) - np.eye(len(table))[t]) / len(t))
    (moved,) = run.weights.values()
    np.testing.assert_allclose((table - moved) / rate, gradient, rtol=1e-3, atol=0.5)
    run.close()

"""One file with much of the language in it: imports, shared models, several outputs, rates by part."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import netdsl
from tests.whole.reference import Twin, differences

FEATURES = Path(__file__).with_name("features")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file beside its import and a table of prices, one cell of which is missing."""
    for name in ("two.net", "common.net"):
        shutil.copy(FEATURES / name, tmp_path)
    draw = np.random.default_rng(1)
    lines = ["a,b,soil,q,price,kind"]
    for row in range(200):
        a, b, q, noise = draw.normal(), draw.normal(5, 2), draw.random(), draw.normal(0, 20)
        soil = ("clay", "sand", "loam")[row * 7 % 3]
        price = 1000 + 300 * a - 50 * b + 200 * (soil == "clay") + noise
        cell = "" if row == 7 else f"{b:.3f}"
        lines.append(f"{a:.3f},{cell},{soil},{q:.3f},{price:.1f},{'hi' if price > 900 else 'lo'}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "two.net"


@pytest.mark.parametrize("overrides", [{}, {"deep": "no", "act": "relu", "train.batch": "1"}])
def test_its_steps_are_those_of_its_graph(overrides: dict[str, str], file: Path) -> None:
    twin = Twin(file, 2, **overrides)
    apart = differences(twin.executed(5), twin.meant(5))
    twin.close()
    assert max(apart.values()) < 2e-4, apart


def test_what_is_frozen_stays_and_a_shared_model_has_one_set_of_weights(file: Path) -> None:
    before = {name: np.array(each) for name, each in netdsl.compile(file).weights.items()}
    run = netdsl.train(file, run_dir=None, style="quiet", overrides={"train.epochs": 2})
    changed = {name for name, each in run.weights.items() if not np.array_equal(each, before[name])}
    assert {"two/head/w", "two/head/b"} <= before.keys() - changed
    assert {name for name in before if name.startswith("tower/")} == {
        f"tower/{each}" for each in ("block_1/dense_1/w", "block_1/dense_1/b", "out/w", "out/b")
    }
    assert "tower/out/w" in changed
    run.close()

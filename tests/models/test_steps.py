"""A step of training as it runs, beside the same step by the oracle."""

from pathlib import Path

import numpy as np
import pytest

from netdsl.compiler import compile_experiment
from netdsl.graph import Run
from netdsl.graph.evaluate import evaluate, evaluate_updates
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.runtime import Executable

ROWS = 37
TEXT = """\
data digits {{
    source = digits()
    split  = (train=70%, valid=30%)
    scale  = divide(16)
}}

model net(image: [8, 8, 1]) =
    image -> flatten -> repeat n in {widths} {{ dense(n, init=he) -> {act} }} -> dense(10) -> softmax

train {{
    model     = net
    data      = digits
    loss      = cross_entropy + 1e-3 * l2(weights)
    optimizer = sgd(1.0)
    batch     = {rows}
    epochs    = 1
}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("widths", "act"), [("[64, 64, 64]", "relu"), ("[32, 32]", "tanh"), ("[128, 48, 128]", "relu")]
)
def test_a_step_is_the_oracles(tmp_path: Path, widths: str, act: str) -> None:
    """Also of layers with equal widths, whose values are cut into pieces alike: a product needs them all."""
    path = tmp_path / "net.net"
    path.write_text(TEXT.format(widths=widths, act=act, rows=ROWS), encoding="utf-8")
    compiled = compile_experiment(open_file(path, Options()).experiment)
    random = np.random.default_rng(0)
    image = random.uniform(size=(ROWS, 8, 8, 1)).astype(np.float32)
    label = random.integers(0, 10, ROWS).astype(np.int32)
    fields = {each.name: label if each.dtype == "int" else image for each in compiled.training.inputs}
    executable = Executable(compiled.training, 2)
    weights = {name: _start(executable.read(name).shape, random) for name in executable.names()}
    for name, value in weights.items():
        executable.write(name, value)
    executable.bind(fields)
    scalars = {"epoch": 0.0, "steps": 1.0, "epochs": 1.0}
    told = executable.run(np.arange(ROWS), ROWS, scalars=scalars)
    leaves = {("input", name): np.asarray(value) for name, value in fields.items()}
    for name, value in weights.items():
        leaves["weight", name] = leaves["state", name] = value.astype(np.float64)
    run = Run(ROWS, scalars=scalars, leaves=leaves)
    graph = compiled.graphs["training"]
    assert told["objective"][0] == pytest.approx(
        float(evaluate(graph, run, ["objective"])["objective"]), rel=1e-6
    )
    for name, value in evaluate_updates(graph, run).items():
        np.testing.assert_allclose(executable.read(name), value, rtol=1e-5, atol=1e-6, err_msg=name)
    executable.close()


def _start(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    return np.asarray(random.normal(size=shape) / np.sqrt(max(shape[0], 1)), np.float32)

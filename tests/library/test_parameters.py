"""Numbers of parameters as courses count them."""

import pytest

from netdsl.graph import count
from tests.library.bench import layer


@pytest.mark.parametrize(
    ("r", "k", "expected"), [(512, 512, 669_706), (512, 256, 535_818), (256, 128, 235_146)]
)
def test_the_courses_multi_layer_perceptrons(r: int, k: int, expected: int) -> None:
    made = layer(f"flatten -> dense({r}) -> relu -> dense({k}) -> relu -> dense(10) -> softmax", [28, 28, 1])
    assert sum(count(weight.shape) for weight in made.experiment.weights) == expected
    assert expected == (784 * r + r) + (r * k + k) + (10 * k + 10)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("dense(5)", 4 * 5 + 5),
        ("dense(5, bias=no)", 4 * 5),
        ("maxout(5, pieces=3)", 4 * 15 + 15),
        ("layernorm", 8),
        ("prelu", 1),
        ("dropout", 0),
        ("repeat 3 { dense(4) -> relu }", 3 * 20),
    ],
)
def test_a_layers_parameters(chain: str, expected: int) -> None:
    assert sum(count(weight.shape) for weight in layer(chain, [4]).experiment.weights) == expected

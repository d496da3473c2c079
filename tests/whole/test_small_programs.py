"""Small files, trained for three steps on the CPU and in float64: what other tests once found wrong."""

from pathlib import Path

import pytest

from tests.whole.programs import write_data
from tests.whole.reference import Twin, differences

ODD = """
optimizer odd(w, g; lr = 0.1) {
    state old = 0
    state a = 1
    state b = 2
    state never = 3
    d = w - old
    old := w
    c = a
    a := b
    b := c
    w := w - lr * a * g + 0.1 * d
}
"""
COLUMN = """
layer f(x: [n]) {
    w = weight([n, 1], normal(0.5))
    u = weight([n, 40], normal(0.5))
    return x @ w + x @ (u * w + w^2)
}
"""
ROW = """
layer f(x: [1]) {
    w = weight([1, 40], normal(0.5))
    return tanh(x @ w) * reshape(w, [40])
}
"""
TIED = """
layer f(x: [n]) {
    w = weight([n, 40], normal(0.5))
    return tanh(x @ w) @ transpose(w)
}
"""
PLACES = """
layer f(x: [c]) {
    w = weight([c], normal(0.5))
    return x * (max(x * max(x, over=batch), over=last) + max(x * w)) + max(w)
}
"""
CASES = {
    "maxout of one unit": ("maxout(1, pieces=2)", "cross_entropy", "sgd(0.1)", ""),
    "the greatest of a row": ("dense(17) -> max(over=last)", "cross_entropy", "sgd(0.1)", ""),
    "a column of a weight": ("dense(33) -> tanh -> f", "cross_entropy", "sgd(0.1)", COLUMN),
    "a row of a weight": ("dense(1) -> f", "cross_entropy", "sgd(0.1)", ROW),
    "tied weights": ("dense(33) -> f", "cross_entropy", "momentum(0.1)", TIED),
    "places of the greatest": ("dense(7) -> f", "cross_entropy", "adam(0.01)", PLACES),
    "a total of a weight": ("dense(7)", "cross_entropy + p(weights)", "sgd(0.1)", "penalty p(w) = sum(w)^2"),
    "a mean of a wide one": (
        "dense(40)",
        "cross_entropy + p(weights)",
        "sgd(0.1)",
        "penalty p(w) = mean(w)^2",
    ),
    "states that change places": ("dense(7)", "cross_entropy", "odd(0.01)", ODD),
    "a weight without use": (
        "f",
        "cross_entropy",
        "adagrad(0.1)",
        "layer f(x) {\n    g = gain([3])\n    return x\n}",
    ),
}


@pytest.mark.parametrize("batch", ["all", "1", "5"])
@pytest.mark.parametrize("name", CASES)
def test_a_small_program_does_what_its_graph_says(name: str, batch: str, tmp_path: Path) -> None:
    chain, loss, optimizer, before = CASES[name]
    write_data(tmp_path)
    path = tmp_path / "small.net"
    path.write_text(f"""
data given {{
    source = npz("given.npz", label=label)
}}
{before}
model net(x: [5]) = x -> {chain} -> dense(3) -> softmax
train {{
    model     = net
    data      = given
    loss      = {loss}
    optimizer = {optimizer}
    batch     = {batch}
    epochs    = 100
    seed      = 9
}}
""")
    twin = Twin(path, threads=2)
    apart = differences(twin.executed(3), twin.meant(3))
    twin.close()
    assert max(apart.values()) < 2e-4, apart

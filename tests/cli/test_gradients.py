"""`netdsl check --gradients`: right gradients are told right, and each of ten planted wrong ones is found."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from netdsl.cli.main import main
from netdsl.graph import Value
from netdsl.operations.elementwise import where
from netdsl.operations.linear import labeled_product, labels
from tests.operations.planting import Rule, planted

Capture = pytest.CaptureFixture[str]

TEXT = """\
data digits {{
    source = digits()
    split  = (train=60, valid=20)
    scale  = divide(16)
}}

model net(image: [8, 8, 1]) = image -> flatten -> dense(10) -> {chain} -> dense(10) -> softmax

train {{
    model     = net
    data      = digits
    loss      = {loss}
    optimizer = sgd(0.1)
    batch     = 16
    epochs    = 1
}}
"""


def write(folder: Path, chain: str, loss: str = "cross_entropy") -> Path:
    path = folder / "net.net"
    path.write_text(TEXT.format(chain=chain, loss=loss), encoding="utf-8")
    return path


def records(capsys: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# ---- ten mistakes -----------------------------------------------------------------------------


def untransposed(dy: Value, y: Value, left: Value, right: Value) -> Sequence[Value | None]:
    """Send back dy W in place of dy Wᵀ, where W is square."""
    contract, align = y.node.setting("contract"), y.node.setting("align")
    of_left, of_right, result = labels(len(left.shape), len(right.shape), contract, align)
    square = len(right.shape) == 2 and right.shape[0] == right.shape[1]
    other = right.apply("transpose", axes=(1, 0)) if square else right
    return (
        labeled_product(dy, result, other, of_right, of_left),
        labeled_product(left, of_left, dy, result, of_right),
    )


def unsummed(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
    """Take the mean over the rows in place of their sum."""
    new = len(y.shape) - len(x.shape)
    axes = [axis for axis in range(len(y.shape)) if axis < new or x.shape[axis - new] == 1 != y.shape[axis]]
    total = dy.sum(axes).reshape(x.shape)
    return (total / dy.builder.apply("scalar", name="rows") if y.shape and y.shape[0] == -1 else total,)


def shifted(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
    """Put the gradient of a part one place beside it."""
    starts, stops = y.node.setting("starts"), y.node.setting("stops")
    before = tuple(max(0, start - 1) for start in starts)
    after = tuple(
        0 if extent == -1 else extent - stop + (start - first)
        for extent, start, stop, first in zip(x.shape, starts, stops, before, strict=True)
    )
    return (dy.apply("pad", before=before, after=after),)


def without_its_sum(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
    return (y * dy,)


def without_softmax(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
    return (dy - x.apply("softmax", axis=1) * (1 / x.shape[1]),)


def half_of_the_norm(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
    return (dy / y,)


PLANTED: dict[str, tuple[str, Rule, str, str]] = {
    "a sign": ("tanh", lambda dy, y, x: (-(dy * (1.0 - y * y)),), "tanh", "cross_entropy"),
    "a missing factor": ("sigmoid", lambda dy, y, x: (dy * y,), "sigmoid", "cross_entropy"),
    "a wrong operand": (
        "divide",
        lambda dy, y, a, b: (dy / b, -((dy / b) * a)),
        "standardized",
        "cross_entropy",
    ),
    "a missing transpose": ("matmul", untransposed, "tanh", "cross_entropy"),
    "rows that are not summed": ("broadcast", unsummed, "tanh", "cross_entropy"),
    "one place beside": ("slice", shifted, "halves", "cross_entropy"),
    "the wrong side of a corner": (
        "maximum",
        lambda dy, y, a, b: (where(a.pointwise("less", b), dy, 0.0), None),
        "relu",
        "cross_entropy",
    ),
    "a missing chain factor": ("exp", lambda dy, y, x: (dy,), "bell", "cross_entropy"),
    "softmax without its sum": ("softmax", without_its_sum, "softmax", "cross_entropy"),
    "cross-entropy without its softmax": ("log_softmax", without_softmax, "tanh", "cross_entropy"),
    "a root without its half": ("sqrt", half_of_the_norm, "standardized", "cross_entropy"),
    "a penalty without its sign": (
        "abs",
        lambda dy, y, x: (dy,),
        "tanh",
        "cross_entropy + 0.01 * l1(weights)",
    ),
}

DEFINITIONS = """\
layer bell(x: [n]) = exp(-(x^2))
layer halves(x: [n]) = concat(x[1 .. 5], 2 * x[5 .. 9], over=last)
layer standardized(x: [n]) = (x - mean(x, over=last)) / sqrt(variance(x, over=last) + 0.1)
"""


def with_definitions(path: Path) -> Path:
    path.write_text(DEFINITIONS + path.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_is_found_and_named(mistake: str, tmp_path: Path, capsys: Capture) -> None:
    name, rule, chain, loss = PLANTED[mistake]
    path = with_definitions(write(tmp_path, chain, loss))
    command = ["check", "--gradients", str(path), "--format", "json"]
    assert main(command) == 0
    assert records(capsys)[-1]["wrong"] == []
    with planted(name, rule):
        assert main(command) == 1
    found = records(capsys)
    assert found[-1]["wrong"]
    told = [each for each in found if each["event"] == "diagnostic"]
    assert [each["code"] for each in told] == ["E0710"]
    assert f"`{name}`" in told[0]["message"]
    assert told[0]["primary"]["line"]


# ---- what is told -----------------------------------------------------------------------------


def test_the_table_names_weights_and_corners_by_their_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    write(tmp_path, "dense(4, init=zeros) -> relu -> dropout(50%)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["check", "--gradients", "net.net", "--rows", "16"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("model net: gradients at the initial weights, on the first 16 rows of epoch 1")
    assert re.search(r"^net/dense_3/b +\[10\] +12 .* fine$", told, re.MULTILINE)
    assert re.search(r"^net/dense_2/b +\[4\] +4 of 6 +4 .* fine$", told, re.MULTILINE)
    corner = r"^net\.net:7 +max\(… \+ net/dense_2/b, 0\) +… \+ net/dense_2/b = 0 +\d+ +1e-07 +\d+$"
    assert re.search(corner, told, re.MULTILINE)


def test_a_corner_at_the_very_point_is_told_and_named(tmp_path: Path, capsys: Capture) -> None:
    """Weights that start at 0 put every relu behind them at its corner.

    A number that moves all elements up has the slope from below; a direction that moves some up and others
    down has none that could be compared.
    """
    path = write(tmp_path, "dense(4, init=zeros) -> relu")
    assert main(["check", "--gradients", str(path), "--format", "json"]) == 0
    found = records(capsys)
    rows = {each["name"]: each for each in found if each["event"] == "gradient"}
    offset = rows["net/dense_2/b"]
    assert (offset["checked"], offset["sided"], offset["skipped"]) == (0, 4, 2)
    assert rows["net/dense_3/b"]["checked"] == 12
    (corner,) = [each for each in found if each["event"] == "corner"]
    assert corner["place"] == f"{path}:7"
    assert corner["kind"].endswith("= 0")
    assert corner["step"] == 1e-7
    assert corner["skipped"] >= 2


def test_corners_that_cancel_each_other_out_are_none(tmp_path: Path, capsys: Capture) -> None:
    """The same weights, where both sides of the corner have one slope: max(x, 0) + min(x, 0) is x."""
    path = write(tmp_path, "both")
    text = "layer both(x: [n]) {\n    y = x -> dense(4, init=zeros)\n    return max(y, 0) + min(y, 0)\n}\n"
    path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["check", "--gradients", str(path), "--format", "json"]) == 0
    verdicts = [each["verdict"] for each in records(capsys) if each["event"] == "gradient"]
    assert verdicts == ["fine"] * 6


def test_trained_weights_and_the_compiled_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    path = write(tmp_path, "tanh")
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(path), "--threads", "1", "--quiet"]) == 0
    capsys.readouterr()
    command = ["check", "--gradients", str(path), "--weights", "runs/net-1", "--compiled", "--format", "json"]
    assert main(command) == 0
    found = records(capsys)
    assert found[-1]["point"] == "the weights of runs/net-1/last.safetensors, epoch 1"
    assert all(0 < each["compiled"] < 1e-5 for each in found if each["event"] == "gradient")


def test_weights_of_another_model_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    path = write(tmp_path, "tanh")
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(path), "--threads", "1", "--quiet"]) == 0
    path = write(tmp_path, "dense(3) -> tanh")
    assert main(["check", "--gradients", str(path), "--weights", "runs/net-1"]) == 2
    assert "E0834" in capsys.readouterr().err


def test_an_option_of_the_check_alone_is_refused_without_it(tmp_path: Path, capsys: Capture) -> None:
    path = write(tmp_path, "tanh")
    for option in (["--rows", "4"], ["--compiled"], ["--weights", "runs/digits-1"]):
        assert main(["check", str(path), *option]) == 2
        assert "E0903" in capsys.readouterr().err
    assert main(["check", "--gradients", str(path), "--rows", "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


# ---- every model ------------------------------------------------------------------------------

MODELS = Path(__file__).resolve().parents[2] / "models"
BLOCKS = {"saddle": ("patient", "hurried"), "batting": ("raw", "scaled")}
FILES = [
    (path.stem, block) for path in sorted(MODELS.glob("*.net")) for block in BLOCKS.get(path.stem, (None,))
]
LARGE = {
    "resnet20",
    "residual_digits",
    "transformer",
    "cifar_cnn",
    "lstm_text",
    "addition_lstm",
    "lenet_fashion",
}
"""Models that are checked once, with their compiled gradients."""


def checked(name: str, block: str | None, capsys: Capture, *options: str) -> list[dict[str, Any]]:
    """Check the gradients of a model, see that they are right, and return the records of its weights."""
    words = [str(MODELS / f"{name}.net"), *([block] if block else []), *options]
    assert main(["check", "--gradients", *words, "--format", "json"]) == 0
    found = [each for each in records(capsys) if each["event"] == "gradient"]
    assert {each["verdict"] for each in found} == {"fine"}
    return found


@pytest.mark.parametrize(("name", "block"), [each for each in FILES if each[0] not in LARGE])
def test_the_gradients_of_every_model_are_right(name: str, block: str | None, capsys: Capture) -> None:
    checked(name, block, capsys)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "block"), FILES)
def test_the_compiled_gradients_of_every_model_are_the_derived_ones(
    name: str, block: str | None, capsys: Capture
) -> None:
    found = checked(name, block, capsys, "--compiled")
    beside = [each["compiled"] for each in found if each["compiled"] is not None]
    assert beside
    assert max(beside) < 2e-5


# ---- gradients inside of the loss -------------------------------------------------------------

PENALIZED = """\
loss steady(p: [k], x: [..]) = sum(gradient(sum(p * p), x)^2)

data digits {{
    source = digits()
    split  = (train=60, valid=20)
    scale  = divide(16)
}}

model net(image: [8, 8, 1]) = image -> {chain} -> dense(10) -> softmax

train {{
    model     = net
    data      = digits
    loss      = cross_entropy(net, label) + 3 * steady(net, image)
    optimizer = sgd(0.1)
    batch     = 16
    epochs    = 1
}}
"""
CHAINS = [
    "flatten -> dense(10) -> tanh",
    "conv(4, size=3, pad=same, stride=2) -> tanh -> conv(6, size=3, groups=2) -> softplus -> flatten",
    "conv(4, size=3) -> softplus -> avgpool(2) -> conv_transpose(3, size=2, stride=2) -> tanh -> flatten",
    "conv(4, size=3) -> tanh -> maxpool(2) -> depthwise_conv(size=3) -> tanh -> global_avgpool",
    "conv(4, size=3) -> batchnorm -> swish -> flatten -> layernorm",
]


@pytest.mark.slow
@pytest.mark.parametrize("chain", CHAINS)
def test_a_gradient_inside_of_the_loss_is_right_and_so_is_its_own(
    chain: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "net.net"
    path.write_text(PENALIZED.format(chain=chain), encoding="utf-8")
    assert main(["check", "--gradients", "--compiled", str(path), "--format", "json"]) == 0
    found = [each for each in records(capsys) if each["event"] == "gradient"]
    assert {each["verdict"] for each in found} == {"fine"}
    weights, inner = found[:-1], found[-1]
    assert inner["name"] == f"{path}:1 gradient(sum(p * p), x)"
    assert all(each["compiled"] < 2e-5 for each in weights)


def test_a_mistake_in_a_second_derivative_alone_is_found(tmp_path: Path, capsys: Capture) -> None:
    """The gradient of tanh is right, and its own is not: only the penalty's weights are wrong."""

    def rule(dy: Value, y: Value, x: Value) -> Sequence[Value | None]:
        return (dy * (1.0 - y.apply("stop_gradient") * y),)

    path = tmp_path / "net.net"
    path.write_text(PENALIZED.format(chain="flatten -> dense(10) -> tanh"), encoding="utf-8")
    with planted("tanh", rule):
        assert main(["check", "--gradients", str(path), "--format", "json"]) == 1
    found = records(capsys)
    rows = {each["name"]: each["verdict"] for each in found if each["event"] == "gradient"}
    assert rows["net/dense_1/w"] == "WRONG"
    assert rows[f"{path}:1 gradient(sum(p * p), x)"] == "fine"


# ---- what goes step by step -------------------------------------------------------------------

RECURRENT = """\
data digits {
    source = digits()
    split  = (train=60, valid=20)
    scale  = divide(16)
}

model net(image: [8, 8, 1]) =
    image -> reshape([8, 8]) -> rnn(6, act=relu, sequence=yes) -> flatten -> dense(10) -> softmax

train {
    model     = net
    data      = digits
    loss      = cross_entropy
    optimizer = sgd(0.1)
    batch     = 16
    epochs    = 1
}
"""


def test_a_mistake_inside_of_a_scan_is_found_there(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "net.net"
    path.write_text(RECURRENT, encoding="utf-8")
    command = ["check", "--gradients", str(path), "--format", "json"]
    assert main(command) == 0
    assert records(capsys)[-1]["wrong"] == []
    with planted("maximum", lambda dy, y, a, b: (dy, None)):
        assert main(command) == 1
    told = [each for each in records(capsys) if each["event"] == "diagnostic"]
    assert len(told) == 1
    assert "`maximum`" in told[0]["message"]
    assert told[0]["primary"]["line"] == 8


# ---- data that is not at hand -----------------------------------------------------------------


@pytest.mark.parametrize(("name", "rows"), [("mnist_300_mse", 8), ("lenet_fashion", 8)])
def test_published_data_that_is_not_at_hand_is_drawn(
    name: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("NETDSL_OFFLINE", "1")
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path))
    command = ["check", "--gradients", str(MODELS / f"{name}.net"), "--data-dir", str(tmp_path)]
    assert main([*command, "--format", "json"]) == 0
    told = records(capsys)[-1]["rows"]
    assert told.startswith(f"the first {rows} rows of drawn pictures in place of `")


def test_a_table_that_is_not_at_hand_is_not_drawn(tmp_path: Path, capsys: Capture) -> None:
    command = ["check", "--gradients", str(MODELS / "housing.net"), "--data-dir", str(tmp_path)]
    assert main(command) == 3
    assert "E0523" in capsys.readouterr().err

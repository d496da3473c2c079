"""`netdsl compile --device cuda` as a user sees it."""

import json
from pathlib import Path

import pytest

from netdsl.cli.main import main
from netdsl.lowering.cuda.blas import WORTH

pytestmark = [pytest.mark.cuda, pytest.mark.slow, pytest.mark.usefixtures("toolchain")]

NET = """\
model line(x: [1]) = x -> dense(2) -> relu -> dense(1)

data points {
    source = csv("points.csv", target=y)
    split  = (train=100%)
}

train {
    loss      = mse
    optimizer = sgd(0.1)
    batch     = 2
    epochs    = 1
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "line.net").write_text(NET, encoding="utf-8")
    (tmp_path / "points.csv").write_text("x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_kernels_are_listed_and_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "line.net", "--device", "cuda", "--arch", "sm_80", "--out", "code"]) == 0
    told = capsys.readouterr().out
    assert "training: " in told
    assert "code for sm_80" in told
    products = sorted((folder / "code").glob("product_*.ptx"))
    assert products
    assert all(".target sm_80" in each.read_text() for each in products)
    assert all(each.with_suffix(".cubin").read_bytes().startswith(b"\x7fELF") for each in products)
    assert all(f"def {each.stem}(" in each.with_suffix(".py").read_text() for each in products)


def test_the_list_as_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "line.net", "--arch", "sm_90", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["architecture"] == "sm_90"
    kinds = [each["program"] for each in record["programs"]]
    assert kinds[:2] == ["training", "inference"]
    for program in record["programs"]:
        assert program["launches"] == sum(each["launches"] for each in program["kernels"])
        assert all(each["registers"] > 0 and each["spills"] == 0 for each in program["kernels"])


def test_products_by_a_library_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdsl.runtime.cuda.blas._version", lambda name: "13.1")
    monkeypatch.setitem(WORTH, "float32", 0.0)
    assert main(["compile", "line.net", "--device", "cuda"]) == 0
    assert "cuBLASLt rows x 1 x 2" in capsys.readouterr().out
    assert main(["compile", "line.net", "--device", "cuda", "--json"]) == 0
    programs = json.loads(capsys.readouterr().out)["programs"]
    products = programs[0]["products"]
    assert [each["sizes"] for each in products][:2] == [["1", "rows", "1", "2"], ["1", "rows", "2", "1"]]
    assert products[0]["computes"][0].startswith("line.net:1 line/dense_1: ")
    kernels = sum(each["launches"] for each in programs[0]["kernels"])
    assert programs[0]["launches"] == kernels + len(products)


def test_the_list_tells_the_precision_of_products(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "line.net", "train.precision=bf16", "--arch", "sm_90", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    names = {each["program"]: [one["kernel"] for one in each["kernels"]] for each in record["programs"]}
    for program in ("training", "inference", "evaluation"):
        products = [each for each in names[program] if each.startswith("product")]
        assert products
        assert all(each.startswith("product_bf16_") for each in products)

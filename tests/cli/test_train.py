import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.cli.main import main
from tests.run.models import RAVINE, write_digits, write_flowers

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def records(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_result_is_on_stdout_and_progress_on_stderr(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net"]) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].split() == ["loss", "accuracy"]
    assert [line.split()[0] for line in lines[1:4]] == ["train", "valid", "test"]
    assert "test confusion" in lines
    assert lines[-1] == "weights: runs/digits-1/last.safetensors"
    assert told.err.count("epoch") >= 4
    assert "mlp: 4 epochs; rows: train 300, valid 100, test 100" in told.err


def test_the_line_of_the_courses(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "lr=0.001", "--style", "course", "--no-save"]) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Finished")]
    assert len(lines) == 4
    number = r"\d\.\d{6}"
    pattern = rf"Finished epoch (\d) / 4: cost {number}, train: {number}, val {number}, lr 1\.000000e-03"
    assert [re.fullmatch(pattern, line)[1] for line in lines] == ["1", "2", "3", "4"]  # type: ignore[index]


def test_json_records(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "--json", "units=4", "train.epochs=2"]) == 0
    told = capsys.readouterr()
    events = records(told.out)
    assert [each["event"] for each in events] == ["start", "epoch", "epoch", "result"]
    assert events[0]["rows"] == {"train": 300, "valid": 100, "test": 100}
    assert {"epoch", "step", "seconds", "lr", "train", "valid", "best"} <= set(events[1])
    result = events[-1]
    assert result["epochs"] == 2
    assert result["weights"] == "runs/digits-1/last.safetensors"
    assert re.fullmatch("[0-9a-f]{64}", str(result["digest"]))
    assert isinstance(result["test"], dict)
    assert set(result["test"]) == {"loss", "objective", "accuracy", "confusion"}


def test_quiet_tells_the_result_alone(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "--quiet", "--no-save"]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(" ")
    assert not (tmp_path / "runs").exists()


def test_table_on_a_terminal(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "--style", "table", "--no-save"]) == 0
    lines = capsys.readouterr().err.splitlines()
    heads = [line.split() for line in lines[1:3]]
    assert heads == [["train", "valid"], ["epoch", "loss", "accuracy", "loss", "accuracy"]]
    assert [line.split()[0] for line in lines if "/4" in line] == ["1/4", "2/4", "3/4", "4/4"]


def test_runs_are_numbered_and_kept_where_asked(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    for _ in range(2):
        assert main(["train", "digits.net", "--quiet", "--run-dir", "kept", "train.epochs=1"]) == 0
    assert sorted(each.name for each in (tmp_path / "kept").iterdir()) == ["digits-1", "digits-2"]


def test_resume_the_newest_run(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "--json", "lr=0.02"]) == 0
    first = records(capsys.readouterr().out)[-1]
    assert main(["train", "digits.net", "--json", "--resume"]) == 0
    again = records(capsys.readouterr().out)
    assert again[0]["resumed"] == 5
    assert again[-1]["digest"] == first["digest"]
    assert main(["train", "digits.net", "--quiet", "--resume", "runs/digits-1"]) == 0


def test_resume_refuses_another_file(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["train", "digits.net", "--resume"]) == 4
    assert "E0835" in capsys.readouterr().err
    assert main(["train", "digits.net", "--quiet"]) == 0
    assert main(["train", "digits.net", "--resume", "lr=0.5"]) == 2
    assert "the value of `lr` is not as it was" in capsys.readouterr().err
    write_digits(tmp_path, batch="16")
    assert main(["train", "digits.net", "--resume"]) == 2
    assert "`digits.net` is not as it was" in capsys.readouterr().err
    assert main(["train", "digits.net", "--resume", "runs"]) == 4
    assert "E0832" in capsys.readouterr().err


def test_missed_target(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path, epochs="1\n    stop = target(valid.accuracy, 100%)")
    assert main(["train", "digits.net", "--quiet"]) == 1
    told = capsys.readouterr()
    assert "E0703" in told.err
    assert "weights:" in told.out


def test_explosion(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path, optimizer="sgd(lr)", loss="cross_entropy + 0.1 * l2(weights)")
    assert main(["train", "digits.net", "--quiet", "lr=1e3"]) == 1
    assert re.search(r"E070[12]", capsys.readouterr().err)


def test_all_mistakes_in_a_file(tmp_path: Path, capsys: Capture) -> None:
    path = write_digits(tmp_path)
    path.write_text(path.read_text().replace("dense(10)", "dens(10)").replace("adam", "adamm"))
    assert main(["train", "digits.net"]) == 2
    told = capsys.readouterr().err
    assert "`dens`" in told
    assert "`adamm`" in told
    assert told.endswith("\n2 errors\n")
    assert main(["check", "digits.net", "--format", "json"]) == 2
    assert [each["severity"] for each in records(capsys.readouterr().out)] == ["error", "error"]


def test_a_file_that_is_not_there(capsys: Capture) -> None:
    assert main(["train", "nothing.net"]) == 4
    assert "E0803" in capsys.readouterr().err


def test_words_that_are_no_values(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    for words, code in (
        (["lr", "=", "1"], "E0904"),
        (["lr=1", "lr=2"], "E0905"),
        (["--device", "cuda"], "E0906"),
    ):
        assert main(["train", "digits.net", *words]) == 2
        assert code in capsys.readouterr().err


def test_a_word_names_the_train_block(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "two.net"
    slow = RAVINE.replace("train {", "train slow {").replace("lr=0.01", "lr=0.001")
    path.write_text(slow + RAVINE[RAVINE.index("train") :].replace("train {", "train fast {"))
    assert main(["train", "two.net", "--quiet"]) == 2
    losses = []
    for block in ("slow", "fast"):
        assert main(["train", "two.net", block, "--json", "--no-save"]) == 0
        result = records(capsys.readouterr().out)[-1]
        assert isinstance(result["train"], dict)
        losses.append(result["train"]["loss"])
    assert losses[0] > losses[1]


def test_imports_from_above_are_allowed_by_name(tmp_path: Path, capsys: Capture) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "layers.net").write_text("layer twice(x; units) = x -> dense(units) -> dense(units)\n")
    path = write_digits(inner)
    path.write_text('import "../layers.net"\n' + path.read_text().replace("dense(units)", "twice(units)"))
    assert main(["train", "inner/digits.net"]) == 2
    assert "E0841" in capsys.readouterr().err
    assert main(["train", "inner/digits.net", "--allow-path", ".", "--quiet"]) == 0
    assert main(["evaluate", "runs/digits-1", "--part", "valid"]) == 0


def loaded(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-X", "importtime", "-m", "netdsl.cli", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stderr


def test_numba_is_loaded_to_compile_alone(tmp_path: Path) -> None:
    write_digits(tmp_path)
    checked = loaded(tmp_path, "check", "digits.net")
    assert not re.search(r"\b(numba|llvmlite)\b", checked)
    loaded(tmp_path, "train", "digits.net", "--quiet", "--no-save")  # another process: this one has kernels
    warm = loaded(tmp_path, "train", "digits.net", "--quiet", "--no-save")
    assert "llvmlite" in warm
    assert not re.search(r"\b(numba|rich)\b", warm)


# ---- evaluate, predict, show, check, compile, render, doctor -------------------------------------


def trained_flowers(tmp_path: Path, capsys: Capture) -> dict[str, object]:
    write_flowers(tmp_path)
    assert main(["train", "flowers.net", "--json"]) == 0
    return records(capsys.readouterr().out)[-1]


def test_evaluate_tells_the_figures_of_the_training(tmp_path: Path, capsys: Capture) -> None:
    result = trained_flowers(tmp_path, capsys)
    assert main(["evaluate", "runs/flowers-1", "--json"]) == 0
    (found,) = records(capsys.readouterr().out)
    assert {part: found[part] for part in ("train", "valid", "test")} == {
        part: result[part] for part in ("train", "valid", "test")
    }
    (tmp_path / "flowers.csv").rename(tmp_path / "elsewhere.csv")
    assert main(["evaluate", "runs/flowers-1"]) == 3


def test_predict_from_a_table(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_flowers(tmp_path, capsys)
    rows = "soil,d,c,b,a,note\nclay,0.1,0.2,,0.1,x\nsand,2.2,2.4,2.5,2.1,y\n"
    (tmp_path / "new.csv").write_text(rows)
    assert main(["predict", "runs/flowers-1", "new.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "kind,kind=iris,kind=lily,kind=rose"
    assert [line.split(",")[0] for line in lines[1:]] == ["iris", "rose"]
    assert sum(map(float, lines[1].split(",")[1:])) == pytest.approx(1, abs=1e-5)
    with (tmp_path / "new.csv").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        assert main(["predict", "runs/flowers-1", "-", "--out", "out.csv"]) == 0
    assert (tmp_path / "out.csv").read_text().splitlines() == lines
    assert main(["predict", "runs/flowers-1", "new.csv", "--json"]) == 0
    assert records(capsys.readouterr().out)[1]["kind"] == "rose"


def test_predict_refuses_what_it_cannot_read(tmp_path: Path, capsys: Capture) -> None:
    trained_flowers(tmp_path, capsys)
    new = tmp_path / "new.csv"
    for text, code, told in (
        ("a,b,c,soils\n1,1,1,clay\n", "E0913", "`d`, `soil`"),
        ("a,b,c,d,soil\n1,1,1,much,clay\n", "E0914", "new.csv:2 has `much`"),
        ("a,b,c,d,soil\n1,1,1,1,rock\n", "E0914", "one of `clay`, `loam`, `sand`"),
        ("a,b,c,d,soil\n1,1,1,1\n", "E0914", "line 2 has 4"),
        ("", "E0914", "is empty"),
        ("a;b;c;d;soil\n1;1;1;1;clay\n", "E0913", "`--separator ';'`"),
        ("a,b,c,d,soils\n1,1,1,1,clay\n", "E0913", "`soil` may be `soils`"),
    ):
        new.write_text(text)
        assert main(["predict", "runs/flowers-1", "new.csv"]) == 3
        error = capsys.readouterr().err
        assert code in error
        assert told in error
    assert main(["predict", "flowers.net", "new.csv"]) == 4
    assert "`netdsl train flowers.net` makes one" in capsys.readouterr().err
    assert main(["predict", "runs/flowers-1", "new.xlsx"]) == 3
    assert "E0912" in capsys.readouterr().err


def test_predict_from_arrays(tmp_path: Path, capsys: Capture) -> None:
    import numpy as np

    write_digits(tmp_path)
    assert main(["train", "digits.net", "--quiet"]) == 0
    images = np.random.default_rng(0).integers(0, 17, (3, 8, 8)).astype(np.uint8)
    np.save("images.npy", images)
    np.savez("images.npz", image=images)
    header = b"\0\0\x08\x03" + b"".join(each.to_bytes(4, "big") for each in images.shape)
    Path("images-idx3-ubyte").write_bytes(header + images.tobytes())
    np.savetxt("images.csv", images.reshape(3, 64), fmt="%d", delimiter=",")
    capsys.readouterr()
    told = set()
    for name in ("images.npy", "images.npz", "images-idx3-ubyte", "images.csv"):
        assert main(["predict", "runs/digits-1", name]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1
    assert told.pop().startswith("label,label=0,label=1,")
    np.savetxt("narrow.csv", images.reshape(3, 64)[:, 1:], fmt="%d", delimiter=",")
    assert main(["predict", "runs/digits-1", "narrow.csv"]) == 3
    assert "has 63 columns, and `image` takes 64" in capsys.readouterr().err


def test_show(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["show", "digits.net"]) == 0
    assert "1,210 parameters" in capsys.readouterr().out
    assert main(["show", "digits.net", "units=32", "--json"]) == 0
    assert records(capsys.readouterr().out)[0] == {
        "event": "weight",
        "name": "mlp/dense_1/w",
        "shape": [64, 32],
        "kind": "weight",
        "frozen": False,
    }
    assert main(["train", "digits.net", "--quiet"]) == 0
    capsys.readouterr()
    for path in ("runs/digits-1", "runs/digits-1/best.safetensors"):
        assert main(["show", path]) == 0
        assert "mlp/dense_2/b" in capsys.readouterr().out


def test_check(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["check", "digits.net", "--format", "json"]) == 0
    assert records(capsys.readouterr().out)[-1] == {"event": "result", "errors": 0, "warnings": 0}


def test_compile(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["compile", "digits.net", "--rewrites", "--passes", "--steps", "--out", "built"]) == 0
    told = capsys.readouterr().out
    assert "logarithm of a softmax at digits.net:" in told
    assert "differentiate" in told
    names = {each.name for each in (tmp_path / "built").iterdir()}
    assert {
        "training.graph",
        "training.kernels.py",
        "training.steps.txt",
        "gradients.txt",
        "rewrites.txt",
    } <= names
    assert main(["compile", "digits.net", "--json"]) == 0
    (record,) = records(capsys.readouterr().out)
    assert record["parameters"] == 64 * 16 + 16 + 16 * 10 + 10
    assert record["batch"] == 32


def test_render(tmp_path: Path, capsys: Capture) -> None:
    write_digits(tmp_path)
    assert main(["render", "digits.net", "--kind", "dot"]) == 0
    assert "dense_1" in (tmp_path / "digits.dot").read_text()
    assert main(["render", "digits.net", "--graph", "--backward", "--out", "all.dot"]) == 0
    assert "matmul" in (tmp_path / "all.dot").read_text()
    assert main(["render", "digits.net", "--kind", "dot", "--out", "-"]) == 0


def test_doctor_names_no_one(capsys: Capture) -> None:
    assert main(["doctor", "--json"]) == 0
    told = capsys.readouterr().out
    (record,) = records(told)
    assert record["passed"] is True
    assert {"cuda", "cuda code", "cuda target"} <= set(record)
    assert "on no device" in str(record["cuda target"])
    assert str(Path.home()) not in told

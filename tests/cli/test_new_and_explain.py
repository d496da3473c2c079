import io
from pathlib import Path

import pytest

from netdsl.cli.main import main
from netdsl.resources import resource, resource_names

Capture = pytest.CaptureFixture[str]


def test_new_copies_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "digits"]) == 0
    copied = tmp_path / "digits" / "digits_mlp.net"
    assert copied.read_bytes() == resource("models/digits_mlp.net").read_bytes()
    assert "netdsl train digits/digits_mlp.net" in capsys.readouterr().out


def test_new_copies_the_table_of_a_model(tmp_path: Path) -> None:
    assert main(["new", "batting", str(tmp_path)]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["batting.csv", "batting.net"]


@pytest.mark.parametrize("name", ["text", "transformer"])
def test_new_copies_the_text_that_a_model_reads(tmp_path: Path, name: str) -> None:
    assert main(["new", name, str(tmp_path)]) == 0
    text, model = (next(tmp_path.glob(ending)) for ending in ("*.txt", "*.net"))
    assert text.name == "sentences.txt"
    assert main(["check", str(model)]) == 0


def test_new_never_writes_over_a_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "iris.net").write_text("mine")
    assert main(["new", "iris", str(tmp_path)]) == 4
    assert "E0909" in capsys.readouterr().err
    assert (tmp_path / "iris.net").read_text() == "mine"


def test_new_suggests_what_was_meant(capsys: Capture) -> None:
    assert main(["new", "irsi"]) == 2
    assert "did you mean `iris`?" in capsys.readouterr().err


def test_new_lists_every_model(capsys: Capture) -> None:
    assert main(["new", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(list(resource_names("models", ".net")))
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_explain_a_code(capsys: Capture) -> None:
    assert main(["explain", "e0701"]) == 0
    assert capsys.readouterr().out.startswith("# E0701: ")


def test_explain_lists_codes(capsys: Capture) -> None:
    assert main(["explain"]) == 0
    assert "E0701  the loss is not a number any more\n" in capsys.readouterr().out


def test_explain_an_unknown_code(capsys: Capture) -> None:
    assert main(["explain", "E0700"]) == 2
    assert "E0990" in capsys.readouterr().err


# ---- fmt --------------------------------------------------------------------------------------

TIDY = "# a line\nmodel line(x: [1]) = x -> dense(1)\n"
UNTIDY = "# a line\nmodel line(x:[1])=x->dense( 1 )"


def test_fmt_writes_what_changes(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "line.net"
    path.write_text(UNTIDY)
    assert main(["fmt", str(path)]) == 0
    assert path.read_text() == TIDY
    assert "changed" in capsys.readouterr().err
    assert main(["fmt", str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_fmt_check_and_diff_change_nothing(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "line.net"
    path.write_text(UNTIDY)
    assert main(["fmt", "--check", str(path)]) == 1
    assert main(["fmt", "--diff", str(path)]) == 1
    assert "+model line(x: [1]) = x -> dense(1)" in capsys.readouterr().out
    assert path.read_text() == UNTIDY
    path.write_text(TIDY)
    assert main(["fmt", "--check", "--diff", str(path)]) == 0


def test_fmt_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(UNTIDY.encode())))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == TIDY


def test_fmt_goes_on_after_a_mistake(tmp_path: Path, capsys: Capture) -> None:
    wrong, right, binary = tmp_path / "wrong.net", tmp_path / "right.net", tmp_path / "binary.net"
    wrong.write_text("model (")
    right.write_text(UNTIDY)
    binary.write_bytes(b"\xff\xfe")
    assert main(["fmt", str(wrong), str(binary), str(right)]) == 2
    assert right.read_text() == TIDY
    assert "E0840" in capsys.readouterr().err

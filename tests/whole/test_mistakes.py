"""What a newcomer may do wrong, from the command line: a code, a place, a cause, and never a traceback."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest

from netdsl.cli.main import main
from netdsl.files import system

MISTAKES = Path(__file__).with_name("mistakes")

DATA = """data digits {
    source = digits()
    split  = (train=100, valid=50, test=50)
    scale  = divide(16)
}
"""
MODEL = "model mlp(image: [8, 8, 1]) = image -> flatten -> dense(10) -> softmax\n"
FIELDS = {
    "model": "mlp",
    "data": "digits",
    "loss": "cross_entropy",
    "optimizer": "sgd(0.1)",
    "batch": "32",
    "epochs": "1",
}


def train(**fields: str) -> str:
    """Write a train block with some fields otherwise; an empty one is left out."""
    given = {**FIELDS, **fields}
    return "train {\n" + "".join(f"    {name} = {each}\n" for name, each in given.items() if each) + "}\n"


def chain(stages: str) -> str:
    return DATA + f"model mlp(image: [8, 8, 1]) = image -> flatten -> {stages}\n" + train()


def block(**fields: str) -> str:
    return DATA + MODEL + train(**fields)


def rows(name: str) -> str:
    """Write a file that learns the label `t` of an npz file."""
    return f"""data given {{
    source = npz("{name}.npz", label=t)
}}
model mlp(x) = x -> dense(3) -> softmax
""" + train(data="given")


def table(content: str, **data: str) -> str:
    """Write a file that learns `k` of a table, the content of which comes first in a comment."""
    lines = "".join(f"    {name} = {each}\n" for name, each in data.items())
    body = f'data given {{\n    source = csv("table.csv", target=k)\n{lines}}}\n'
    head = "".join(f"#{line}\n" for line in content.splitlines())
    return head + body + "model mlp(x) = x -> dense(3) -> softmax\n" + train(data="given")


TABLE = "a,b,k\n0.1,1,u\n0.2,2,v\n0.3,3,w\n0.4,1,u\n"

CASES = {
    "a misspelled layer": (chain("dens(10) -> softmax"), "E0101"),
    "a misspelled field": (block(epoch="3"), "E0602"),
    "a misspelled setting": (block(optimizer="adam(l=0.1)"), "E0201"),
    "an image where a vector goes": (DATA + MODEL.replace("-> flatten ", "") + train(), "E0312"),
    "an output of another size": (chain("dense(9) -> softmax"), "E0306"),
    "a unit of another kind": (block(epochs="10 deg"), "E0205"),
    "no data block": (MODEL + train(), "E0604"),
    "no batch": (block(batch="0"), "E0206"),
    "less than no epoch": (block(epochs="-1"), "E0206"),
    "half a batch": (block(batch="1.5"), "E0205"),
    "everything dropped": (chain("dropout(1.0) -> dense(10) -> softmax"), "E0206"),
    "a percentage without its sign": (chain("dropout(50) -> dense(10) -> softmax"), "E0206"),
    "no units": (chain("dense(0) -> softmax"), "E0206"),
    "a repeat without end": (chain("repeat 100000000 { relu } -> dense(10) -> softmax"), "E0402"),
    "weights without end": (chain("dense(1M) -> relu -> dense(1M) -> relu -> dense(10) -> softmax"), "E0403"),
    "a layer of itself": (
        "layer a(x) = x -> a\n" + chain("a -> dense(10)"),
        "E0112",
    ),
    "no loss": (block(loss=""), "E0603"),
    "a metric as a loss": (block(loss="accuracy"), "E0607"),
    "an optimizer as a metric": (block(metrics="[adam]"), "E0606"),
    "a part that is not there": (block(freeze="[stem]"), "E0608"),
    "a figure that is not there": (block(stop="early(valid.acc, patience=3 epochs)"), "E0605"),
    "a limit below zero": (block(clip="norm(-1)"), "E0205"),
    "too many rows asked for": (block().replace("train=100", "train=100k"), "E0534"),
    "a part of a split misspelled": (block().replace("train=100", "trian=100"), "E0503"),
    "a division by zero": (chain("dense(10 / 0) -> softmax"), "E0208"),
    "a name bound twice": (DATA + MODEL + MODEL + train(), "E0102"),
    "another language": ("import torch.nn as nn\n", "E0010"),
    "a symbol from elsewhere": (chain("dense(10) -> \U0001f600"), "E0006"),
    "a mistake after CRLF": (chain("dens(10)").replace("\n", "\r\n"), "E0101"),
    "a mistake after tabs": (chain("dens(10)").replace("    ", "\t"), "E0101"),
    "nested without end": (chain("dense(" + "(" * 500 + "10" + ")" * 500 + ") -> softmax"), "E0411"),
    "a name without end": (chain("d" * 5000), "E0413"),
    "a file that is not there": (block().replace("digits()", 'csv("no.csv", target=a)'), "E0523"),
    "numbers that are none": (rows("nan"), "E0531"),
    "numbers without end": (rows("infinite"), "E0531"),
    "labels below zero": (rows("negative"), "E0537"),
    "a label out of range": (rows("far"), "E0540"),
    "arrays of different lengths": (rows("shorter"), "E0539"),
    "Python objects": (rows("objects"), "E0538"),
    "something else than arrays": (rows("junk"), "E0538"),
    "a cell that is no number": (table(TABLE.replace("0.2", "abc")), "E0531"),
    "a cell that is not a number": (table(TABLE.replace("0.2", "nan")), "E0531"),
    "a missing cell": (table(TABLE.replace("0.2", "")), "E0532"),
    "a row that is short": (table(TABLE.replace("0.2,", "")), "E0530"),
    "a header and no rows": (table("a,b,k\n"), "E0543"),
    "the wrong separator": (table(TABLE.replace(",", ";")), "E0529"),
    "the logarithm of less than -1": (table(TABLE.replace("0.2", "-5"), scale="log_range"), "E0544"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    x, t = np.arange(48, dtype=np.float32).reshape(12, 4), np.arange(12) % 3
    np.savez("infinite.npz", allow_pickle=False, x=np.where(x == 7, np.inf, x), t=t)
    np.savez("nan.npz", allow_pickle=False, x=np.where(x == 7, np.nan, x), t=t)
    np.savez("negative.npz", allow_pickle=False, x=x, t=t - 1)
    np.savez("far.npz", allow_pickle=False, x=x, t=t * 10**9)
    np.savez("shorter.npz", allow_pickle=False, x=x, t=t[:5])
    np.savez("objects.npz", allow_pickle=True, x=np.array([{}] * 12, dtype=object), t=t)
    Path("junk.npz").write_bytes(b"junk")
    return tmp_path


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command; return its exit code and what it wrote on the side of messages."""
    code = main(arguments)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "E9999" not in said
    return code, said


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_has_a_code_a_place_and_no_traceback(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, code = CASES[name]
    Path("case.net").write_bytes(text.encode())
    cells = [line[1:] for line in text.splitlines() if line.startswith("#")]
    Path("table.csv").write_text("".join(f"{line}\n" for line in cells))
    exit_code, said = told(["train", "case.net", "--no-save", "--quiet"], capsys)
    assert exit_code in (2, 3)
    assert re.search(rf"^error\[{code}\]: ", said, re.MULTILINE), said
    assert re.search(r"^ *┌─ case.net:\d+:\d+$", said, re.MULTILINE), said


BYTES = {
    "an empty file": (b"", "E0601"),
    "a comment alone": (b"# nothing yet\n", "E0601"),
    "a picture": (bytes(range(256)) * 4, "E0840"),
    "another encoding": (block().encode() + "# é".encode("latin-1"), "E0840"),
    "a character that cannot be seen": (block().encode() + b"\0", "E0007"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_file_that_is_no_text_of_the_language(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, code = BYTES[name]
    Path("case.net").write_bytes(content)
    exit_code, said = told(["train", "case.net", "--no-save"], capsys)
    assert exit_code == 2
    assert f"error[{code}]: " in said


@pytest.mark.parametrize("command", ["check", "train", "compile", "show", "render", "fmt"])
def test_a_folder_and_a_file_that_is_not_there(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("folder.net").mkdir()
    assert told([command, "folder.net"], capsys)[0] == 4
    assert told([command, "nothing.net"], capsys)[0] == 4


def test_a_file_that_may_not_be_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> int:  # root may read everything, so the refusal is made here
        raise PermissionError(errno.EACCES, "Permission denied", path)

    Path("secret.net").write_text(block())
    monkeypatch.setattr(system, "open_read", refuse)
    code, said = told(["check", "secret.net"], capsys)
    assert code == 4
    assert "secret.net" in said


@pytest.mark.parametrize(
    "text", ["\ufeff" + block(), block().replace("\n", "\r\n"), block().replace("    ", "\t")]
)
def test_marks_line_ends_and_tabs_of_other_editors_are_fine(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("case.net").write_bytes(text.encode())
    assert told(["train", "case.net", "--no-save", "--quiet"], capsys) == (0, "")


def test_ten_mistakes_of_meaning_are_told_in_one_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(MISTAKES)
    monkeypatch.setenv("NO_COLOR", "1")
    exit_code, said = told(["check", "ten.net"], capsys)
    assert exit_code == 2
    assert len(set(re.findall(r"^error\[(E\d+)\]", said, re.MULTILINE))) >= 10
    golden = MISTAKES / "ten.txt"
    if os.environ.get("NETDSL_GOLDEN") == "write":
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")

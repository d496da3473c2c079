"""A model of characters, from a text to a text."""

import io
import sys
from pathlib import Path

import pytest

from netdsl.cli.main import main

NET = """\
data words {
    source = text("words.txt", length=8)
    split  = (train=80%, valid=20%)
}

layer each(x: [t, c]; units) {
    w = weight([c, units], xavier)
    return x @ w
}

model net(characters) = characters -> each(8) -> softmax

train {
    model     = net
    data      = words
    loss      = cross_entropy
    optimizer = adam(0.1)
    batch     = 4
    epochs    = 8
    metrics   = [accuracy]
}
"""
HEADER = "characters,next\n"
Capture = pytest.CaptureFixture[str]


def test_predict_tells_the_characters_that_follow(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("abcdefgh" * 40)
    (tmp_path / "net.net").write_text(NET)
    assert main(["train", "net.net"]) == 0
    capsys.readouterr()
    (tmp_path / "new.txt").write_text("abcdefghcdefg")
    assert main(["predict", "runs/net-1", "new.txt"]) == 0
    expected = HEADER + "abcdefgh,bcdefgha\nfghcdefg,ghadefgh\n"
    assert capsys.readouterr().out == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abcdefgh")))
    assert main(["predict", "runs/net-1", "-", "--json"]) == 0
    assert '"characters": "abcdefgh", "next": "bcdefgha"' in capsys.readouterr().out
    for text, told in (("abc", "reads 8 at a time"), ("abcdefgh\nxbz", "has '\\n' in line 1")):
        (tmp_path / "new.txt").write_text(text)
        assert main(["predict", "runs/net-1", "new.txt"]) == 3
        error = capsys.readouterr().err
        assert "E0914" in error
        assert told in error

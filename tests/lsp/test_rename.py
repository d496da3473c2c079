"""Another name for a thing: everywhere it is meant and nowhere else, or a reason why not."""

from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.lsp.client import Editor, applied, session, uri_of

OTHER = """# block: twice its input
layer block(x; by = 2) = x * by
"""
FILE = """import "layers.net" as m

param rate = 0.01  # the rate of "rate"

data moons {
    source = moons(n=200)
}

loss far(p, t; power = 2) = mean(abs(p - t)^power)

layer hidden(x: [n]; width = 8, act = tanh) {
    z = x -> dense(width)
    return z -> act -> m.block(by=3)
}

model net(x: [2]) {
    h = x -> hidden(width=16) as stem -> repeat width in [8, 4] { dense(width) -> relu }
    top = h -> dense(4)
    return (first = top -> dense(2) -> softmax, second = h -> dense(1))
}

metric right(p, t) = argmax(p) == argmax(t)

train {
    loss      = far(first, label, power=2) + 0.01 * l2(weights(stem))
    optimizer = adam(lr=(stem=0.1 * rate, rest=rate))
    steps     = 3
    freeze    = [top]
    metrics   = [right(first, label)]
    stop      = [target(train.right, 99%)]
}
"""

CASES = [
    ("rate = 0.01", "speed", ["rate = 0.01", "rate, rest", "rate)"]),
    ("far(p", "distance", ["far(p", "far(first"]),
    ("power = 2", "q", ["power = 2", "power)", "power=2"]),
    ("hidden(x", "inner", ["hidden(x", "hidden(width=16)"]),
    ("width = 8", "wide", ["width = 8", "width)\n", "width=16"]),
    ("width in", "n", ["width in", "width) -> relu"]),
    ("z = x", "linear", ["z = x", "z -> act"]),
    ("act = tanh", "activation", ["act = tanh", "act -> m"]),
    ("n]; width", "features", ["n]; width"]),
    ("stem ->", "body", ["stem ->", "stem))", "stem=0.1"]),
    ("top = h", "head", ["top = h", "top -> dense(2)", "top]"]),
    ("h = x", "λ", ["h = x", "h -> dense(4)", "h -> dense(1)"]),
    ("first = top", "one", ["first = top", "first, label, power", "first, label)]"]),
    ("right(p", "correct", ["right(p", "right(first", "right, 99%"]),
    ("net(x", "classifier", ["net(x"]),
    ("m\n", "other", ["m\n", "m.block"]),
    ("x: [2]", "y", ["x: [2]", "x -> hidden"]),
    ("moons {", "points", ["moons {"]),
]


def expected(name: str, new: str, marks: list[str]) -> str:
    text = FILE
    for each in marks:
        assert text.count(each) == 1, each
        text = text.replace(each, new + each[len(name) :])
    return text


async def renamed(editor: Editor, uri: str, marked: str, new: str) -> dict[str, str]:
    wanted = types.RenameParams(new_name=new, **editor.place(uri, marked))
    found = await editor.within(editor.text_document_rename_async(wanted))
    assert found is not None
    return {
        each: applied(
            editor.texts.get(each, OTHER), [edit for edit in edits if isinstance(edit, types.TextEdit)]
        )
        for each, edits in (found.changes or {}).items()
    }


def files(folder: Path) -> None:
    (folder / "layers.net").write_text(OTHER, encoding="utf-8")
    (folder / "net.net").write_text(FILE, encoding="utf-8")


def test_every_kind_of_name_is_renamed_where_it_is_meant(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        told = await editor.codes(uri)
        assert not any(each.startswith("E") for each in told)
        for marked, new, marks in CASES:
            name = marked.split(" ")[0].split("(")[0].split("]")[0].strip(" :\n")
            found = await renamed(editor, uri, marked, new)
            assert found == {uri: expected(name, new, marks)}, marked
            editor.change(uri, found[uri])
            assert await editor.codes(uri) == told, marked
            editor.change(uri, FILE)

    session(tmp_path, play)


def test_a_name_is_renamed_in_the_files_that_import_it(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        other = uri_of(tmp_path / "layers.net")
        found = await renamed(editor, uri, "block(by", "times")
        assert set(found) == {uri, other}
        assert found[uri] == FILE.replace("m.block", "m.times")
        assert found[other] == OTHER.replace("layer block", "layer times")
        assert await renamed(editor, uri, "by=3", "factor") == {
            uri: FILE.replace("by=3", "factor=3"),
            other: OTHER.replace("by = 2", "factor = 2").replace("* by", "* factor"),
        }

    async def from_the_other_side(editor: Editor) -> None:
        other = editor.open(tmp_path / "layers.net")
        uri = uri_of(tmp_path / "net.net")
        editor.texts[uri] = FILE  # not open: it is read from disk
        found = await renamed(editor, other, "block(x", "times")
        assert found[uri] == FILE.replace("m.block", "m.times")

    session(tmp_path, play)
    session(tmp_path, from_the_other_side)


REFUSED = [
    ("dense(width)\n", "linear", "belongs to the library"),
    ("tanh)", "th", "word of the language"),
    ("h = x", "top", "bound twice"),
    ("h = x", "2h", "is no name"),
    ("h = x", "a b", "is no name"),
    ("h = x", "if", "word of the language"),
    ("rate = 0.01", "moons", "declared twice"),
    ("rate = 0.01", "exp", "function of the language"),
    ("width = 8", "z", "twice"),
    ("h = x", "dense", "dense"),
    ("rate = 0.01", "adam", "adam"),
    ("first = top", "second", "given twice"),
    ("99%", "one", "no name here"),
]


def test_what_would_change_the_meaning_is_refused_with_a_reason(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        for marked, new, reason in REFUSED:
            with pytest.raises(JsonRpcException, match=reason):
                await renamed(editor, uri, marked, new)

    session(tmp_path, play)


def test_whether_a_name_can_be_changed_is_told_beforehand(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        wanted = types.PrepareRenameParams(**editor.place(uri, "stem ->"))
        found = await editor.within(editor.text_document_prepare_rename_async(wanted))
        assert isinstance(found, types.PrepareRenamePlaceholder)
        assert (found.placeholder, found.range.start) == ("stem", editor.at(uri, "stem ->"))
        wanted = types.PrepareRenameParams(**editor.place(uri, "dense(width)"))
        with pytest.raises(JsonRpcException, match="belongs to the library"):
            await editor.within(editor.text_document_prepare_rename_async(wanted))

    session(tmp_path, play)

"""What is told of a file while it is written, by a client that speaks the protocol with a process."""

import re
from pathlib import Path

import pytest
from lsprotocol import types

from netdsl.lsp.positions import Lines
from tests.lsp.client import Editor, applied, position, session

ROOT = Path(__file__).resolve().parents[2]
MODEL = """# A model
data moons {
    source = moons(n=200, noise=0.1)
}

model net(x: [2]) {
    h = x -> dense(8) -> tanh
    return h -> dense(2) -> softmax
}

train {
    loss      = cross_entropy
    optimizer = adam(0.01)
    epochs    = 3
}
"""


def test_mistakes_come_and_go_as_the_text_changes(tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(MODEL, encoding="utf-8")

    async def play(editor: Editor) -> None:
        uri = editor.open(path)
        assert await editor.codes(uri) == []
        editor.change(uri, MODEL.replace("tanh", "tahn"))
        (found,) = await editor.diagnostics(uri)
        assert (found.code, found.source) == ("E0101", "netdsl")
        assert found.severity == types.DiagnosticSeverity.Error
        assert found.range.start == editor.at(uri, "tahn")
        assert "did you mean `tanh`?" in found.message
        editor.change(uri, MODEL.replace("tanh", "tahn").replace("= cross_entropy", "= = mse"))
        assert sorted(await editor.codes(uri)) == ["E0019", "E0101"]  # also what another line's syntax hides
        editor.change(uri, MODEL)
        assert await editor.codes(uri) == []

    session(tmp_path, play)


def test_only_the_newest_of_many_changes_is_told(tmp_path: Path) -> None:
    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", MODEL)
        for end in range(40, len(MODEL), 7):
            editor.change(uri, MODEL[:end])
        editor.change(uri, MODEL.replace("dense(8)", "dense(0)"))
        assert await editor.codes(uri) == ["E0206"]

    session(tmp_path, play)


def test_a_warning_is_one_and_what_is_unused_is_marked(tmp_path: Path) -> None:
    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", "param lr = 0.1\n" + MODEL)
        (found,) = await editor.diagnostics(uri)
        assert (found.code, found.severity) == ("W0101", types.DiagnosticSeverity.Warning)
        assert found.tags == (types.DiagnosticTag.Unnecessary,) or found.tags == [
            types.DiagnosticTag.Unnecessary
        ]

    session(tmp_path, play)


def test_a_shape_that_does_not_fit_points_to_where_it_came_from(tmp_path: Path) -> None:
    text = MODEL.replace("dense(2) -> softmax", "dense(3) -> softmax")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        (found,) = await editor.diagnostics(uri)
        related = found.related_information or ()
        assert related
        assert all(each.location.uri == uri for each in related)
        assert any(each.location.range.start == editor.at(uri, "dense(3)") for each in related)

    session(tmp_path, play)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-32"])
def test_places_are_counted_in_the_units_of_the_editor(tmp_path: Path, encoding: str) -> None:
    text = MODEL.replace("tanh", "tahn").replace("h = x", "𝒉 = x").replace("return h", "return 𝒉")
    text = text.replace("    𝒉 = x -> dense(8) ->", "    𝒉 = x -> dense(8) as 𝒉𝒉 ->")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        (found,) = await editor.diagnostics(uri)
        start = text.index("tahn")
        lines = Lines(text, encoding)
        assert found.range == lines.range(start, start + 4)
        if encoding == "utf-16":
            assert found.range.start == position(text, start)

    session(tmp_path, play, encodings=[encoding])


def test_a_fix_is_offered_and_mends_the_mistake(tmp_path: Path) -> None:
    text = MODEL.replace("tanh", "tahn").replace("epochs   ", "epcohs   ")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        assert sorted(await editor.codes(uri)) == ["E0101", "E0602"]
        whole = types.Range(types.Position(0, 0), types.Position(99, 0))
        found = await editor.within(
            editor.text_document_code_action_async(
                types.CodeActionParams(types.TextDocumentIdentifier(uri), whole, types.CodeActionContext([]))
            )
        )
        actions = [each for each in found or () if isinstance(each, types.CodeAction)]
        assert [each.title for each in actions] == [
            "Replace `tahn` by `tanh`",
            "Replace `epcohs` by `epochs`",
        ]
        edits = [edit for each in actions if each.edit for edit in (each.edit.changes or {})[uri]]
        editor.change(uri, applied(text, edits))
        assert await editor.codes(uri) == []

    session(tmp_path, play)


def test_a_warning_can_be_allowed_where_it_stands(tmp_path: Path) -> None:
    text = "param lr = 0.1  # the rate\n" + MODEL.replace("tanh", "dropout(95%)")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        assert sorted(await editor.codes(uri)) == ["W0101", "W0202"]
        whole = types.Range(types.Position(0, 0), types.Position(99, 0))
        found = await editor.within(
            editor.text_document_code_action_async(
                types.CodeActionParams(types.TextDocumentIdentifier(uri), whole, types.CodeActionContext([]))
            )
        )
        actions = [each for each in found or () if isinstance(each, types.CodeAction)]
        assert [each.title for each in actions] == ["Allow W0101 here", "Allow W0202 here"]
        edits = [edit for each in actions if each.edit for edit in (each.edit.changes or {})[uri]]
        editor.change(uri, applied(text, edits))
        assert await editor.codes(uri) == []

    session(tmp_path, play)


def test_data_that_is_not_there_hinders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    mnist = "mnist()\n    balance = oversample(1.0)"  # needs the labels, not only what is known of MNIST
    text = MODEL.replace("moons(n=200, noise=0.1)", mnist).replace("tanh", "tahn")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        found = {str(each.code): each for each in await editor.diagnostics(uri)}
        assert set(found) == {"E0525", "E0101"}
        assert found["E0525"].severity == types.DiagnosticSeverity.Information
        editor.change(uri, text.replace(mnist, 'csv("none.csv", target=y)').replace("tahn", "tanh"))
        assert await editor.codes(uri) == ["E0523"]

    session(tmp_path, play)


def test_data_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    text = MODEL.replace("moons(n=200, noise=0.1)", 'csv("t.csv", target=y)').replace("cross_entropy", "mse")
    text = text.replace("dense(2) -> softmax", "dense(1)").replace("model net(x: [2])", "model net(x: [1])")
    table = tmp_path / "t.csv"
    table.write_text("a,y\n1,2\n2,4\n3,6\n", encoding="utf-8")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        assert await editor.codes(uri) == []
        table.write_text("a,b,y\n1,1,2\n2,2,4\n3,3,6\n", encoding="utf-8")
        editor.change(uri, text + "\n")
        (code,) = await editor.codes(uri)
        assert code == "E0508"

    session(tmp_path, play)


def test_mistakes_in_an_import_are_told_at_the_import(tmp_path: Path) -> None:
    other = tmp_path / "layers.net"
    other.write_text("layer twice(x) = x * 2\n", encoding="utf-8")
    text = 'import "layers.net"\n' + MODEL.replace("tanh", "twice")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        assert await editor.codes(uri) == []
        second = editor.open(other, "layer twice(x) = x * * 2\n")
        assert await editor.codes(second) == ["E0019"]
        editor.change(uri, text + "\n")  # the text of the other one counts, not what is on disk
        (found,) = await editor.diagnostics(uri)
        assert found.range.start == editor.at(uri, '"layers.net"')
        assert found.message.startswith("layers.net:1:")
        assert [each.location.uri for each in found.related_information or ()][:1] == [second]
        editor.change(second, "layer twice(x) = x * 3\n")
        editor.change(uri, text)
        assert await editor.codes(uri) == []

    session(tmp_path, play)


def test_a_file_to_be_imported_need_not_train(tmp_path: Path) -> None:
    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "layers.net", "layer twice(x) = x * 2\n")
        assert await editor.codes(uri) == []
        editor.change(uri, "layer twice(x) = y * 2\n")
        assert await editor.codes(uri) == ["E0101"]

    session(tmp_path, play)


def test_every_training_of_a_file_is_looked_at(tmp_path: Path) -> None:
    head, _, tail = MODEL.partition("train {")
    text = f"{head}train one {{{tail}\ntrain two {{{tail.replace('adam', 'adm')}"

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", text)
        (found,) = await editor.diagnostics(uri)
        assert found.code == "E0101"
        assert found.range.start == editor.at(uri, "adm(")

    session(tmp_path, play)


def test_what_is_told_is_what_the_command_tells(tmp_path: Path) -> None:
    folder = ROOT / "tests" / "cases" / "errors"
    names = ["a_mistake_each", "chains", "arguments", "frozen", "share", "ten_mistakes"]

    async def play(editor: Editor) -> None:
        for name in names:
            uri = editor.open(folder / f"{name}.net")
            golden = (folder / f"{name}.txt").read_text(encoding="utf-8")
            told = re.findall(r"^(?:error|warning)\[(\w+)\]", golden, re.MULTILINE)
            assert sorted(await editor.codes(uri)) == sorted(told), name

    session(tmp_path, play)

"""What an editor asks about names and shapes: hover, definitions, references, hints, outline, layout."""

from pathlib import Path

from lsprotocol import types

from netdsl.diagnostics import Source
from netdsl.lsp.tokens import LEGEND
from netdsl.resources import resource
from netdsl.syntax import format_file, parse
from tests.lsp.client import Editor, applied, position, session, uri_of

OTHER = """# Twice its input.
layer twice(x) = x * 2
"""
FILE = """import "layers.net" as m

# How fast it learns.
param rate = 0.01 in 1e-4 .. 1 log

data moons {
    source = moons(n=200)
}

# A dense layer and an activation.
layer block(x: [n]; width = 8 in 1 .. 1k, act = tanh) {
    inside = x -> dense(width)
    return inside -> act -> m.twice
}

model net(x: [2]) {
    λ = x -> block(16) as stem -> repeat n in [8, 4] { dense(n) -> relu }
    y = 2 * λ
    return y -> dense(2) -> softmax
}

train {
    loss      = cross_entropy + 0.01 * l2(weights(stem))
    optimizer = adam(lr=(stem=0.1 * rate, rest=rate))
    epochs    = 3
    freeze    = [dense_3]
    metrics   = [accuracy]
    stop      = [target(train.accuracy, 99%)]
}
"""


def files(folder: Path) -> None:
    (folder / "layers.net").write_text(OTHER, encoding="utf-8")
    (folder / "net.net").write_text(FILE, encoding="utf-8")


async def hovered(editor: Editor, uri: str, marked: str, offset: int = 0) -> str:
    wanted = types.HoverParams(**editor.place(uri, marked, offset))
    found = await editor.within(editor.text_document_hover_async(wanted))
    if found is None:
        return ""
    assert isinstance(found.contents, types.MarkupContent)
    return found.contents.value


def test_hover_tells_shapes_parameters_formula_and_comment(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        assert await editor.codes(uri) == []
        block = await hovered(editor, uri, "block(16)")
        assert "`[2]` → `[16]`" in block
        assert "`net/stem`: 48 parameters, 192 bytes" in block
        assert "inside = x -> dense(width)" in block
        assert "A dense layer and an activation." in block
        dense = await hovered(editor, uri, "dense(n)")
        assert "`[16]` → `[8] | [4]`" in dense
        assert "`net/dense_1`: 136 parameters, 544 bytes (`w` [16, 8], `b` [8])" in dense
        assert "return x @ w + b" in dense
        assert "∂/∂ net/dense_1/w [16, 8] =" in dense
        assert "Rosenblatt 1958" in dense
        assert "frozen" in await hovered(editor, uri, "dense(2)")
        relu = await hovered(editor, uri, "relu }")
        assert "max(x, 0)" in relu
        assert "d relu_1" in relu
        assert "shape `[4]` of one example" in await hovered(editor, uri, "2 * λ", 4)
        assert "shape `[16]`" in await hovered(editor, uri, "inside ->")
        assert "`2`, `4`" not in await hovered(editor, uri, "n in [8")
        assert "`8`, `4`" in await hovered(editor, uri, "n in [8")
        rate = await hovered(editor, uri, "rate, rest")
        assert "is `0.01`" in rate
        assert "How fast it learns." in rate
        width = await hovered(editor, uri, "width)")
        assert "setting of `block`: a whole number, default `8`, range `1 .. 1k`" in width
        assert "lr = 0.001" in await hovered(editor, uri, "lr=(")
        moons = await hovered(editor, uri, "moons {")
        assert "rows: train 200" in moons
        assert "`x` [2], number" in moons
        assert "`label` [], label of 2 classes, the target" in moons
        assert "Twice its input." in await hovered(editor, uri, "m.twice", 3)
        assert "parts of the model that stay as they are" in await hovered(editor, uri, "freeze ")
        assert "target(figure, value)" in await hovered(editor, uri, "target(")
        assert await hovered(editor, uri, "99%") == ""

    session(tmp_path, play)


def test_hover_of_what_is_wrong_tells_what_is_right(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", FILE.replace("y = 2 * λ", "y = 2 * "))
        assert await editor.codes(uri) == ["E0019"]
        assert "`[2]` → `[16]`" in await hovered(editor, uri, "block(16)")

    session(tmp_path, play)


async def defined(editor: Editor, uri: str, marked: str, offset: int = 0) -> list[tuple[str, int, int]]:
    wanted = types.DefinitionParams(**editor.place(uri, marked, offset))
    found = await editor.within(editor.text_document_definition_async(wanted))
    places = found if isinstance(found, (list, tuple)) else []
    return [
        (each.uri, each.range.start.line, each.range.start.character)
        for each in places
        if isinstance(each, types.Location)
    ]


def test_a_name_leads_to_its_declaration(tmp_path: Path) -> None:
    files(tmp_path)
    library = resource("library/layers.net")
    text = library.read_text(encoding="utf-8")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")

        def here(marked: str, offset: int = 0) -> list[tuple[str, int, int]]:
            place = position(FILE, FILE.index(marked) + offset)
            return [(uri, place.line, place.character)]

        at = text.index("dense(x: [n]")
        dense = (uri_of(library), text.count("\n", 0, at), len("layer "))
        other = uri_of(tmp_path / "layers.net")
        assert await defined(editor, uri, "dense(n)") == [dense]
        assert await defined(editor, uri, "block(16)") == here("block(x")
        assert await defined(editor, uri, "m.twice") == here("m\n")
        assert await defined(editor, uri, "m.twice", 3) == [(other, 1, 6)]
        assert await defined(editor, uri, '"layers.net"', 3) == [(other, 0, 0)]
        assert await defined(editor, uri, "2 * λ", 4) == here("λ =")
        assert await defined(editor, uri, "weights(stem)", 9) == here("stem ->")
        assert await defined(editor, uri, "stem=0.1") == here("stem ->")
        assert await defined(editor, uri, "rate, rest") == here("rate = 0.01")
        assert await defined(editor, uri, "width)") == here("width = 8")
        (accuracy,) = await defined(editor, uri, "train.accuracy", 8)
        assert accuracy[0] == uri_of(resource("library/metrics.net"))
        assert await defined(editor, uri, "99%") == []

    session(tmp_path, play)


def test_the_uses_of_a_name_are_found(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")

        async def places(marked: str, declaration: bool) -> list[types.Position]:
            context = types.ReferenceContext(include_declaration=declaration)
            wanted = types.ReferenceParams(context=context, **editor.place(uri, marked))
            found = await editor.within(editor.text_document_references_async(wanted))
            return [each.range.start for each in found or () if each.uri == uri]

        stem = [editor.at(uri, each) for each in ("stem ->", "stem))", "stem=0.1")]
        assert await places("stem ->", True) == stem
        assert await places("stem ->", False) == stem[1:]
        assert len(await places("dense(n)", False)) == 3
        wanted = types.DocumentHighlightParams(**editor.place(uri, "λ ="))
        found = await editor.within(editor.text_document_document_highlight_async(wanted))
        assert [each.range.start for each in found or ()] == [editor.at(uri, "λ ="), editor.at(uri, "λ\n")]

    session(tmp_path, play)


def test_shapes_stand_behind_the_stages_of_chains(tmp_path: Path) -> None:
    files(tmp_path)

    async def hints(editor: Editor, uri: str) -> list[str]:
        whole = types.Range(types.Position(0, 0), types.Position(99, 0))
        wanted = types.InlayHintParams(types.TextDocumentIdentifier(uri), whole)
        found = await editor.within(editor.text_document_inlay_hint_async(wanted))
        edits = [
            types.TextEdit(types.Range(each.position, each.position), f"‹{each.label}›")
            for each in found or ()
        ]
        return [line.strip() for line in applied(editor.texts[uri], edits).split("\n") if "‹" in line]

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        assert await hints(editor, uri) == [
            "inside = x‹[2]› -> dense(width)‹[16]›",
            "return inside‹[16]› -> act‹[16]› -> m.twice‹[16]›",
            "λ = x‹[2]› -> block(16) as stem‹[16]› -> "
            "repeat n in [8, 4] { dense(n)‹[8] | [4]› -> relu‹[8] | [4]› }",
            "y‹[4]› = 2 * λ",
            "return y‹[4]› -> dense(2)‹[2]› -> softmax‹[2]›",
        ]
        editor.change(uri, FILE.replace("dense(2) ->", "dense(2) -> ("))
        assert len(await hints(editor, uri)) == 4  # all but the line that is wrong

    session(tmp_path, play)


def test_the_outline_and_what_can_be_folded(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        document = types.TextDocumentIdentifier(uri)
        found = await editor.within(
            editor.text_document_document_symbol_async(types.DocumentSymbolParams(document))
        )
        outline = [each for each in found or () if isinstance(each, types.DocumentSymbol)]
        assert [each.name for each in outline] == ["layers.net", "rate", "moons", "block", "net", "train"]
        assert [each.name for each in outline[4].children or ()] == ["λ", "y"]
        assert [each.name for each in outline[5].children or ()][:2] == ["loss", "optimizer"]
        folds = await editor.within(
            editor.text_document_folding_range_async(types.FoldingRangeParams(document))
        )
        lines = FILE.split("\n")
        assert [lines[each.start_line].split(" ")[0] for each in folds or ()] == [
            "data",
            "layer",
            "model",
            "train",
        ]

    session(tmp_path, play)


def test_layout_is_that_of_the_command(tmp_path: Path) -> None:
    files(tmp_path)
    ragged = FILE.replace("    ", "  ").replace(" = ", "=").replace("# A dense", "#    😀 A dense") + "\n\n"

    async def formatted(editor: Editor, uri: str) -> list[types.TextEdit] | None:
        wanted = types.DocumentFormattingParams(
            types.TextDocumentIdentifier(uri), types.FormattingOptions(4, True)
        )
        found = await editor.within(editor.text_document_formatting_async(wanted))
        return None if found is None else list(found)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", ragged)
        edits = await formatted(editor, uri)
        assert edits
        laid_out = format_file(parse(Source("net.net", ragged)))
        assert applied(ragged, edits) == laid_out
        editor.change(uri, laid_out)
        assert await formatted(editor, uri) == []
        editor.change(uri, ragged.replace("softmax", "softmax ->"))
        assert await formatted(editor, uri) is None

    session(tmp_path, play)


def test_names_have_the_colors_of_what_they_are(tmp_path: Path) -> None:
    files(tmp_path)

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net")
        wanted = types.SemanticTokensParams(types.TextDocumentIdentifier(uri))
        found = await editor.within(editor.text_document_semantic_tokens_full_async(wanted))
        assert found is not None
        kinds = dict(decoded(FILE, list(found.data)))
        assert kinds["λ"] == "variable"
        assert kinds["dense"] == "function"
        assert kinds["net"] == "class"
        assert kinds["stem"] == "property"
        assert kinds["width"] == "parameter"
        assert kinds["loss"] == "property"
        assert kinds["m"] == "namespace"

    session(tmp_path, play)


def decoded(text: str, data: list[int]) -> list[tuple[str, str]]:
    line = column = 0
    found = []
    for delta, start, length, kind, _ in zip(*[iter(data)] * 5, strict=True):
        line, column = line + delta, (start if delta else column + start)
        row = text.split("\n")[line].encode("utf-16-le")[2 * column : 2 * (column + length)]
        found.append((row.decode("utf-16-le"), LEGEND.token_types[kind]))
    return found


def test_of_a_file_that_is_not_open_nothing_is_known(tmp_path: Path) -> None:
    async def play(editor: Editor) -> None:
        document = types.TextDocumentIdentifier(uri_of(tmp_path / "none.net"))
        place = types.Position(0, 0)
        assert (
            await editor.within(editor.text_document_hover_async(types.HoverParams(document, place))) is None
        )
        found = await editor.within(
            editor.text_document_completion_async(types.CompletionParams(document, place))
        )
        assert found is None

    session(tmp_path, play)

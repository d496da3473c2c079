"""A server that answers whatever is typed: every prefix of files, texts with mistakes, hostile texts."""

import asyncio
import random
import time
from pathlib import Path
from threading import Event

import pytest
from lsprotocol import types

from netdsl.lsp.analysis import Request, analyze
from netdsl.lsp.completion import completions
from netdsl.lsp.hints import shapes
from netdsl.lsp.hover import hover
from netdsl.lsp.reporting import published
from netdsl.lsp.schemas import Schemas
from netdsl.lsp.sightings import SupersededError
from netdsl.lsp.tokens import semantic_tokens
from tests.lsp.client import Editor, position, session

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["digits_mlp", "own_kinds", "adult", "saddle"]
SECONDS = 20
"""Far more than a second, which an answer takes at most on a machine with nothing else to do."""


def look(path: Path, text: str, schemas: Schemas, offset: int) -> None:
    """Ask everything about a place of a text, as the server does, without the protocol."""
    analysis = analyze(Request(path, text), schemas, lambda: None, lambda: False)
    published(analysis, "file:///x.net", "utf-16")
    list(shapes(analysis))
    semantic_tokens(analysis, None, "utf-16")
    completions(analysis, text, offset)
    wanted = types.HoverParams(types.TextDocumentIdentifier("file:///x.net"), position(text, offset))
    hover(analysis, wanted, "utf-16")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_no_prefix_of_a_model_fails(name: str) -> None:
    path = ROOT / "models" / f"{name}.net"
    text = path.read_text(encoding="utf-8")
    schemas = Schemas()
    for end in range(0, len(text) + 1, max(1, len(text) // 150)):
        look(path, text[:end], schemas, end)
    schemas.close()


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_no_model_with_a_piece_cut_out_fails(name: str) -> None:
    path = ROOT / "models" / f"{name}.net"
    text = path.read_text(encoding="utf-8")
    draws = random.Random(name)
    schemas = Schemas()
    for _ in range(60):
        start = draws.randrange(len(text))
        cut = text[:start] + text[start + draws.randrange(1, 12) :]
        look(path, cut, schemas, min(start, len(cut)))
    schemas.close()


@pytest.mark.slow
def test_the_server_keeps_up_with_typing(tmp_path: Path) -> None:
    text = (ROOT / "models" / "digits_mlp.net").read_text(encoding="utf-8")

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", "")
        for end in range(1, len(text) + 1, 9):
            editor.change(uri, text[:end])
            place = types.CompletionParams(types.TextDocumentIdentifier(uri), position(text, end))
            started = time.monotonic()
            await editor.within(editor.text_document_completion_async(place))
            assert time.monotonic() - started < SECONDS
        editor.change(uri, text)
        assert await editor.codes(uri) == []

    session(tmp_path, play)


HOSTILE = {
    "a_billion_repeats": "model m(x: [2]) = x -> repeat 1000000000 { dense(2) }\n",
    "many_layers": "model m(x: [2]) = x -> repeat 5000 { dense(2) -> tanh }\n",
    "deep_brackets": "param a = " + "(" * 5000 + "1" + ")" * 5000 + "\n",
    "large_sizes": "model m(x: [2]) = x -> dense(1000000) -> dense(1000000) -> dense(1000000)\n",
    "much_text": "# " + "x" * 2_000_000 + "\n",
    "many_lines": "param a = 1\n" * 20_000,
    "controls": "model m(x: [2]) = x\u202e\x00\x1b -> dense(\ud800)\n".replace("\ud800", "\ufffd"),
    "a_long_line": "param a = " + " + ".join(["1"] * 30_000) + "\n",
}
TRAIN = """data d {
    source = moons()
}

train {
    loss      = mse
    optimizer = sgd(0.1)
    epochs    = 1
}
"""


@pytest.mark.slow
def test_hostile_texts_are_told_and_do_not_keep_the_next_one_waiting(tmp_path: Path) -> None:
    async def play(editor: Editor) -> None:
        for name, text in HOSTILE.items():
            uri = editor.open(tmp_path / f"{name}.net", text + TRAIN)
            assert name == "many_layers" or await editor.codes(uri), name
            editor.change(uri, TRAIN)
            assert await editor.codes(uri) == ["E0603"], name

    session(tmp_path, play)


def test_what_is_superseded_ends_soon() -> None:
    text = HOSTILE["many_layers"] + TRAIN
    asked = 0

    def superseded() -> bool:
        nonlocal asked
        asked += 1
        return asked > 100

    with pytest.raises(SupersededError):
        analyze(Request(Path("x.net"), text), Schemas(), lambda: None, superseded)
    assert asked == 101


def test_a_server_whose_editor_is_gone_ends(tmp_path: Path) -> None:
    async def play() -> None:
        editor = Editor()
        await editor.start(tmp_path)
        editor.open(tmp_path / "net.net", TRAIN)
        server = editor._server
        assert server is not None
        assert server.stdin is not None
        server.stdin.close()
        assert await asyncio.wait_for(server.wait(), 60) == 1
        await editor.stop()

    asyncio.run(play())


def test_data_that_takes_long_is_told_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first answer does not wait for it, and `ready` is called when there is a better one."""
    import netdsl.data

    real = netdsl.data.open_data

    def slow(*arguments: object, **named: object) -> object:
        time.sleep(1)
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(netdsl.data, "open_data", slow)
    path = ROOT / "models" / "digits_mlp.net"
    request = Request(path, path.read_text(encoding="utf-8"))
    schemas = Schemas()
    told = Event()
    first = analyze(request, schemas, told.set, lambda: False)
    assert first.pending
    assert not first.schemas
    assert told.wait(60)
    second = analyze(request, schemas, lambda: None, lambda: False)
    assert not second.pending
    assert second.schemas
    schemas.close()


def test_a_bug_is_told_and_the_server_goes_on(tmp_path: Path) -> None:
    broken = (
        "import netdsl.lsp.documents as d; real = d.analyze\n"
        "def analyze(request, *rest):\n"
        "    if 'broken' in request.text: raise KeyError('lost')\n"
        "    return real(request, *rest)\n"
        "d.analyze = analyze\n"
        "from netdsl.cli.main import entry; entry()"
    )

    async def play(editor: Editor) -> None:
        uri = editor.open(tmp_path / "net.net", "# broken\n")
        (found,) = await editor.diagnostics(uri)
        assert found.code == "E9999"
        assert "KeyError" in found.message
        editor.change(uri, TRAIN)
        assert await editor.codes(uri) == ["E0603"]

    session(tmp_path, play, program=broken)

"""An editor as the tests have it: it starts `netdsl lsp` as a process and speaks the protocol with it."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.uris import from_fs_path

T = TypeVar("T")
PROGRAM = "from netdsl.cli.main import entry; entry()"
SECONDS = 60.0
"""How long anything may take before a test fails; far more than it does."""


class Editor(LanguageClient):
    """Opens files, changes them, asks, and keeps what the server tells of them."""

    def __init__(self) -> None:
        super().__init__("netdsl-tests", "1")
        self.told: dict[str, types.PublishDiagnosticsParams] = {}
        self.shown: list[str] = []
        self.news = asyncio.Event()
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def take(params: types.PublishDiagnosticsParams) -> None:
            self.told[params.uri] = params
            self.news.set()

        @self.feature(types.WINDOW_SHOW_MESSAGE)
        def show(params: types.ShowMessageParams) -> None:
            self.shown.append(params.message)

    async def start(
        self, folder: Path, encodings: list[str] | None = None, program: str = PROGRAM
    ) -> types.InitializeResult:
        """Start the server and shake hands."""
        environment = {**os.environ, "NETDSL_OFFLINE": "1"}
        await self.start_io(sys.executable, "-c", program, "lsp", cwd=str(folder), env=environment)
        general = types.GeneralClientCapabilities(position_encodings=encodings)
        found = await self.within(
            self.initialize_async(
                types.InitializeParams(
                    capabilities=types.ClientCapabilities(general=general), root_uri=uri_of(folder)
                )
            )
        )
        self.initialized(types.InitializedParams())
        return found

    async def within(self, waited: Awaitable[T]) -> T:
        """Wait for an answer, but not for ever."""
        return await asyncio.wait_for(waited, SECONDS)

    def open(self, path: Path, text: str | None = None) -> str:
        """Open a file, as it is on disk or with another text; return its address."""
        uri = uri_of(path)
        self.versions[uri] = 1
        self.texts[uri] = path.read_text(encoding="utf-8") if text is None else text
        item = types.TextDocumentItem(uri, "net", 1, self.texts[uri])
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return uri

    def change(self, uri: str, text: str) -> None:
        """Change the text of an open file."""
        self.versions[uri] += 1
        self.texts[uri] = text
        document = types.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))

    async def diagnostics(self, uri: str) -> list[types.Diagnostic]:
        """Wait for what is told of the text as it is now."""

        async def wait() -> list[types.Diagnostic]:
            while uri not in self.told or self.told[uri].version != self.versions[uri]:
                self.news.clear()
                await self.news.wait()
            return list(self.told[uri].diagnostics)

        return await self.within(wait())

    async def codes(self, uri: str) -> list[str]:
        """Wait for the codes of what is told of the text as it is now."""
        return [str(each.code) for each in await self.diagnostics(uri)]

    def at(self, uri: str, marked: str, offset: int = 0) -> types.Position:
        """Return the position where a part of the text begins, in UTF-16 units."""
        text = self.texts[uri]
        assert marked in text, f"{marked!r} is not in the text"
        return position(text, text.index(marked) + offset)

    def place(self, uri: str, marked: str, offset: int = 0) -> dict[str, Any]:
        """Return the arguments of a request about a place."""
        return {
            "text_document": types.TextDocumentIdentifier(uri),
            "position": self.at(uri, marked, offset),
        }

    async def end(self) -> int | None:
        """Shut the server down and return the exit code of its process."""
        await self.within(self.shutdown_async(None))
        self.exit(None)
        assert self._server is not None
        await self.within(self._server.wait())
        await self.within(self.stop())
        return self._server.returncode


def uri_of(path: Path) -> str:
    """Return the address of a file."""
    found = from_fs_path(str(path))
    assert found is not None
    return str(found)


def position(text: str, offset: int) -> types.Position:
    """Return a position in UTF-16 units, counted another way than the server does."""
    before = text[:offset]
    line = before.count("\n")
    return types.Position(line, len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)


def applied(text: str, edits: list[types.TextEdit]) -> str:
    """Return a text after edits, whose places are in UTF-16 units."""
    starts = [0]
    for row in text.split("\n"):
        starts.append(starts[-1] + len(row) + 1)

    def offset(place: types.Position) -> int:
        row = text.split("\n")[place.line]
        return starts[place.line] + len(row.encode("utf-16-le")[: 2 * place.character].decode("utf-16-le"))

    spans = sorted((offset(each.range.start), offset(each.range.end), each.new_text) for each in edits)
    for start, end, new in reversed(spans):
        text = text[:start] + new + text[end:]
    return text


def session(folder: Path, play: Callable[[Editor], Awaitable[None]], **start: Any) -> None:
    """Run what an editor does, from the start of the server to its end."""

    async def run() -> None:
        editor = Editor()
        await editor.start(folder, **start)
        await play(editor)
        assert await editor.end() == 0
        assert editor.shown == []

    asyncio.run(run())

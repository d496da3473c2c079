"""The language server: which request of an editor is answered by what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from lsprotocol import types
from pygls.lsp.server import LanguageServer

import netdsl
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.completion import completions
from netdsl.lsp.documents import Document, Documents
from netdsl.lsp.formatting import formatted
from netdsl.lsp.hints import inlay_hints
from netdsl.lsp.hover import hover
from netdsl.lsp.navigation import definition, foldings, highlights, outline, references
from netdsl.lsp.positions import Lines
from netdsl.lsp.rename import prepared, renamed
from netdsl.lsp.reporting import actions, published
from netdsl.lsp.tokens import LEGEND, semantic_tokens

_log = logging.getLogger(__name__)
TRIGGERS: Final = '.(=;"'
"""Characters after which an editor asks for completions by itself, besides letters."""


class Server(LanguageServer):
    """Answers an editor about `.net` files."""

    def __init__(self, data_dir: Path | None = None, allowed: tuple[Path, ...] = ()) -> None:
        # The whole text comes with every change: a `.net` file is small, and nothing can get out of step.
        super().__init__("netdsl", netdsl.__version__, types.TextDocumentSyncKind.Full)
        self.documents = Documents(self.tell, self.broken, data_dir=data_dir, allowed=allowed)
        self.ended = False
        """Whether the editor asked for the end, as the protocol wants it."""

    @property
    def encoding(self) -> str:
        """Return the units that the editor counts columns in."""
        encoding = self.workspace.position_encoding
        return types.PositionEncodingKind(encoding or types.PositionEncodingKind.Utf16).value

    async def tell(self, document: Document, analysis: Analysis) -> None:
        """Send what is told of a file."""
        found = published(analysis, document.uri, self.encoding)
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, found, document.version)
        )
        hints = self.client_capabilities.workspace and self.client_capabilities.workspace.inlay_hint
        if document.unasked and hints and hints.refresh_support:
            await self.workspace_inlay_hint_refresh_async(None)

    def broken(self, document: Document, error: Exception) -> None:
        """Tell that a text could not be looked at by a mistake of ours; the log has where it comes from."""
        _log.error("%s could not be looked at", document.uri, exc_info=error)
        message = f"the language server failed on this text by a mistake of its own: {error!r}"
        place = Lines(document.text, self.encoding).line_range(0)
        found = types.Diagnostic(place, message, types.DiagnosticSeverity.Error, "E9999", source="netdsl")
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(document.uri, [found], document.version)
        )


def make_server(data_dir: Path | None = None, allowed: tuple[Path, ...] = ()) -> Server:
    """Return a server with all its features."""
    server = Server(data_dir, allowed)
    _synchronize(server)
    _complete(server)
    _rename(server)
    _answer(server, types.TEXT_DOCUMENT_HOVER, hover)
    _answer(server, types.TEXT_DOCUMENT_DEFINITION, definition)
    _answer(server, types.TEXT_DOCUMENT_REFERENCES, references)
    _answer(server, types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, highlights)
    _answer(server, types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, outline)
    _answer(server, types.TEXT_DOCUMENT_FOLDING_RANGE, foldings)
    _answer(server, types.TEXT_DOCUMENT_FORMATTING, formatted)
    _answer(server, types.TEXT_DOCUMENT_INLAY_HINT, inlay_hints)
    _answer(
        server,
        types.TEXT_DOCUMENT_CODE_ACTION,
        actions,
        types.CodeActionOptions([types.CodeActionKind.QuickFix]),
    )
    _answer(
        server,
        types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
        semantic_tokens,
        LEGEND,
    )
    return server


def _synchronize(server: Server) -> None:
    documents = server.documents

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(wanted: types.DidOpenTextDocumentParams) -> None:
        each = wanted.text_document
        documents.opened(each.uri, each.text, each.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(wanted: types.DidChangeTextDocumentParams) -> None:
        text = server.workspace.get_text_document(wanted.text_document.uri).source
        documents.changed(wanted.text_document.uri, text, wanted.text_document.version)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(wanted: types.DidCloseTextDocumentParams) -> None:
        uri = wanted.text_document.uri
        documents.closed(uri)
        server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    async def touched(_: types.DidChangeWatchedFilesParams) -> None:
        documents.touched()

    @server.feature(types.SHUTDOWN)
    async def ended(_: None) -> None:
        documents.close()
        server.ended = True


def _answer(server: Server, method: str, answer: Callable[..., Any], options: Any = None) -> None:
    """Answer a request from what is known of the text as it is now."""

    @server.feature(method, options)
    async def handle(wanted: Any) -> Any:
        analysis = await server.documents.current(wanted.text_document.uri)
        return None if analysis is None else answer(analysis, wanted, server.encoding)


def _complete(server: Server) -> None:
    @server.feature(
        types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=list(TRIGGERS))
    )
    async def complete(wanted: types.CompletionParams) -> types.CompletionList | None:
        """Answer from what was known last: a text is rarely whole while it is being typed."""
        uri = wanted.text_document.uri
        analysis = await server.documents.latest(uri)
        document = server.documents.open.get(uri)
        if analysis is None or document is None:
            return None
        offset = Lines(document.text, server.encoding).offset(wanted.position)
        return completions(analysis, document.text, offset)


def _rename(server: Server) -> None:
    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    async def prepare(wanted: types.PrepareRenameParams) -> types.PrepareRenamePlaceholder | None:
        analysis = await server.documents.current(wanted.text_document.uri)
        return None if analysis is None else prepared(analysis, wanted, server.encoding)

    @server.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    async def rename(wanted: types.RenameParams) -> types.WorkspaceEdit | None:
        analysis = await server.documents.current(wanted.text_document.uri)
        if analysis is None:
            return None
        others = await server.documents.importers(analysis.request.path)
        return await renamed(analysis, others, wanted, server.encoding, server.documents.analyze)

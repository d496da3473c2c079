"""The open files of an editor, and what is known of each: worked out beside the editor's requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from pygls.uris import to_fs_path

from netdsl.diagnostics import DiagnosticError
from netdsl.files import read_bytes
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lsp.analysis import Analysis, Request, analyze
from netdsl.lsp.schemas import Schemas
from netdsl.lsp.sightings import SupersededError
from netdsl.run.reading import LIMIT, decoded

DEBOUNCE: Final = 0.15
"""Seconds without a change after which a text is looked at."""

_MOST_BESIDE: Final = 200
"""So many files of a folder are looked at for imports of the one where something is renamed."""

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Document:
    """An open file. `generation` grows with every reason to look again, `known` is the newest analysis."""

    uri: str
    path: Path
    text: str
    version: int | None
    generation: int = 0
    known: Analysis | None = None
    known_of: int = -1
    job: asyncio.Task[Analysis | None] | None = None
    job_of: int = -1
    timer: asyncio.TimerHandle | None = None
    unasked: bool = False
    """Whether it is looked at again though its text is the same: what an editor shows may be stale."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Documents:
    """All open files.

    `publish` is awaited with each new analysis after a pause in the typing, `failed` called with what should
    never happen.
    """

    def __init__(
        self,
        publish: Callable[[Document, Analysis], Awaitable[None]],
        failed: Callable[[Document, Exception], None],
        *,
        data_dir: Path | None = None,
        allowed: tuple[Path, ...] = (),
    ) -> None:
        self._publish = publish
        self._failed = failed
        self._allowed = allowed
        self._schemas = Schemas(data_dir, allowed)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="netdsl-analysis")
        self.open: dict[str, Document] = {}

    def opened(self, uri: str, text: str, version: int | None) -> None:
        """Take a file that was opened."""
        self.open[uri] = document = Document(uri, path_of(uri), text, version)
        self._look_again(document, 0)
        self._importers_look_again(document.path)

    def changed(self, uri: str, text: str, version: int | None) -> None:
        """Take the new text of a file."""
        document = self.open[uri]
        document.text, document.version = text, version
        self._look_again(document)
        self._importers_look_again(document.path)

    def closed(self, uri: str) -> None:
        """Forget a file: what is on disk counts again."""
        document = self.open.pop(uri, None)
        if document is not None:
            document.generation += 1
            if document.timer is not None:
                document.timer.cancel()
            self._importers_look_again(document.path)

    def touched(self) -> None:
        """Look at everything again: something on disk has changed."""
        for each in self.open.values():
            each.unasked = True
            self._look_again(each)

    def close(self) -> None:
        """End all work."""
        for each in list(self.open):
            self.closed(each)
        self._schemas.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def current(self, uri: str) -> Analysis | None:
        """Return what is known of the text as it is now; None where it changed meanwhile."""
        document = self.open.get(uri)
        if document is None:
            return None
        if document.known_of == document.generation:
            return document.known
        if document.job is None or document.job_of != document.generation:
            document.job_of = document.generation
            document.job = asyncio.create_task(self._analyze(document))
        return await asyncio.shield(document.job)

    async def latest(self, uri: str) -> Analysis | None:
        """Return what is known already, of this text or of an earlier one; only the first is waited for."""
        document = self.open.get(uri)
        known = document.known if document else None
        return known if known is not None else await self.current(uri)

    def request(self, path: Path, text: str, changed: Mapping[Path, str] | None = None) -> Request:
        """Return the request for a text, with all open files beside it, and some of them changed."""
        others = {each.path: each.text for each in self.open.values()}
        return Request(path, text, {**others, **(changed or {})}, self._allowed)

    async def analyze(self, path: Path, text: str, changed: Mapping[Path, str] | None = None) -> Analysis:
        """Return what can be told of a text that is not open, or not yet."""
        request = self.request(path, text, changed)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._pool, analyze, request, self._schemas, lambda: None, lambda: False
        )

    async def importers(self, path: Path) -> list[Analysis]:
        """Return what is known of the files beside a file, and of the open ones, that import it."""
        texts = {each.path: each.text for each in self.open.values()}
        for beside in sorted(path.parent.glob("*.net"))[:_MOST_BESIDE]:
            if beside.resolve() not in texts:
                with suppress(DiagnosticError):
                    texts[beside.resolve()] = decoded(beside.name, read_bytes(beside, limit=LIMIT)).text
        found = []
        for each, text in texts.items():
            if each != path and path.name in text:
                analysis = await self.analyze(each, text)
                if path in analysis.paths.values():
                    found.append(analysis)
        return found

    async def _analyze(self, document: Document) -> Analysis | None:
        generation = document.generation
        loop = asyncio.get_running_loop()

        def ready() -> None:
            loop.call_soon_threadsafe(self._data_is_there, document)

        def superseded() -> bool:
            return document.generation != generation

        request = self.request(document.path, document.text)
        try:
            found = await loop.run_in_executor(self._pool, analyze, request, self._schemas, ready, superseded)
        except SupersededError:
            return None
        if superseded():
            return None
        document.known, document.known_of = found, generation
        return found

    def _look_again(self, document: Document, delay: float = DEBOUNCE) -> None:
        document.generation += 1
        if document.timer is not None:
            document.timer.cancel()
        document.timer = asyncio.get_running_loop().call_later(delay, self._start, document)

    def _start(self, document: Document) -> None:
        task = asyncio.create_task(self._told(document))
        document.tasks.add(task)
        task.add_done_callback(document.tasks.discard)

    async def _told(self, document: Document) -> None:
        try:
            analysis = await self.current(document.uri)
        except Exception as error:  # noqa: BLE001 - a bug of ours is told, and the server goes on
            self._failed(document, error)
            return
        if analysis is not None and self.open.get(document.uri) is document:
            await self._publish(document, analysis)
            document.unasked = False

    def _data_is_there(self, document: Document) -> None:
        if self.open.get(document.uri) is document:
            document.unasked = True
            self._look_again(document, 0)

    def _importers_look_again(self, path: Path) -> None:
        for each in self.open.values():
            known = each.known
            if each.path != path and known is not None and path in known.paths.values():
                each.unasked = True
                self._look_again(each)


def path_of(uri: str) -> Path:
    """Return the path of a file; a text that was never saved lies in the working folder."""
    found = to_fs_path(uri)
    return Path(found).resolve() if found and uri.startswith("file:") else Path.cwd() / "untitled.net"

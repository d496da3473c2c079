"""Reads a `.net` file and what it imports, within the folders that it may read."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Source
from netdsl.files import read_bytes

LIMIT: Final = 4 << 20
"""Bytes of a `.net` file; what is longer is none."""


class Reader:
    """Reads files from disk and remembers their texts by name, the main one first.

    A file is named by its path from the folder of the main one; the main one by what the user called it. Its
    text may be given, as an editor has it, and then it need not be on disk.
    """

    def __init__(self, main: Path, allow: Sequence[Path] = (), text: str | None = None) -> None:
        self.texts: dict[str, str] = {}
        self._given = text
        self.folder = main.absolute().parent
        self._main = main
        self._allowed = [each.resolve() for each in (self.folder, *allow)]

    def main(self) -> Source:
        """Read the main file.

        Errors: E0803 to E0805 where it cannot be read, E0840 where it is no text.
        """
        name = str(self._main)
        if self._given is not None:
            source = Source(name, self._given)
        else:
            source = decoded(name, read_bytes(self._main, limit=LIMIT))
        self.texts[self._main.name] = source.text
        return source

    def __call__(self, path: str, importing: str) -> Source:
        """Read what a file imports.

        Errors: those of `main`; E0841 for a file outside of the folders that may be read.
        """
        home = PurePosixPath() if importing == str(self._main) else PurePosixPath(importing).parent
        name = str(home / path)
        found = (self.folder / name).resolve()
        if not any(found.is_relative_to(each) for each in self._allowed):
            raise _outside(path, found.parent)
        source = self.source(_within(found, self.folder.resolve(), name), found)
        self.texts[source.name] = source.text
        return source

    def source(self, name: str, path: Path) -> Source:
        """Read an imported file, which messages call by a name."""
        return decoded(name, read_bytes(path, limit=LIMIT))


class Kept:
    """Reads from texts that a weights file holds, as Reader found them."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)

    def main(self) -> Source:
        """Return the main file."""
        name = next(iter(self.texts))
        return Source(name, self.texts[name])

    def __call__(self, path: str, importing: str) -> Source:
        """Return what a file imports.

        Errors: E0830 where the weights file lacks it.
        """
        home = PurePosixPath() if importing == next(iter(self.texts)) else PurePosixPath(importing).parent
        name = _plain(home / path)
        if name not in self.texts:
            message = f"the weights file holds no `{name}`, which `{importing}` imports"
            raise DiagnosticError([Diagnostic("E0830", message)], Exit.FILES)
        return Source(name, self.texts[name])


def decoded(name: str, content: bytes) -> Source:
    """Return a text from the bytes of a file.

    Errors: E0840 where they are not UTF-8.
    """
    try:
        return Source(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"`{name}` is not UTF-8: line {line} has a byte {content[error.start]:#04x}"
        cure = "a .net file is plain text; save it as UTF-8"
        raise DiagnosticError([Diagnostic("E0840", message, help=cure)]) from error


def _within(path: Path, folder: Path, name: str) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else _plain(PurePosixPath(name))


def _plain(path: PurePosixPath) -> str:
    """Take `a/../` out of a path."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _outside(path: str, folder: Path) -> DiagnosticError:
    message = f"`{path}` lies above the folder of the file that is run"
    cure = f"allow it with --allow-path {folder}"
    return DiagnosticError([Diagnostic("E0841", message, help=cure)])

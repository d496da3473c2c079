"""Where data files are looked for, and where not."""

import os
from pathlib import Path

from netdsl.data.problems import fail
from netdsl.diagnostics import Exit, Span
from netdsl.files import shown
from netdsl.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that a `data` block may read from.

    `folder` is that of the `.net` file, `data_dir` the one for data (`--data-dir`, else NETDSL_DATA_DIR),
    `allowed` what the user allowed besides.
    """

    folder: Path
    data_dir: Path | None = None
    allowed: tuple[Path, ...] = ()

    def roots(self) -> tuple[Path, ...]:
        """Return the folders, in the order in which they are searched."""
        given = (self.folder, *([self.data_dir] if self.data_dir else []), *self.allowed)
        return tuple(dict.fromkeys(given))

    def find(self, name: str, span: Span) -> Path:
        """Return the file or folder that a name in a `.net` file means, links resolved.

        Errors: E0523 when there is none, E0524 when it lies outside of the folders.
        """
        if not name or "\0" in name:
            fail("E0523", f"{name!r} is not a name of a file", span, exit_code=Exit.DATA)
        outside = None
        for root in self.roots():
            found = _resolved(root / name)
            if found is None or not self._holds(found):
                outside = outside or found
            elif _exists(found):
                return found
        if outside is not None:
            self._refuse(name, span)
        searched = tuple(f"not in `{shown(root)}`" for root in self.roots())
        help = "give its folder with --data-dir, or check the name"
        return fail("E0523", f"there is no `{name}`", span, "not found", notes=searched, help=help)

    def search(self, folders: tuple[str, ...]) -> list[Path]:
        """Return those of some folders of the data folder that exist, and itself."""
        base = self.data_dir
        return [base / each for each in folders if (base / each).is_dir()] if base else []

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(_resolved(root) or root) for root in self.roots())

    def _refuse(self, name: str, span: Span) -> None:
        fail(
            "E0524",
            f"`{name}` lies outside of the folders that this file may read from",
            span,
            notes=tuple(f"it may read from `{shown(root)}`" for root in self.roots()),
            help="move it there, or allow its folder with --allow-path DIR",
        )


def data_folder(given: Path | None) -> Path | None:
    """Return the data folder: the one given, else that of NETDSL_DATA_DIR."""
    if given is not None:
        return given
    named = os.environ.get("NETDSL_DATA_DIR")
    return Path(named) if named else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the system takes
        return False


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a ring of links
        return None

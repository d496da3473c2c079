"""Folders of our own: the cache, and a new folder for each run."""

import os
import re
import stat
from pathlib import Path
from typing import Final

from netdsl.files import system
from netdsl.files.failure import fail, shown, told
from netdsl.files.write import make_folders

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")


def cache_folder() -> Path:
    """Return the user's cache folder, made if need be, readable by this user alone.

    It is NETDSL_CACHE_DIR where that is set, else the place the system has for caches. Compiled kernels are
    loaded from it, so a folder that someone else could write to is refused.

    Errors: E0807 for a symbolic link, another owner, or a folder open to others.
    """
    folder = _cache_path()
    make_folders(folder.parent)
    with told("make the folder", folder):
        try:
            system.make_folder(str(folder), 0o700)
        except FileExistsError:
            _check_private(folder)
    return folder


def make_run_folder(parent: Path, name: str | None = None) -> Path:
    """Make a folder for a run that no other run has, and return it.

    Without a name it is the first free one of run-1, run-2, …; two that start at once get two folders.

    Errors: E0808 for a name that cannot be, E0809 when the name is taken.
    """
    make_folders(parent)
    if name is not None:
        check_name(name)
        if not _make(parent / name):
            fail("E0809", f"there is a run `{name}` in `{shown(parent)}`", help="give another name")
        return parent / name
    number = _last_run(parent) + 1
    while not _make(parent / f"run-{number}"):
        number += 1
    return parent / f"run-{number}"


def check_name(name: str) -> None:
    """Refuse a name of a run that is not of letters, digits, `.`, `_`, `-` (1 to 80 of them).

    Errors: E0808.
    """
    if not _NAME.fullmatch(name) or not name.strip("."):
        text = name if len(name) <= 80 else name[:77] + "…"
        fail(
            "E0808",
            f"a run cannot be called {text!r}",
            help="use up to 80 of the letters A to Z, a to z, the digits, `.`, `_` and `-`",
        )


def _cache_path() -> Path:
    if given := os.environ.get("NETDSL_CACHE_DIR"):
        return Path(given).absolute()
    import platformdirs  # only where it is needed: most commands never look into the cache

    return Path(platformdirs.user_cache_dir("netdsl", appauthor=False))


def _check_private(folder: Path) -> None:
    found = system.status(str(folder))
    if stat.S_ISLNK(found.st_mode):
        _refuse(folder, "is a symbolic link")
    if not stat.S_ISDIR(found.st_mode):
        _refuse(folder, "is not a folder")
    if not hasattr(os, "getuid"):  # pragma: no cover - Windows keeps the user's folders private itself
        return
    if found.st_uid != os.getuid():
        _refuse(folder, "belongs to another user")
    if found.st_mode & 0o077:
        _refuse(folder, f"is open to other users (mode {stat.S_IMODE(found.st_mode):04o})")


def _refuse(folder: Path, why: str) -> None:
    fail(
        "E0807",
        f"the cache folder `{shown(folder)}` {why}",
        notes=("compiled kernels are loaded from it, so it must be this user's alone",),
        help=f"`chmod 700 {shown(folder)}`, or set NETDSL_CACHE_DIR to a folder of your own",
    )


def _make(folder: Path) -> bool:
    with told("make the folder", folder):
        try:
            system.make_folder(str(folder))
        except FileExistsError:
            return False
    return True


def _last_run(parent: Path) -> int:
    with told("read", parent):
        taken = [re.fullmatch(r"run-([1-9]\d{0,8})", name) for name in system.names(str(parent))]
    return max((int(found[1]) for found in taken if found), default=0)

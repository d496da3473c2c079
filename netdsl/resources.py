"""What ships with the package: the grammar, the library, the models, the pages of the codes."""

from collections.abc import Iterator
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
# In a wheel `grammars` and `models` lie inside the package, in a checkout beside it.
_ROOTS = (_PACKAGE, _PACKAGE.parent)


def resource(path: str) -> Path:
    """Return where a file or folder of the package lies, given as `library/layers.net`.

    Errors: FileNotFoundError, a bug in the package.
    """
    for root in _ROOTS:
        if (root / path).exists():
            return root / path
    raise FileNotFoundError(f"{path} is missing from the netdsl package at {_PACKAGE}")


def resource_text(path: str) -> str:
    """Return the text of a file of the package."""
    return resource(path).read_text(encoding="utf-8")


def resource_names(folder: str, suffix: str) -> Iterator[str]:
    """Yield the names of a folder's files that end in `suffix`, in order."""
    return iter(sorted(each.name for each in resource(folder).iterdir() if each.name.endswith(suffix)))

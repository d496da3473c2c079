"""`netdsl new`: copies a model that comes with netdsl."""

from argparse import Namespace
from pathlib import Path
from typing import Final

from netdsl.cli.options import Parser, add_format, command_parser
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, suggest
from netdsl.files import make_folders, read_bytes, write_atomic
from netdsl.resources import resource, resource_names, resource_text

SHORT: Final = {
    "digits": "digits_mlp",
    "images": "lenet_digits",
    "mnist": "mnist_mlp_better",
    "regression": "housing",
    "table": "adult",
    "text": "lstm_text",
}
"""Names to begin with; every other name is that of its file in `models/`."""


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "new",
        "Copy a model that comes with netdsl, to change it.",
        "  netdsl new digits\n  netdsl new --list",
    )
    result.add_argument(
        "name", metavar="NAME", nargs="?", help="digits, images, mnist, regression, table, text, or another"
    )
    result.add_argument(
        "folder", metavar="DIR", nargs="?", type=Path, help="where to (a folder of that name)"
    )
    result.add_argument("--list", action="store_true", help="list all models")
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Copy the model, or list what there is."""
    if arguments.list or arguments.name is None:
        print(listing(), end="")
        return 0
    stem = _stem(arguments.name)
    folder = arguments.folder or Path(arguments.name)
    make_folders(folder)
    copied = [_copy(name, folder) for name in _files(stem)]
    print(f"wrote {' and '.join(map(str, copied))}; next: netdsl train {copied[0]}")
    return 0


def listing() -> str:
    """Return the names of the models, each with the first line of its file."""
    rows = [(name, _title(stem)) for name, stem in SHORT.items()]
    rows += [(stem, _title(stem)) for stem in _stems() if stem not in SHORT.values()]
    width = max(len(name) for name, _ in rows)
    return "".join(f"{name:<{width}}  {title}\n" for name, title in rows)


def _stems() -> list[str]:
    return [name.removesuffix(".net") for name in resource_names("models", ".net")]


def _stem(name: str) -> str:
    stem = SHORT.get(name, name.removesuffix(".net"))
    if stem in _stems():
        return stem
    near = suggest(name, [*SHORT, *_stems()])
    cure = f"did you mean `{near}`?" if near else "`netdsl new --list` lists them"
    raise DiagnosticError([Diagnostic("E0908", f"there is no model `{name}` to copy", help=cure)])


def _files(stem: str) -> list[str]:
    """Return a model's file, and the files beside it that it names."""
    text = resource_text(f"models/{stem}.net")
    data = [name for ending in (".csv", ".txt") for name in resource_names("models", ending)]
    return [f"{stem}.net", *(name for name in data if f'"{name}"' in text)]


def _copy(name: str, folder: Path) -> Path:
    path = folder / name
    if path.exists():
        message = f"`{path}` is there already"
        raise DiagnosticError(
            [Diagnostic("E0909", message, help="give another folder: netdsl new NAME DIR")], Exit.FILES
        )
    write_atomic(path, read_bytes(resource(f"models/{name}")))
    return path


def _title(stem: str) -> str:
    """Return the first line of a model's file, which says what it is."""
    first = resource_text(f"models/{stem}.net").split("\n", 1)[0]
    return first.lstrip("# ").rstrip(".") if first.startswith("#") else ""

"""Options that several commands have in common, and what they become."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from netdsl.cli.download import Download
from netdsl.cli.mistakes import FORMATS
from netdsl.diagnostics import Diagnostic, DiagnosticError, Severity
from netdsl.run.options import Options

OVERRIDE = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)=(.*)", re.DOTALL)
"""`lr=0.01`, `train.epochs=3`."""

MOST_THREADS = 256


class Parser(ArgumentParser):
    """A parser whose mistakes are diagnostics like all others."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        if "required" in message:
            # Positional arguments of which there may be none are named as if they were missing.
            message = message.replace(", NAME=VALUE", "")
        cure = f"{self.format_usage().strip()}\n`{self.prog} --help` tells more"
        raise DiagnosticError([Diagnostic("E0903", f"{self.prog}: {message}", help=cure)])


def command_parser(name: str, about: str, example: str) -> Parser:
    """Return the parser of a command; `example` stands below its options."""
    return Parser(
        prog=f"netdsl {name}",
        description=about,
        epilog=f"example:\n{example}",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_format(parser: ArgumentParser) -> None:
    """Add how mistakes are told."""
    parser.add_argument("--format", choices=FORMATS, default="text", help="how mistakes are told (text)")


def add_experiment(parser: ArgumentParser) -> None:
    """Add a .net file, the name of its `train` block, and values in place of those in the file."""
    parser.add_argument("file", metavar="FILE.net", type=Path, help="the file")
    parser.add_argument(
        "words",
        metavar="NAME=VALUE",
        nargs="*",
        help="a value for a `param`, or for a field such as train.epochs; a word alone names the train block",
    )
    parser.add_argument("--seed", type=whole, metavar="N", help="in place of the seed in the file")
    add_data(parser)


def add_data(parser: ArgumentParser) -> None:
    """Add where data is looked for, and what may be read."""
    parser.add_argument(
        "--allow-path",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder that may be read from, besides that of the file",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="where data sets are kept (NETDSL_DATA_DIR, or the cache)",
    )


def add_machine(parser: ArgumentParser) -> None:
    """Add what the work is done with."""
    add_threads(parser)
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="a CUDA device or the CPU (auto)"
    )


def add_threads(parser: ArgumentParser) -> None:
    """Add how many threads the CPU works with."""
    parser.add_argument("--threads", type=_threads, metavar="N", help="threads (all cores)")


def add_json(parser: ArgumentParser) -> None:
    """Add JSON as the form of the result."""
    parser.add_argument("--json", action="store_true", help="one JSON record a line on stdout")


def options_of(arguments: Namespace) -> Options:
    """Return what the options say. What a command does not have is left as it is by default."""
    overrides, block = split_words(getattr(arguments, "words", ()))
    device(getattr(arguments, "device", "auto"))
    return Options(
        overrides=overrides,
        block=block,
        seed=getattr(arguments, "seed", None),
        data_dir=getattr(arguments, "data_dir", None),
        threads=getattr(arguments, "threads", None),
        report=None if getattr(arguments, "quiet", False) else Download(),
        allow=tuple(getattr(arguments, "allow_path", ())),
        device=getattr(arguments, "device", "auto"),
    )


def split_words(words: Sequence[str]) -> tuple[dict[str, str], str | None]:
    """Return overrides by name, and the name of a train block.

    Errors: E0904 for a word that is neither, E0905 for a name that is given twice.
    """
    overrides: dict[str, str] = {}
    block: str | None = None
    for word in words:
        found = OVERRIDE.fullmatch(word)
        if found is None and (block is not None or not word.isidentifier()):
            raise _wrong(
                "E0904", f"`{word}` is no NAME=VALUE", "write it as lr=0.01, without spaces around the ="
            )
        if found is None:
            block = word
        elif found[1] in overrides:
            raise _wrong("E0905", f"`{found[1]}` is given twice", "leave one of them out")
        else:
            overrides[found[1]] = found[2]
    return overrides, block


def device(name: str) -> None:
    """Refuse a device that is not there.

    Errors: E0963, E0906.
    """
    if name == "cuda":
        from netdsl.runtime.cuda.choice import expect_device

        expect_device()


def warning(code: str, message: str, cure: str) -> Diagnostic:
    """Return a warning of the command line."""
    return Diagnostic(code, message, help=cure, severity=Severity.WARNING)


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"`{text[:40]}` is not a whole number") from None


def _threads(text: str) -> int:
    count = whole(text)
    if count < 1:
        raise ArgumentTypeError(f"{count} are too few: give at least 1, or leave it out for all cores")
    if count > MOST_THREADS:
        raise ArgumentTypeError(f"{count} are too many: give at most {MOST_THREADS}")
    return count


def _wrong(code: str, message: str, cure: str) -> DiagnosticError:
    return DiagnosticError([Diagnostic(code, message, help=cure)])

"""`netdsl fmt`: lays out `.net` files."""

import difflib
import sys
from argparse import Namespace
from pathlib import Path

from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import Parser, add_format, command_parser
from netdsl.diagnostics import DiagnosticError, Exit
from netdsl.files import read_bytes, write_atomic
from netdsl.run.reading import LIMIT, decoded


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "fmt",
        "Lay out .net files in the one style; comments are kept. `-` reads stdin and writes stdout.",
        "  netdsl fmt model.net\n  netdsl fmt --check *.net",
    )
    result.add_argument("files", metavar="FILE.net", nargs="+", help="files, or - for stdin")
    result.add_argument(
        "--check", action="store_true", help="change nothing; exit code 1 if a file would change"
    )
    result.add_argument("--diff", action="store_true", help="change nothing; show what would change")
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Format each file; the mistakes of one do not keep the others from it."""
    code = 0
    for name in arguments.files:
        try:
            changed = _format(name, arguments)
        except DiagnosticError as error:
            print_diagnostics(error.diagnostics, arguments.format)
            code = max(code, int(error.exit_code))
        else:
            code = max(code, int(Exit.FAILED) if changed and (arguments.check or arguments.diff) else 0)
    return code


def _format(name: str, arguments: Namespace) -> bool:
    from netdsl.syntax import format_file, parse

    content = sys.stdin.buffer.read() if name == "-" else read_bytes(Path(name), limit=LIMIT)
    source = decoded("stdin" if name == "-" else name, content)
    text = format_file(parse(source))
    changed = text.encode() != content
    if arguments.diff:
        sys.stdout.write(_diff(source.name, content.decode("utf-8"), text))
    elif name == "-" and not arguments.check:
        sys.stdout.write(text)
    elif changed and arguments.check:
        print(f"{name} would change", file=sys.stderr)
    elif changed:
        write_atomic(Path(name), text.encode())
        print(f"{name} changed", file=sys.stderr)
    return changed


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), name, f"{name} (laid out)")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines)

"""`netdsl check`: tells the mistakes in a file."""

import json
import sys
from argparse import Namespace

from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import Parser, add_experiment, add_format, command_parser, options_of
from netdsl.diagnostics import Exit


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "check",
        "Tell the mistakes in a .net file: its names, settings and shapes, and how it fits its data.",
        "  netdsl check digits.net\n  netdsl check digits.net --format github",
    )
    add_experiment(result)
    result.add_argument("--strict", action="store_true", help="a warning counts as a mistake")
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Check, and say so where nothing is wrong."""
    from netdsl.run.opening import open_file

    opened = open_file(arguments.file, options_of(arguments))
    print_diagnostics(opened.warnings, arguments.format)
    if arguments.format == "text":
        print(f"{arguments.file}: no mistakes", file=sys.stderr)
    elif arguments.format == "json":
        print(json.dumps({"event": "result", "errors": 0, "warnings": len(opened.warnings)}))
    return int(Exit.FAILED) if arguments.strict and opened.warnings else 0

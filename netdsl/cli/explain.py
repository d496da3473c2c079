"""`netdsl explain`: the page of a code."""

from argparse import Namespace

from netdsl.cli.options import Parser, add_format, command_parser
from netdsl.diagnostics import codes, explain, title


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "explain",
        "Explain the code of a message: what it means, an example of the mistake, and its cure.",
        "  netdsl explain E0312\n  netdsl explain",
    )
    result.add_argument(
        "code", metavar="CODE", nargs="?", help="such as E0312; without it all codes are listed"
    )
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Print the page, or the list of codes."""
    if arguments.code is None:
        for code in codes():
            print(f"{code}  {title(code)}")
    else:
        print(explain(arguments.code).rstrip("\n"))
    return 0

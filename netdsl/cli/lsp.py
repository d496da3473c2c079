"""`netdsl lsp`: what editors ask while a file is being written."""

import os
import sys
from argparse import Namespace
from contextlib import redirect_stdout
from importlib.util import find_spec

from netdsl.cli.options import Parser, add_data, command_parser
from netdsl.diagnostics import Diagnostic, DiagnosticError


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "lsp",
        "Serve an editor by the language server protocol, over stdin and stdout; the editor starts it.",
        "  netdsl lsp --data-dir ~/data",
    )
    result.add_argument("--stdio", action="store_true", help="as it is; some editors ask for it")
    add_data(result)
    return result


def run(arguments: Namespace) -> int:
    """Serve until the editor ends it.

    Errors: E0962 where the packages of the extra `[lsp]` are missing.
    """
    missing = [name for name in ("pygls", "lsprotocol") if find_spec(name) is None]
    if missing:
        message = f"the language server needs the package `{missing[0]}`, which is not installed"
        cure = "install it: pip install 'netdsl[lsp]'"
        raise DiagnosticError([Diagnostic("E0962", message, help=cure)])
    from netdsl.lsp.server import make_server

    server = make_server(arguments.data_dir, tuple(arguments.allow_path))
    # The server closes what it is given; and what anything else prints must not get between its messages.
    with (
        os.fdopen(os.dup(sys.stdin.fileno()), "rb") as requests,
        os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers,
        redirect_stdout(sys.stderr),
    ):
        server.start_io(requests, answers)
    return 0 if server.ended else 1

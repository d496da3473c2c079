"""The command line's entrance: finds the command, runs it, tells its mistakes, sets the exit code."""

import gc
import os
import sys
from collections.abc import Sequence

import netdsl
from netdsl.cli.commands import COMMANDS, module_of

SIGNALED = (130, 143)
"""The exit codes of SIGINT and SIGTERM."""

USAGE = "usage: netdsl COMMAND [ARGUMENTS]"


def entry() -> None:
    """Run the command that the process was started with, and end the process."""
    # What a start makes stays: looking for garbage among it takes a twelfth of the time to the first step.
    gc.set_threshold(100_000, 20, 20)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:
        code = _unwritten(error, code)
    if code in SIGNALED:
        # Who pressed Ctrl-C need not wait until threads have ended and modules are torn down.
        sys.stderr.flush()
        os._exit(code)
    # Python looks for garbage among all that is there when it ends: 0.06 of 0.34 s of `netdsl check`.
    gc.freeze()
    sys.exit(code)


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    arguments = list(argv)
    if not arguments:
        print(overview(), file=sys.stderr)
        return 2
    name = arguments.pop(0)
    if name in ("-h", "--help", "help"):
        return main([arguments[0], "--help"]) if name == "help" and arguments else _print(overview())
    if name in ("-V", "--version"):
        return _print(f"netdsl {netdsl.__version__}")
    if name not in COMMANDS:
        return _unknown(name)
    return _run(name, arguments)


def overview() -> str:
    """Return the text of `netdsl --help`."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:<{width}}  {line}" for name, line in COMMANDS.items()]
    return "\n".join(
        [
            USAGE,
            "",
            "A declarative language and compiler for neural networks.",
            "",
            *lines,
            "",
            "To begin: netdsl new digits && netdsl train digits/digits_mlp.net",
            "`netdsl COMMAND --help` tells more of a command, `netdsl --version` the version.",
        ]
    )


def _run(name: str, arguments: list[str]) -> int:
    try:
        module = module_of(name)
        parser = module.parser()
        return int(module.run(parser.parse_intermixed_args(arguments)))
    except BrokenPipeError as error:
        return _unwritten(error)
    except SystemExit as end:  # argparse has told what it had to tell
        return end.code if isinstance(end.code, int) else 2
    except BaseException as error:  # noqa: BLE001 - told to the user as what it is, with its exit code
        from netdsl.cli.mistakes import tell

        return tell(error, arguments)


def _unknown(name: str) -> int:
    from netdsl.cli.mistakes import tell
    from netdsl.diagnostics import Diagnostic, DiagnosticError, suggest

    near = suggest(name, COMMANDS)
    cure = f"did you mean `{near}`?" if near else "`netdsl --help` lists the commands"
    return tell(DiagnosticError([Diagnostic("E0901", f"there is no command `{name}`", help=cure)]), [])


def _print(text: str) -> int:
    try:
        print(text, flush=True)
    except OSError as error:
        return _unwritten(error)
    return 0


def _unwritten(error: OSError, code: int = 0) -> int:
    """Return the exit code where stdout takes no more: the given one if its reader has had enough."""
    if not isinstance(error, BrokenPipeError):
        from netdsl.cli.mistakes import tell

        code = tell(error, [])
    # Python would complain when it flushes at the end.
    _silence(sys.stdout.fileno())
    return code


def _silence(descriptor: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)

"""The commands by name. Each is a file of its own, loaded only when it is asked for."""

from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import Final, Protocol, cast

COMMANDS: Final = {
    "new": "copy a model to begin with",
    "check": "tell the mistakes in a .net file",
    "train": "train a network",
    "evaluate": "measure a trained network on a part of its data",
    "predict": "apply a trained network to new rows",
    "compile": "show what the compiler makes of a .net file",
    "profile": "measure where the time of a step goes",
    "render": "draw a network",
    "show": "list a network's layers, or what is in a weights file",
    "fmt": "lay out .net files",
    "lsp": "serve an editor: mistakes, shapes, completions",
    "explain": "explain the code of a message",
    "doctor": "look at this machine and test the installation",
}


class Command(Protocol):
    """What the file of a command has."""

    def parser(self) -> ArgumentParser:
        """Return the parser of its arguments."""

    def run(self, arguments: Namespace) -> int:
        """Run it and return the exit code."""


def module_of(name: str) -> Command:
    """Load the file of a command."""
    # A cast: mypy sees no protocol in a module that is named at run time.
    return cast(Command, import_module(f"netdsl.cli.{name}"))

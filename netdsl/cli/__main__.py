"""`python -m netdsl.cli` is `netdsl`."""

from netdsl.cli.main import entry

entry()

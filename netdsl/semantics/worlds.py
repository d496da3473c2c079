"""Makes the world that a file is worked out in, with what the command line says."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.operations import REGISTRY
from netdsl.semantics.files import Files
from netdsl.semantics.frame import Observer, World
from netdsl.semantics.overrides import overridden
from netdsl.semantics.problems import Problems
from netdsl.semantics.uses import apply, use


def make_world(
    files: Files, overrides: Mapping[str, str], problems: Problems, observer: Observer | None = None
) -> World:
    """Return the world of a file with the overrides of the command line in place."""
    files, params = overridden(files, overrides, problems)
    return World(files, REGISTRY, problems, use, apply, params, observer=observer)

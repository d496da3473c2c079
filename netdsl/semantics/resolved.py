"""Writes the overrides of the command line into the file."""

from __future__ import annotations

from collections.abc import Mapping

from netdsl.semantics.files import Files


def resolved_text(files: Files, overrides: Mapping[str, str]) -> str:
    """Return the `.net` file with the overrides written into it."""
    return files.file.source.text

"""Write the pages that are made of what they document; with --check only compare them."""

import sys
from pathlib import Path

import schedules

from netdsl.diagnostics import Source, codes, explain
from netdsl.explain.reference import codes_reference, library_reference
from netdsl.resources import resource_names, resource_text

FOLDER = Path(__file__).resolve().parent


def pages() -> dict[str, str]:
    """Return the text of each generated page by its file's name."""
    library = [Source(name, resource_text(f"library/{name}")) for name in resource_names("library", ".net")]
    return {
        "library.md": library_reference(library),
        "schedules.md": schedules.page(),
        "schedules.svg": schedules.picture(),
        "errors.md": codes_reference({code: explain(code) for code in codes()}),
    }


def main() -> int:
    """Write or compare; return the exit code."""
    checking = "--check" in sys.argv[1:]
    stale = 0
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        print(f"{name} is not current" if checking else f"wrote {name}")
        if not checking:
            path.write_text(text, encoding="utf-8")
    return 1 if checking and stale else 0


if __name__ == "__main__":
    sys.exit(main())

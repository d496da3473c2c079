"""What texts are made of: the files of the project, their declarations, their words."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from netdsl.syntax.scan import pieces

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "models",
    "netdsl/library",
    "tests/cases/errors",
    "tests/semantics/mistakes",
    "tests/whole/features",
)


@dataclass(frozen=True)
class Corpus:
    """Whole files, blocks of lines between blank ones, lines, and words with signs."""

    files: tuple[str, ...]
    blocks: tuple[str, ...]
    lines: tuple[str, ...]
    words: tuple[str, ...]


@cache
def corpus() -> Corpus:
    """Return the corpus: the files of the project, in order."""
    paths = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.net"))
    files = tuple(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    files = tuple(each for each in files if len(each) < 4000)
    blocks = tuple(block for each in files for block in each.split("\n\n") if block.strip())
    lines = tuple(dict.fromkeys(line for each in files for line in each.split("\n") if line.strip()))
    words = tuple(
        dict.fromkeys(piece.text for each in files for piece in pieces(each)[0] if len(piece.text) < 30)
    )
    return Corpus(files, blocks, lines, words)


NUMBERS = (
    *("0", "1", "-1", "2", "3", "7", "0.5", "1e-3", "1e308", "1e999", "10%", "150%", "50k", "1000000000"),
    *(
        "99999999999999999999",
        "3x3",
        "0x0",
        "1e-3.5",
        "1_000",
        ".5",
        "5.",
        "2 px",
        "10 epochs",
        "3 h",
        "1 step",
    ),
)
CHARACTERS = (
    *"(){}[]=,;:.->+*/@^<>\"'#\\\t\r\n\0 _x1λ",
    *("\u202e", "\u200b", "\ufeff", "é", "e\u0301", "😀", "“", "²", "→", "\u2028", "\x1b", "\ufffd"),
)

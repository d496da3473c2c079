"""Files with something wrong: one of the project's, changed a little in a few places."""

from collections.abc import Callable
from random import Random

from netdsl.syntax.scan import pieces
from tests.fuzz.corpus import CHARACTERS, NUMBERS, corpus

MOST = 20_000
"""Characters of a text at most, so that many can be tried; limits have tests of their own."""


def mutated(draws: Random) -> str:
    """Return a file of the project after one to five changes."""
    text = draws.choice(corpus().files)
    for _ in range(draws.choice((1, 1, 1, 2, 3, 5))):
        mutation = draws.choice(MUTATIONS)
        text = mutation(text, draws)[:MOST]
    return text


def _piece(text: str, draws: Random) -> tuple[int, int]:
    found, _ = pieces(text)
    if not found:
        return 0, 0
    piece = draws.choice(found)
    return piece.start, piece.end


def delete_piece(text: str, draws: Random) -> str:
    start, end = _piece(text, draws)
    return text[:start] + text[end:]


def double_piece(text: str, draws: Random) -> str:
    start, end = _piece(text, draws)
    return text[:end] + " " + text[start:end] + text[end:]


def replace_piece(text: str, draws: Random) -> str:
    start, end = _piece(text, draws)
    return text[:start] + draws.choice(corpus().words) + text[end:]


def insert_word(text: str, draws: Random) -> str:
    start, _ = _piece(text, draws)
    return f"{text[:start]} {draws.choice(corpus().words)} {text[start:]}"


def swap_pieces(text: str, draws: Random) -> str:
    (a, b), (c, d) = sorted((_piece(text, draws), _piece(text, draws)))
    return text if b > c else text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def change_number(text: str, draws: Random) -> str:
    found = [each for each in pieces(text)[0] if each.kind == "number"]
    if not found:
        return text
    piece, number = draws.choice(found), str(draws.choice(NUMBERS))
    return text[: piece.start] + number + text[piece.end :]


def change_character(text: str, draws: Random) -> str:
    at = draws.randrange(len(text) + 1)
    return text[:at] + str(draws.choice(CHARACTERS)) + text[at + draws.randrange(2) :]


def delete_range(text: str, draws: Random) -> str:
    at = draws.randrange(len(text) + 1)
    return text[:at] + text[at + draws.randrange(1, 40) :]


def end_early(text: str, draws: Random) -> str:
    return text[: draws.randrange(len(text) + 1)]


def delete_line(text: str, draws: Random) -> str:
    lines = text.split("\n")
    del lines[draws.randrange(len(lines))]
    return "\n".join(lines)


def insert_line(text: str, draws: Random) -> str:
    lines = text.split("\n")
    lines.insert(draws.randrange(len(lines) + 1), draws.choice(corpus().lines))
    return "\n".join(lines)


def double_lines(text: str, draws: Random) -> str:
    lines = text.split("\n")
    start = draws.randrange(len(lines))
    end = start + draws.randrange(1, 6)
    return "\n".join([*lines[:end], *lines[start:]])


def insert_block(text: str, draws: Random) -> str:
    blocks = text.split("\n\n")
    blocks.insert(draws.randrange(len(blocks) + 1), draws.choice(corpus().blocks))
    return "\n\n".join(blocks)


def join_lines(text: str, draws: Random) -> str:
    ends = [at for at, each in enumerate(text) if each == "\n"]
    if not ends:
        return text
    at = draws.choice(ends)
    return text[:at] + " " + text[at + 1 :]


def bracket(text: str, draws: Random) -> str:
    start, end = _piece(text, draws)
    opener, closer = draws.choice((("(", ")"), ("[", "]"), ("{", "}")))
    times = draws.choice((1, 1, 2, 70))
    closers = closer * draws.choice((times, times - 1))
    return text[:start] + opener * times + text[start:end] + closers + text[end:]


def rename(text: str, draws: Random) -> str:
    words = [each for each in pieces(text)[0] if each.kind == "word"]
    if not words:
        return text
    old, new = draws.choice(words), draws.choice(words)
    return text[: old.start] + new.text + text[old.end :]


MUTATIONS: tuple[Callable[[str, Random], str], ...] = (
    delete_piece,
    double_piece,
    replace_piece,
    replace_piece,
    insert_word,
    swap_pieces,
    change_number,
    change_number,
    change_character,
    delete_range,
    end_early,
    delete_line,
    insert_line,
    double_lines,
    insert_block,
    join_lines,
    bracket,
    rename,
    rename,
)

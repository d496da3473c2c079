"""What was meant by a name that is not there."""

from collections.abc import Iterable

_LONGEST = 60


def suggest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that a name is a slip of, or None if none is near enough.

    Near is one edit in three letters: a letter more, less or other, or two neighbors swapped. A difference
    of case alone is nearest. Of equally near ones the first in the alphabet is taken.
    """
    if not 0 < len(name) <= _LONGEST:
        return None
    limit = max(1, len(name) // 3)
    near = [
        (distance, each) for each in set(candidates) if (distance := _distance(name, each, limit)) <= limit
    ]
    return min(near)[1] if near else None


def _distance(name: str, other: str, limit: int) -> float:
    """Return the edits between two names (Damerau's distance); inf where their lengths tell enough."""
    if name.casefold() == other.casefold():
        return 0.5
    if abs(len(name) - len(other)) > limit or (len(name) == 1 and len(other) == 1):
        return float("inf")
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(name, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and (a, name[i - 2]) == (other[j - 2], b):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]

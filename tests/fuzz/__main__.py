"""The command: many texts, in several processes, each with a limit of time and memory.

    python -m tests.fuzz --count 200000 --seed 1

Of every text that ends with an exception, takes more than two seconds of processor time, or brings the
process above 500 MB, the text and the exception are kept in a folder; the exit code is then 1.
"""

import argparse
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import FrameType

from tests.fuzz.trial import text_of, tried

SECONDS = 2.0
MEGABYTES = 500
STUCK = 20
"""Seconds of processor time after which a text is given up."""
PIECE = 500


class StuckError(Exception):
    """Tell that a text takes too long."""


def one(seed: int, index: int) -> tuple[str, float, str | None]:
    """Try one text; return how it was made and what became of it, the seconds, and what went wrong."""
    kind, text = text_of(seed, index)
    signal.setitimer(signal.ITIMER_PROF, STUCK)
    began = time.process_time()
    try:
        outcome, wrong = tried(text, seed, index), None
    except Exception:  # noqa: BLE001 - whatever it is, it is what is looked for
        outcome, wrong = "failed", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - began
    if wrong is None and seconds > SECONDS:
        wrong = f"took {seconds:.1f} s"
    return f"{kind}: {outcome}", seconds, wrong


def memory() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def several(seed: int, first: int, end: int) -> tuple[Counter[str], float, float, list[tuple[int, str]]]:
    """Try some texts; return outcomes, the longest time, the most memory, and what went wrong."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StuckError

    signal.signal(signal.SIGPROF, stop)
    outcomes: Counter[str] = Counter()
    longest = 0.0
    wrong: list[tuple[int, str]] = []
    for index in range(first, end):
        before = memory()
        outcome, seconds, mistake = one(seed, index)
        if mistake is None and before < MEGABYTES < memory():
            mistake = f"{memory():.0f} MB, {before:.0f} MB before"
        outcomes[outcome] += 1
        longest = max(longest, seconds)
        if mistake is not None:
            wrong.append((index, mistake))
    return outcomes, longest, memory(), wrong


def main(argv: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="texts (2000)")
    parser.add_argument("--seed", type=int, default=1, help="(1)")
    parser.add_argument("--processes", type=int, default=2, help="(2)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder of what went wrong")
    parser.add_argument("--only", type=int, help="the number of the one text to try; it is printed")
    given = parser.parse_args(argv)
    if given.only is not None:
        print(text_of(given.seed, given.only)[1])
        print(one(given.seed, given.only))
        return 0
    began = time.monotonic()
    outcomes: Counter[str] = Counter()
    longest = most = 0.0
    failed = 0
    with ProcessPoolExecutor(given.processes) as pool:
        parts = [
            pool.submit(several, given.seed, first, min(first + PIECE, given.count))
            for first in range(0, given.count, PIECE)
        ]
        for part in parts:
            found, seconds, megabytes, wrong = part.result()
            outcomes += found
            longest, most, failed = max(longest, seconds), max(most, megabytes), failed + len(wrong)
            for index, mistake in wrong:
                _keep(given.keep, given.seed, index, mistake)
            print(f"\r{outcomes.total()} texts, {failed} wrong", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for line in _report(outcomes, time.monotonic() - began, longest, most, failed):
        print(line)
    return int(failed > 0)


def _keep(folder: Path, seed: int, index: int, mistake: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = text_of(seed, index)[1]
    (folder / f"{seed}-{index}.net").write_text(text, encoding="utf-8", errors="replace")
    (folder / f"{seed}-{index}.txt").write_text(mistake, encoding="utf-8")
    print(f"\n{seed}-{index}: {mistake.strip().splitlines()[-1]}", file=sys.stderr)


def _report(
    outcomes: Counter[str], seconds: float, longest: float, most: float, failed: int
) -> Iterator[str]:
    yield f"{outcomes.total():,} texts in {seconds:,.0f} s"
    for outcome, count in sorted(outcomes.items()):
        yield f"  {outcome:<20} {count:>8,}"
    yield f"longest {longest:.2f} s, most memory {most:.0f} MB, wrong {failed}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

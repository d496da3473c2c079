"""What a profile says about settings: only what its figures show, with the figures."""

from collections.abc import Iterator
from typing import Final

from netdsl.explain.profile import Profile, by_line, total

WAITING: Final = 0.2
"""The share of time at barriers from which on it is told."""

SHORT: Final = 5e-6
"""Seconds of a phase that are hardly more than a barrier with two threads costs."""

BUSY: Final = 0.9
"""The part of its cores that a measurement should have."""

ALONE: Final = 0.1
LOADING: Final = 0.1
UPDATING: Final = 0.25
HOST: Final = 0.1
"""Shares of a step from which on they are told: what one thread does, taking rows, updating weights, and what
lies between segments."""


def advice(profile: Profile) -> list[str]:
    """Return what is worth a try, a line each; none where nothing stands out.

    Where other programs had the cores, waits say nothing of this one. A device has no threads to wait for.
    """
    if profile.device:
        return list(_updates(profile))
    first = list(_busy(profile)) or list(_barriers(profile))
    return [*first, *_alone(profile), *_updates(profile), *_rows(profile), *_host(profile)]


def _busy(profile: Profile) -> Iterator[str]:
    threads = profile.limits.threads
    if profile.cores < BUSY * threads:
        yield (
            f"other programs had a part of the cores: {profile.cores:.2f} of {threads} worked for the "
            "fastest segment, so its times are too long; measure again when the machine is idle"
        )


def _barriers(profile: Profile) -> Iterator[str]:
    threads, share = profile.limits.threads, profile.waiting / profile.seconds
    if threads == 1 or share < WAITING:
        return
    told = f"{share:.0%} of the threads' time is spent at barriers"
    if profile.seconds / max(1, profile.barriers) < SHORT * threads:
        each = 1e6 * profile.seconds / profile.barriers
        yield f"{told}: there is one every {each:.1f} µs; try --threads {threads - 1}, or a larger batch"
        return
    worst = max(range(len(profile.waits)), key=lambda number: profile.waits[number])
    yield (
        f"{told}, most of it ({profile.waits[worst] / profile.waiting:.0%}) behind phase {worst + 1}: "
        f"try --threads {threads - 1}; other programs on this machine make threads wait for each other too"
    )


def _alone(profile: Profile) -> Iterator[str]:
    threads = profile.limits.threads
    alone = [each for each in profile.entries if each.alone]
    seconds = threads * sum(each.cost.seconds for each in alone)
    if threads > 1 and seconds / profile.seconds >= ALONE:
        dearest = max(alone, key=lambda each: each.cost.seconds)
        yield (
            f"one thread alone does what takes {seconds / profile.seconds:.0%} of a step, most of all "
            f"`{', '.join(dearest.kernels)}` (step {dearest.step})"
        )


def _updates(profile: Profile) -> Iterator[str]:
    costs = [line.roles["update"] for line in by_line(profile) if "update" in line.roles]
    cost = total(costs)
    if cost.seconds / profile.seconds >= UPDATING and cost.bound == "memory":
        yield (
            f"updating weights takes {cost.seconds / profile.seconds:.0%} of a step and is bound by memory: "
            "with a larger batch there are fewer updates for the same examples"
        )


def _rows(profile: Profile) -> Iterator[str]:
    taking = [each for each in profile.entries if each.kernels[:1] in (("take_rows",), ("take_panels",))]
    share = sum(each.cost.seconds for each in taking) / profile.seconds
    if share >= LOADING:
        yield f"copying the rows of a batch takes {share:.0%} of a step: there is little to compute for each"


def _host(profile: Profile) -> Iterator[str]:
    share = profile.between / (profile.between + profile.seconds)
    if share >= HOST:
        yield (
            f"{share:.0%} of the time lies between stretches of steps, where Python works out the numbers of "
            "the next ones: a larger batch has fewer steps"
        )

"""A profile as text: a summary, a table of lines, a table of kernels, and what follows from them."""

from collections.abc import Iterator, Sequence

from netdsl.explain.profile import (
    ROLES,
    Cost,
    Entry,
    KernelCost,
    Profile,
    by_kernel,
    by_line,
    place_of,
    role_of,
)
from netdsl.explain.profile_advice import advice
from netdsl.explain.tables import Column, table

_FIGURES = (
    Column("ms", "right"),
    Column("share", "right"),
    Column("GFLOP/s", "right"),
    Column("GB/s", "right"),
    Column("of limit", "right"),
    Column("of"),
)
_LINES = (
    *_FIGURES,
    *(Column(each, "right") for each in ROLES),
    Column("line", yields=True),
    Column("text", yields=True),
)
_KERNELS = (
    *_FIGURES,
    Column("calls", "right"),
    Column("kernel", yields=True),
    Column("role"),
    Column("line", yields=True),
)
_STEPS = (
    *_FIGURES,
    Column("step", "right"),
    Column("phase", "right"),
    Column("calls", "right"),
    Column("kernel", yields=True),
    Column("line", yields=True),
    Column("formula", yields=True),
)


def profile_text(profile: Profile, *, top: int, each: bool = False, width: int = 120) -> str:
    """Return a profile as text: tables of the `top` dearest lines, and kernels, or kernels of `each` step."""
    parts = ["\n".join(_summary(profile)) + "\n", _lines(profile, top, width)]
    parts.append(_steps(profile, top, width) if each else _kernels(profile, top, width))
    told = advice(profile)
    if told:
        parts.append("\n".join(f"- {line}" for line in told) + "\n")
    return "\n".join(parts)


def _device_summary(profile: Profile) -> Iterator[str]:
    limits, cost, entries = profile.limits, profile.cost, profile.entries
    yield (
        f"{profile.model}: {profile.program} on {profile.data}, batch {profile.batch}, on {profile.device}; "
        f"{milliseconds(profile.seconds)} ms a step in the fastest of {profile.segments} segments, "
        f"{milliseconds(profile.middle)} in the median one"
    )
    launches, phases = sum(each.calls for each in entries), len({each.phase for each in entries})
    yield (
        f"{launches:.6g} launches in {phases} phases; "
        f"{milliseconds(cost.seconds)} ms where each is timed alone: in a step they overlap"
    )
    yield (
        f"limits, as the driver tells: {limits.flops / 1e9:.0f} GFLOP/s of float32; "
        f"GB/s: memory {limits.bandwidth['memory'] / 1e9:.0f}"
    )


def _summary(profile: Profile) -> Iterator[str]:
    if profile.device:
        yield from _device_summary(profile)
        return
    limits, cost = profile.limits, profile.cost
    threads = f"{limits.threads} thread{'s' * (limits.threads > 1)}"
    yield (
        f"{profile.model}: {profile.program} on {profile.data}, batch {profile.batch}, {threads}; "
        f"{milliseconds(profile.seconds)} ms a step in the fastest of {profile.segments} segments, "
        f"{milliseconds(profile.middle)} in the median one"
    )
    shares = [
        ("in kernels", cost.seconds),
        ("waiting at barriers", profile.waiting),
        ("between", profile.rest),
    ]
    told = ", ".join(f"{percent(seconds / profile.seconds)} {name}" for name, seconds in shares)
    barriers = f"; {profile.barriers} barriers" if profile.barriers else ""
    yield f"of a step: {told} launches{barriers}; {milliseconds(profile.between)} ms more between stretches"
    bandwidth = ", ".join(f"{name} {speed / 1e9:.0f}" for name, speed in limits.bandwidth.items())
    yield f"limits of {threads}, measured: {limits.flops / 1e9:.0f} GFLOP/s; GB/s: {bandwidth}"
    speed, least = cost.flops / profile.seconds, cost.limit
    yield (
        f"{speed / 1e9:.1f} GFLOP/s, {percent(speed / limits.flops)} of the peak; at its limits a step would "
        f"take {milliseconds(least)} ms ({percent(least / profile.seconds)})"
    )


def _lines(profile: Profile, top: int, width: int) -> str:
    found = by_line(profile)
    rows: list[Sequence[str]] = [
        (
            *_figures(each.cost, profile),
            *(milliseconds(each.roles[role].seconds) if role in each.roles else "" for role in ROLES),
            f"{each.source.rsplit('/', 1)[-1]}:{each.line}" if each.line else "",
            each.text,
        )
        for each in found[:top]
    ]
    rest = _rest([each.cost for each in found[top:]], profile, "lines")
    return table(_LINES, [*rows, *([(*rest[:-1], "", "", "", "", rest[-1])] if rest else [])], width)


def _kernels(profile: Profile, top: int, width: int) -> str:
    found = by_kernel(profile)
    rows: list[Sequence[str]] = [
        (
            *_figures(each.cost, profile),
            f"{each.calls:.6g}",
            _names(each),
            each.role,
            ", ".join(map(_short, each.places)),
        )
        for each in found[:top]
    ]
    rest = _rest([each.cost for each in found[top:]], profile, "kernels")
    return table(_KERNELS, [*rows, *([(*rest[:-1], "", rest[-1], "", "")] if rest else [])], width)


def _steps(profile: Profile, top: int, width: int) -> str:
    found = sorted(profile.entries, key=lambda each: -each.cost.seconds)
    rows: list[Sequence[str]] = [
        (*_figures(each.cost, profile), str(each.step), str(each.phase), f"{each.calls:.6g}", *_told(each))
        for each in found[:top]
    ]
    rest = _rest([each.cost for each in found[top:]], profile, "kernels")
    return table(_STEPS, [*rows, *([(*rest[:-1], "", "", "", rest[-1], "", "")] if rest else [])], width)


def _told(entry: Entry) -> tuple[str, str, str]:
    places = ", ".join(dict.fromkeys(_short(place_of(each)) for each in entry.origins))
    formulas = [each for each in entry.origins if each.formula]
    said = "; ".join(dict.fromkeys(f"{each.path} {each.formula}".strip() for each in formulas))
    role = f" ({role_of(entry.origins[-1])})" if entry.origins else ""
    return ", ".join(entry.kernels), places + role, said


def _names(kernel: KernelCost) -> str:
    return ", ".join(kernel.kernels)


def _short(place: str) -> str:
    return place.rsplit("/", 1)[-1] if place.rsplit(":", 1)[-1].isdigit() else place


def _figures(cost: Cost, profile: Profile) -> tuple[str, ...]:
    speeds = [(cost.flops, 1e9), (cost.bytes, 1e9)]
    return (
        milliseconds(cost.seconds),
        percent(cost.seconds / profile.seconds),
        *(
            f"{amount / cost.seconds / unit:.1f}" if amount and cost.seconds else ""
            for amount, unit in speeds
        ),
        percent(cost.share_of_limit) if cost.bound else "",
        cost.bound or "",
    )


def _rest(costs: Sequence[Cost], profile: Profile, name: str) -> tuple[str, ...]:
    """Return the figures of what is left out of a table, and a text for it."""
    if not costs:
        return ()
    seconds = sum(each.seconds for each in costs)
    return (
        milliseconds(seconds),
        percent(seconds / profile.seconds),
        "",
        "",
        "",
        "",
        f"{len(costs)} more {name}",
    )


def milliseconds(seconds: float) -> str:
    """Return milliseconds with three digits, four places at most."""
    value = 1e3 * seconds
    return f"{value:.{1 if value >= 100 else 2 if value >= 10 else 3 if value >= 1 else 4}f}"


def percent(share: float) -> str:
    """Return a share in percent."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"

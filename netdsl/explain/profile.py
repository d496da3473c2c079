"""Where the time of a program goes, by kernel and by line, beside what the machine can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from netdsl.explain.traffic import Traffic, portions, traffic
from netdsl.lazy_dataclass import dataclass
from netdsl.program import Each, Origin, Program
from netdsl.runtime.limits import Limits
from netdsl.runtime.watch import Spent

Bound: TypeAlias = Literal["arithmetic", "L1", "L2", "memory"]
"""What a limit is of."""

Role: TypeAlias = Literal["forward", "gradient", "update"]
ROLES: Final[tuple[Role, ...]] = ("forward", "gradient", "update")
"""What a kernel is for: the values of the model, the way back, or the optimizer."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs in a step: seconds (of all threads, by their number: so costs add up to a step),
    operations, bytes, and the seconds that it would take at the limits: the arithmetic, and the traffic with
    each level of memory, which both could go on at once."""

    seconds: float = 0.0
    flops: float = 0.0
    bytes: float = 0.0
    limit: float = 0.0
    by: Mapping[Bound, float] | None = None

    @property
    def bound(self) -> Bound | None:
        """What takes longest at its limit; None where nothing is counted."""
        by = self.by or {}
        slowest: Bound = max(by, key=lambda name: by[name], default="arithmetic")
        return slowest if any(by.values()) else None

    @property
    def share_of_limit(self) -> float:
        """How near it is to the limit, 1 being there."""
        return self.limit / self.seconds if self.seconds > 0 else 0.0

    def times(self, factor: float) -> Cost:
        """Return a part of the cost."""
        by = {name: factor * each for name, each in (self.by or {}).items()}
        return Cost(factor * self.seconds, factor * self.flops, factor * self.bytes, factor * self.limit, by)


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum of costs."""
    each = list(costs)
    by: dict[Bound, float] = {}
    for cost in each:
        for name, seconds in (cost.by or {}).items():
            by[name] = by.get(name, 0.0) + seconds
    seconds, flops, moved, limit = (
        sum(getattr(cost, name) for cost in each) for name in ("seconds", "flops", "bytes", "limit")
    )
    return Cost(seconds, flops, moved, limit, by)


@dataclass(frozen=True, slots=True)
class Entry:
    """Calls of a step that compute one group: how many launches of which kernels, what for, and their cost.

    `step` and `phase` are numbers from 1, `calls` launches in a training step, `alone` tells that one thread
    does it.
    """

    step: int
    phase: int
    kernels: tuple[str, ...]
    calls: float
    alone: bool
    origins: tuple[Origin, ...]
    cost: Cost


@dataclass(frozen=True, slots=True)
class Profile:
    """The times of a program's step, in seconds.

    So many `steps` were measured in `segments`, of which the fastest is told: `seconds` is a step of it from
    its first launch to its last (`middle` one of the median segment), `cores` how many worked for it, `waits`
    the mean over the threads of what each waits at the barrier behind each phase. `between` is what a step
    has of the time between stretches of 50 ms.
    """

    model: str
    program: str
    data: str
    batch: int
    segments: int
    steps: int
    seconds: float
    middle: float
    between: float
    cores: float
    entries: tuple[Entry, ...]
    waits: tuple[float, ...]
    barriers: int
    limits: Limits
    device: str = ""
    """The CUDA device that ran it, none for the CPU. Its launches are timed one by one, where in a step those
    of a phase overlap, and its limits are what the driver tells."""

    @property
    def cost(self) -> Cost:
        """What all kernels cost together."""
        return total(each.cost for each in self.entries)

    @property
    def waiting(self) -> float:
        """Seconds at barriers, of a thread in a step."""
        return sum(self.waits)

    @property
    def rest(self) -> float:
        """Seconds of a step that are in no kernel and at no barrier: walking the launch lists, and waking
        threads."""
        return max(0.0, self.seconds - self.cost.seconds - self.waiting)


@dataclass(frozen=True, slots=True)
class LineCost:
    """What a line of the `.net` text costs, by role. What stands in no line has the number 0 and a text that
    tells what it is."""

    source: str
    line: int
    text: str
    roles: Mapping[Role, Cost]

    @property
    def cost(self) -> Cost:
        """What the line costs altogether."""
        return total(self.roles.values())


@dataclass(frozen=True, slots=True)
class KernelCost:
    """What a kernel costs, in all steps that launch it for the same lines in the same role."""

    kernels: tuple[str, ...]
    role: Role
    places: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def calls(self) -> float:
        """Launches in a training step."""
        return sum(each.calls for each in self.entries)

    @property
    def cost(self) -> Cost:
        """What it costs altogether."""
        return total(each.cost for each in self.entries)


def entries_of(program: Program, spent: Spent, batch: int, limits: Limits) -> tuple[Entry, ...]:
    """Return the entries of a program, in its order."""
    found: list[Entry] = []
    moved = iter(traffic(program, batch, limits.threads, limits.caches))
    seconds = spent.calls.sum(axis=0) / limits.clock / spent.steps / limits.threads
    launches = spent.launches.sum(axis=0) / spent.steps
    first, rows = 0, {"rows": batch}
    steps = [(number, phase, step) for number, phase in enumerate(program.phases, 1) for step in phase.steps]
    for number, (phase_number, phase, step) in enumerate(steps, 1):
        rest = step.calls
        alone = isinstance(step.work, Each) and not step.work.extents
        for portion in portions(step):
            calls = slice(first, first + portion.calls)
            made_for = [each for each in rest[: portion.calls] if each.is_made(rows)]
            kernels = tuple(dict.fromkeys(each.kernel for each in made_for))
            flops = float(portion.flops.value(rows)) * phase.times
            cost = _cost(float(seconds[calls].sum()), flops, next(moved), limits)
            made = float(launches[calls].sum())
            found.append(Entry(number, phase_number, kernels, made, alone, portion.origins, cost))
            first, rest = first + portion.calls, rest[portion.calls :]
    return tuple(found)


def entries_of_device(
    program: Program, seconds: Sequence[float], batch: int, limits: Limits
) -> tuple[Entry, ...]:
    """Return the entries of a device's program, in its order, by the seconds of each launch."""
    found: list[Entry] = []
    launches = [(phase, step) for phase in program.phases for step in phase.steps]
    numbers = {id(phase): number for number, phase in enumerate(program.phases, 1)}
    for number, ((phase, step), each) in enumerate(zip(launches, seconds, strict=False), 1):
        flops, moved = (
            float(count.value({"rows": batch})) * phase.times for count in (step.flops, step.bytes)
        )
        cost = _cost(each * phase.times, flops, {"memory": int(moved)}, limits)
        kernels = tuple(call.kernel for call in step.calls) or ("the library's",)
        found.append(Entry(number, numbers[id(phase)], kernels, phase.times, False, step.origins, cost))
    return tuple(found)


def by_line(profile: Profile) -> list[LineCost]:
    """Return the lines that cost something, the dearest first.

    What a kernel does for several lines is divided among them by their operations.
    """
    found: dict[tuple[str, int, str], dict[Role, list[Cost]]] = {}
    for entry in profile.entries:
        origins = entry.origins or (Origin("what the program needs itself"),)
        whole = sum(each.work for each in origins) or 1
        for each in origins:
            roles = found.setdefault(_place(each), {})
            roles.setdefault(role_of(each), []).append(entry.cost.times(each.work / whole))
    lines = [
        LineCost(*place, {role: total(costs) for role, costs in roles.items()})
        for place, roles in found.items()
    ]
    return sorted(lines, key=lambda each: -each.cost.seconds)


def by_kernel(profile: Profile) -> list[KernelCost]:
    """Return the kernels for each line and role, the dearest first."""
    found: dict[tuple[tuple[str, ...], Role, tuple[str, ...]], list[Entry]] = {}
    for entry in profile.entries:
        places = tuple(dict.fromkeys(map(place_of, entry.origins)))
        role = role_of(entry.origins[-1]) if entry.origins else "forward"
        found.setdefault((entry.kernels, role, places), []).append(entry)
    kernels = [KernelCost(*key, tuple(entries)) for key, entries in found.items()]
    return sorted(kernels, key=lambda each: -each.cost.seconds)


def role_of(origin: Origin) -> Role:
    """Return what an origin is computed for."""
    match origin.of:
        case "gradient" | "update":
            return origin.of
    return "forward"


def place_of(origin: Origin) -> str:
    """Return the line of an origin, or what it is where it stands in none."""
    source, line, text = _place(origin)
    return f"{source}:{line}" if line else text


def _place(origin: Origin) -> tuple[str, int, str]:
    if origin.span is None:
        return "", 0, origin.formula if not origin.path else origin.path
    source, line = origin.span.source, origin.span.line
    return source.name, line, source.text.splitlines()[line - 1].strip()


def _cost(seconds: float, flops: float, moved: Traffic, limits: Limits) -> Cost:
    by: dict[Bound, float] = {"arithmetic": flops / limits.flops}
    by.update({level: number / limits.bandwidth[level] for level, number in moved.items()})
    traffic_alone = sum(each for name, each in by.items() if name != "arithmetic")
    return Cost(seconds, flops, float(sum(moved.values())), max(by["arithmetic"], traffic_alone), by)

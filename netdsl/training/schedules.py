"""Schedules with memory: evaluated at the end of an epoch, from figures and states of their own."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from netdsl.lazy_dataclass import dataclass

Advance: TypeAlias = Callable[[Mapping[str, float]], tuple[float, Mapping[str, float]]]
"""From figures ("valid.loss"), scalars (`epoch`) and states, by name, to the new value and the new states."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule as the trainer sees it: the scalar it sets, where it starts, how it goes on."""

    name: str
    start: float
    states: Mapping[str, float]
    advance: Advance


class Schedules:
    """The schedules of a training, with what they hold at the moment."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = tuple(schedules)
        self._states = {each.name: dict(each.states) for each in schedules}
        self.values = {each.name: each.start for each in schedules}

    def advance(self, known: Mapping[str, float]) -> None:
        """Take each schedule to the next epoch, by the figures and scalars at the end of one."""
        for each in self._schedules:
            value, states = each.advance({**known, **self._states[each.name]})
            self.values[each.name] = float(value)
            self._states[each.name] = {name: float(state) for name, state in states.items()}

    def save(self) -> dict[str, dict[str, object]]:
        """Return what a checkpoint keeps."""
        return {
            name: {"value": value, "states": dict(self._states[name])} for name, value in self.values.items()
        }

    def restore(self, saved: Mapping[str, Mapping[str, object]]) -> None:
        """Go back to what `save` returned."""
        for name in self.values:
            kept = saved[name]
            states = kept["states"]
            assert isinstance(states, Mapping)
            self.values[name] = float(str(kept["value"]))
            self._states[name] = {key: float(state) for key, state in states.items()}

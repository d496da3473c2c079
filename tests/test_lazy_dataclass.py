"""Data classes whose methods are written when they are called are as those of the standard library."""

import copy
import dataclasses
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from netdsl import lazy_dataclass

Decorator = Callable[..., Any]


def point(dataclass: Decorator, **settings: bool) -> Any:
    @dataclass(**settings)
    class Point:
        """A point."""

        x: int
        tags: "list[str]" = dataclasses.field(default_factory=list)
        y: int = 7
        seen: int = dataclasses.field(default=3, compare=False, repr=False)

    return Point


def sum_of(dataclass: Decorator, **settings: bool) -> Any:
    @dataclass(**settings)
    class Sum:
        a: int
        total: int = dataclasses.field(init=False)
        parts: list[int] = dataclasses.field(init=False, default_factory=list)
        start: int = dataclasses.field(init=False, default=5)

        def __post_init__(self) -> None:
            object.__setattr__(self, "total", self.a + self.start)

    return Sum


def longer(dataclass: Decorator, **settings: bool) -> Any:
    @dataclass(**settings)
    class Short:
        a: int
        b: int = 2

    @dataclass(**settings)
    class Long(Short):
        c: int = 3

        def __repr__(self) -> str:
            return "long"

        def __hash__(self) -> int:
            return 1

    return Long


def nothing(dataclass: Decorator, **settings: bool) -> Any:
    @dataclass(**settings)
    class Nothing:
        pass

    return Nothing


SETTINGS = [
    {},
    {"slots": True},
    {"frozen": True},
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "eq": False},
    {"slots": True, "eq": False},
]


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except (TypeError, AttributeError) as error:
        # The message of a missing argument begins with the qualified name of the function.
        return type(error), str(error).rpartition(".")[2]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(
    ("define", "given"),
    [
        (point, [(1,), (1, ["a"]), (1, ["a"], 3), (1, [], 3, 4), (), (1, [], 3, 4, 5)]),
        (sum_of, [(1,), (2,), ()]),
        (longer, [(1,), (1, 2, 3), (2, 2, 3), (1, 2, 3, 4)]),
        (nothing, [(), (1,)]),
    ],
)
def test_objects_are_made_compared_shown_and_hashed_alike(
    settings: dict[str, bool], define: Callable[..., Any], given: list[tuple[Any, ...]]
) -> None:
    ours, theirs = (define(each, **settings) for each in (lazy_dataclass.dataclass, dataclasses.dataclass))
    made: list[tuple[Any, Any]] = []
    for arguments in given:
        mine, yours = (outcome(partial(kind, *arguments)) for kind in (ours, theirs))
        assert isinstance(mine, tuple) == isinstance(yours, tuple)
        if isinstance(mine, tuple):
            assert mine == yours
        else:
            made.append((mine, yours))
    assert made
    for mine, yours in made:
        assert [getattr(mine, each.name) for each in dataclasses.fields(ours)] == [
            getattr(yours, each.name) for each in dataclasses.fields(theirs)
        ]
        if settings.get("eq", True):
            assert repr(mine).replace("[...]", "") == repr(yours)
        assert (type(mine).__hash__ is None) == (type(yours).__hash__ is None)
        assert (mine == 1, mine != 1, mine == yours) == (False, True, False)
        for other_mine, other_yours in made:
            assert (mine == other_mine) == (yours == other_yours)


def test_hashes_follow_equality() -> None:
    kind = longer(lazy_dataclass.dataclass, frozen=True).__mro__[1]
    assert hash(kind(1)) == hash(kind(1, 2)) == hash((1, 2))
    assert len({kind(1), kind(1, 2), kind(1, 3)}) == 2


@pytest.mark.parametrize("slots", [False, True])
def test_what_is_frozen_stays(slots: bool) -> None:
    made = point(lazy_dataclass.dataclass, frozen=True, slots=slots)(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        made.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del made.x
    assert dataclasses.replace(made, x=2) == type(made)(2)
    assert made.x == 1


def test_what_is_not_frozen_changes_and_has_no_hash() -> None:
    made = point(lazy_dataclass.dataclass, slots=True)(x=1)
    made.x = 4
    assert made == type(made)(4)
    with pytest.raises(TypeError, match="unhashable"):
        hash(made)
    with pytest.raises(AttributeError):
        made.z = 1


def test_the_standard_library_knows_them() -> None:
    made = point(lazy_dataclass.dataclass, frozen=True, slots=True)(1, ["a"])
    assert [dataclasses.is_dataclass(each) for each in (made, type(made))] == [True, True]
    assert dataclasses.asdict(made) == {"x": 1, "tags": ["a"], "y": 7, "seen": 3}
    assert type(made).__match_args__ == ("x", "tags", "y", "seen")
    assert copy.copy(made) == made
    assert copy.deepcopy(made) == made


@lazy_dataclass.dataclass(frozen=True, slots=True)
class Kept:
    """A class that a pickle can name."""

    inner: Any


def test_pickles_and_cycles() -> None:
    made = Kept([1, (2,)])
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301 (our own)
    made.inner.append(made)
    assert repr(made) == "Kept(inner=[1, (2,), ...])"


def test_defaults_are_made_anew() -> None:
    kind = point(lazy_dataclass.dataclass)
    kind(1).tags.append("a")
    assert kind(1).tags == []

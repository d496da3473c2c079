"""The data classes of the standard library, but for when their methods are written.

`dataclasses.dataclass` compiles up to six functions for each class when its module is imported, 0.3 ms. A
start imports 240 such classes, makes objects of 170 and calls few of their other methods. Here a method
writes the real one in its place when it is first called, and what need not be fast is one function for all
classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, field, replace
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type], type]:
        """Make a data class, as the standard library's decorator does with the same settings."""

        def decorate(plain: type) -> type:
            own = set(vars(plain))
            plain.__doc__ = plain.__doc__ or plain.__name__
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(plain)
            for name, method in _methods(made, frozen, slots, eq).items():
                if name not in own:
                    setattr(made, name, method)
            return made

        return decorate


def _methods(made: type, frozen: bool, slots: bool, eq: bool) -> dict[str, Any]:
    methods: dict[str, Any] = {"__init__": _later(made, frozen, _init), "__repr__": _repr}
    if eq:
        methods["__eq__"] = _later(made, frozen, _equal)
        methods["__hash__"] = _later(made, frozen, _hash) if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _restore}
    return methods


def _later(made: type, frozen: bool, write: Callable[[type, bool], Any]) -> Callable[..., Any]:
    """Return a method that puts the one that is written in its place, and goes on there."""

    def method(self: Any, *given: Any, **named: Any) -> Any:
        written = write(made, frozen)
        written.__qualname__ = f"{made.__qualname__}.{written.__name__}"
        setattr(made, written.__name__, written)
        return written(self, *given, **named)

    return method


def _init(made: Any, frozen: bool) -> Any:
    known: dict[str, Any] = {"_set": object.__setattr__, "_absent": MISSING}
    parameters, lines = ["self"], []
    for each in dataclasses.fields(made):
        name = value = each.name
        if each.default_factory is not MISSING:
            known[f"_make_{name}"] = each.default_factory
            value = f"_make_{name}()" + (f" if {name} is _absent else {name}" if each.init else "")
            parameter = f"{name}=_absent"
        elif each.default is not MISSING:
            known[f"_default_{name}"] = each.default
            parameter = f"{name}=_default_{name}"
            value = name if each.init else f"_default_{name}"
        else:
            parameter = name
        if each.init:
            parameters.append(parameter)
        if each.init or value != name:
            lines.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(made, "__post_init__"):
        lines.append("self.__post_init__()")
    return _compiled("__init__", parameters, lines or ["pass"], known)


def _equal(made: Any, _: bool) -> Any:
    own, others = (_values(made, of) for of in ("self", "other"))
    lines = ["if other.__class__ is self.__class__:", f" return {own} == {others}", "return NotImplemented"]
    return _compiled("__eq__", ["self", "other"], lines, {})


def _hash(made: Any, _: bool) -> Any:
    return _compiled("__hash__", ["self"], [f"return hash({_values(made, 'self')})"], {})


def _values(made: Any, of: str) -> str:
    """Return the text of a tuple of all values that are compared."""
    return "(" + "".join(f"{of}.{each.name}," for each in dataclasses.fields(made) if each.compare) + ")"


def _compiled(name: str, parameters: list[str], lines: list[str], known: dict[str, Any]) -> Any:
    text = f"def {name}({', '.join(parameters)}):\n " + "\n ".join(lines)
    exec(text, known)  # noqa: S102 (names of fields, which are a module's own)
    return known[name]


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_to_set(_: object, name: str, value: object) -> None:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_: object, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:
    for each, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)

"""A built-in function of the language: its parameters and what it does, and how arguments are matched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.elsewhere import setting_here, setting_hint
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item
from netdsl.semantics.problems import MistakeError, mistake, unknown

Given: TypeAlias = Mapping[str, tuple[Item, Span]]
"""Arguments by the name of the parameter, each with its place."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A built-in function.

    `parameters` are the names of its arguments in order; the first `required` of them must be given, the
    others may. `rest` lets the first parameter take any number of arguments. `initializer` tells a function
    that can stand for an initializer, `elementwise` one that can stand for an activation. The parameters in
    `named` are handed over as the text of a name (`valid.loss`), which stands for nothing by itself; those
    in `words` take these bare words too (`pad=same`); to those in `partial` a layer may be given with some of
    its tensors, and is applied to the others by the function.
    """

    name: str
    parameters: tuple[str, ...]
    required: int
    run: Callable[[Site, Given], Item]
    rest: bool = False
    initializer: bool = False
    elementwise: bool = False
    named: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    partial: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """Write how it is called: `clip(x, low, high)`."""
        shown = [
            *self.parameters[: self.required],
            *(f"{each}=…" for each in self.parameters[self.required :]),
        ]
        return f"{self.name}({', '.join(shown)})"


def match_arguments(
    function: Function,
    positional: Sequence[tuple[Item, Span]],
    named: Sequence[tuple[str, Span, Item, Span]],
    place: Span,
) -> dict[str, tuple[Item, Span]]:
    """Return the arguments by parameter. Raises MistakeError for one too many, unknown, twice or missing."""
    given: dict[str, tuple[Item, Span]] = {}
    if function.rest:
        given[function.parameters[0]] = (tuple(item for item, _ in positional), place)
    else:
        if len(positional) > len(function.parameters):
            raise mistake(
                "E0204",
                f"`{function.name}` takes at most {len(function.parameters)} arguments",
                positional[len(function.parameters)][1],
                "one too many",
                help=f"it is called `{function.usage}`",
            )
        given.update(zip(function.parameters, positional, strict=False))
    for name, name_span, item, span in named:
        if name not in function.parameters:
            raise unknown_argument(function, name, name_span)
        if name in given:
            raise mistake("E0203", f"`{name}` is given twice", name_span, "given before")
        given[name] = (item, span)
    missing = [each for each in function.parameters[: function.required] if each not in given]
    if missing:
        raise mistake(
            "E0202",
            f"`{function.name}` also needs `{missing[0]}`",
            place,
            f"`{missing[0]}` is missing",
            help=f"it is called `{function.usage}`",
        )
    return given


def unknown_argument(function: Function, name: str, span: Span) -> MistakeError:
    """Return the error for an argument that a function has not."""
    meant = setting_here(name, function.parameters)
    return unknown(
        "E0201",
        "argument",
        name,
        span,
        function.parameters,
        meant=meant,
        hint=None if meant else setting_hint(name),
        listing=f"it is called `{function.usage}`, with",
        place=f"of `{function.name}`",
    )

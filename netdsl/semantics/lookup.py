"""What a name stands for in a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from netdsl.diagnostics import Fix, Label
from netdsl.semantics.elsewhere import name_here, name_hint
from netdsl.semantics.files import Found, Module, find
from netdsl.semantics.frame import Frame, Site
from netdsl.semantics.functions import FUNCTIONS, WORDS
from netdsl.semantics.items import Item, Leaf, Poison, Recipe, Record, Tensor, Tool, Word, describe
from netdsl.semantics.problems import MistakeError, PoisonedError, mistake, unknown
from netdsl.syntax import tree

CONSTANTS: Final = {"pi": math.pi}


def lookup(name: tree.Name, frame: Frame) -> Item | Found:
    """Return what a name stands for: an item, or a declaration.

    A body's own names come first, then what its kind sees, then the file's declarations, its imports and
    the library, then built-in functions and words.
    Errors: E0101 when nothing has that name, E0104 when two things have it.
    """
    text = name.text
    if text in frame.names:
        return _sound(frame.names[text])
    found = find(frame.module, text, name.span)
    special = text in frame.specials or text in frame.functions
    if special and found is not None and not found.module.is_library and not frame.module.is_library:
        raise _ambiguous(name, frame, found)
    if text in frame.specials:
        return special_item(frame.specials[text], frame.site(name.span))
    if text in frame.functions:
        return Tool(frame.functions[text])
    if found is not None:
        return found
    return _builtin(name, frame)


def _builtin(name: tree.Name, frame: Frame) -> Item:
    text = name.text
    if text in FUNCTIONS:
        return Tool(FUNCTIONS[text])
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text in frame.words or text in WORDS:
        return Word(text)
    raise missing(name, frame)


def _sound(item: Item) -> Item:
    if isinstance(item, Poison):
        raise PoisonedError
    return item


def special_item(item: Item, site: Site) -> Item:
    """Return a special name's item: a leaf of the graph as a tensor."""
    if not isinstance(item, Leaf):
        return item
    if item.name == "progress":
        share = site.add("divide", site.add("scalar", name="step"), site.add("scalar", name="steps"))
        return Tensor(share)
    value = site.add("scalar", name=item.name)
    if item.flag:
        value = site.add("greater", value, site.constant(0.5))
    return Tensor(value, unit=item.unit)


def _ambiguous(name: tree.Name, frame: Frame, found: Found) -> MistakeError:
    return mistake(
        "E0104",
        f"`{name.text}` could mean two things in a {frame.kind}",
        name.span,
        f"what every {frame.kind} sees by this name",
        secondary=[Label(found.declaration.span, "and this has the same name")],
        help="give your declaration another name",
    )


def visible(frame: Frame) -> Iterator[str]:
    """Yield every name that a frame sees."""
    yield from frame.names
    yield from frame.specials
    yield from frame.functions
    yield from frame.words
    yield from frame.module.visible()
    yield from FUNCTIONS
    yield from frame.module.aliases


def missing(name: tree.Name, frame: Frame) -> MistakeError:
    """Return the error for a name that nothing has."""
    kinds = next((kinds for kinds, names in SEEN_BY if name.text in names), None)
    if kinds is not None and frame.kind not in kinds:
        where = " and ".join(_PLURALS.get(kind, f"{kind}s") for kind in kinds)
        return mistake("E0111", f"`{name.text}` is for {where} only", name.span, f"this is a {frame.kind}")
    known = set(visible(frame))
    here = name_here(name.text, known)
    if here is not None:
        message, cure = f"there is no name `{name.text}`", f"it is `{here}` here"
        return mistake("E0101", message, name.span, "not known", help=cure, fix=Fix(name.span, here))
    return unknown("E0101", "name", name.text, name.span, known, hint=name_hint(name.text))


_PLURALS: Final = {"loss": "losses", "penalty": "penalties"}

SEEN_BY: Final = (
    (("layer", "model"), ("weight", "offset", "gain", "running", "training")),
    (("loss", "metric"), ("batch_size", "examples", "classes")),
    (("initializer",), ("fan_in", "fan_out", "shape")),
    (("optimizer",), ("t", "w", "g")),
    (("schedule",), ("step", "epoch", "now", "steps", "epochs", "progress", "logged")),
    (("scaler", "loss"), ("fit",)),
)
"""Which names the kinds of definitions see besides their own."""


def in_module(alias: tree.Name, module: Module, name: tree.Name) -> Found:
    """Return a declaration of an import: `m.dense`."""
    if name.text not in module.declarations:
        raise unknown("E0101", "name", name.text, name.span, module.declarations, place=f"in `{alias.text}`")
    return Found(module.declarations[name.text], module)


def field_of(item: Item, name: tree.Name, owner: str) -> Item:
    """Return a field of a record: an output of a model."""
    if not isinstance(item, Record):
        raise mistake(
            "E0101", f"`{owner}` is {describe(item)} and has no `{name.text}`", name.span, "no such part"
        )
    if name.text not in item.fields:
        raise unknown("E0101", "output", name.text, name.span, item.fields, place=f"of `{owner}`")
    return _sound(item.fields[name.text])


def not_a_value(found: Found, name: tree.Name) -> MistakeError:
    """Return the error for a data or train block where a value is meant."""
    assert isinstance(found.declaration, tree.Section)
    return mistake(
        "E0105",
        f"`{name.text}` is a {found.declaration.kind} block, not a value",
        name.span,
        "cannot stand here",
    )


def as_recipe(found: Found) -> Recipe:
    """Return a definition as an item."""
    assert isinstance(found.declaration, tree.Definition)
    return Recipe(found.declaration, found.module)

"""Warnings of uses that are allowed, and most likely not meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netdsl.diagnostics import Diagnostic, Span
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item, Recipe, Tensor, is_number
from netdsl.semantics.problems import warning
from netdsl.syntax import tree

_SQUASHING: Final = frozenset({"softmax", "sigmoid"})
_WANTS: Final = {
    "cross_entropy": "softmax",
    "focal": "softmax",
    "binary_cross_entropy": "sigmoid",
    "binary_focal": "sigmoid",
}


def suspect_use(recipe: Recipe, tensors: Mapping[str, Item], site: Site) -> None:
    """Warn of a layer of the library after one with which it makes no sense."""
    if not recipe.module.is_library or site.frame.module.is_library:
        return
    before = next((each.made for each in tensors.values() if isinstance(each, Tensor) and each.made), None)
    tell = site.frame.world.problems.tell
    match recipe.name:
        case "dense" | "pointwise" as name if before == name:
            tell(
                warning(
                    "W0302",
                    "two dense layers with nothing between them are one linear function",
                    site.span,
                    f"straight after another `{name}`",
                    help=f"put an activation between them: `{name}(…) -> relu -> {name}(…)`",
                )
            )
        case name if name in _SQUASHING and before in _SQUASHING:
            tell(
                warning(
                    "W0301",
                    f"`{name}` after `{before}` flattens what it is given",
                    site.span,
                    "once is enough",
                )
            )


def suspect_settings(recipe: Recipe, given: Mapping[str, tuple[Item, Span]], site: Site) -> None:
    """Warn of settings of the library that hardly anything learns with, where they are written in a file."""
    if not recipe.module.is_library or site.frame.module.is_library:
        return
    for name, (item, span) in given.items():
        if isinstance(item, (int, float)) and is_number(item):
            message = _suspicious(recipe, name, item)
            if message is not None:
                told, cure = message
                site.frame.world.problems.tell(warning("W0202", told, span, "unusual", help=cure))


def _suspicious(recipe: Recipe, name: str, value: float) -> tuple[str, str] | None:
    """Return what is told of a value that is most likely not meant, and what may be meant instead."""
    if recipe.kind == "optimizer" and name == "lr" and value > max(1.0, 10 * _default(recipe, name)):
        return f"a learning rate of {value:g} is very large", f"the usual one is {_default(recipe, name):g}"
    if recipe.kind == "layer" and name == "rate" and "dropout" in recipe.name and value > 0.9:
        kept = f"a course's keep_prob of {value:g} is `{recipe.name}({100 * (1 - value):.3g}%)`"
        return f"`{recipe.name}` drops {value:.3%} of the values".replace(".000%", "%"), kept
    return None


def _default(recipe: Recipe, name: str) -> float:
    """Return the default of a setting, 0 if it is no plain number."""
    defaults = (each.default for each in recipe.definition.settings if each.name.text == name)
    return next((float(each.value) for each in defaults if isinstance(each, tree.Number)), 0.0)


def suspect_loss(recipe: Recipe, tensors: Mapping[str, Item], site: Site) -> None:
    """Warn of a loss that takes probabilities and is given scores."""
    wanted = _WANTS.get(recipe.name) if recipe.module.is_library else None
    output = next((each for each in tensors.values() if isinstance(each, Tensor) and each.output), None)
    if wanted is None or output is None:
        return
    if wanted == "softmax" and output.made == "sigmoid" and output.shape[-1:] > (1,):
        site.frame.world.problems.tell(_many_sigmoids(recipe, output, site))
    if output.made not in ("dense", "pointwise", "relu", "tanh"):
        return
    site.frame.world.problems.tell(
        warning(
            "W0602",
            f"`{recipe.name}` takes probabilities, and `{output.output}` ends with `{output.made}`",
            site.told_at,
            "may take the logarithm of a negative number",
            help=f"end the model with `-> {wanted}`",
        )
    )


def _many_sigmoids(recipe: Recipe, output: Tensor, site: Site) -> Diagnostic:
    return warning(
        "W0604",
        f"`{recipe.name}` takes the probabilities of classes, and `{output.output}` ends with `sigmoid`",
        site.told_at,
        "they should add up to 1",
        help="end the model with `-> softmax`; where several classes may be true, the loss is "
        "`binary_cross_entropy`",
    )

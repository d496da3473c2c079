"""Warnings of uses that are allowed, and most likely not meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item, Recipe, Tensor
from netdsl.semantics.problems import warning

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


def suspect_loss(recipe: Recipe, tensors: Mapping[str, Item], site: Site) -> None:
    """Warn of a loss that takes probabilities and is given scores."""
    wanted = _WANTS.get(recipe.name) if recipe.module.is_library else None
    output = next((each for each in tensors.values() if isinstance(each, Tensor) and each.output), None)
    if wanted is None or output is None or output.made not in ("dense", "pointwise", "relu", "tanh"):
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

"""Checks every name of the user's files, also where nothing uses a definition, and tells what is never used."""

from __future__ import annotations

from netdsl.semantics.expressions import param_item
from netdsl.semantics.files import Found
from netdsl.semantics.frame import Frame, World
from netdsl.semantics.problems import warning
from netdsl.syntax import tree


def check_names(world: World) -> None:
    """Tell every name that nothing has."""


def check_params(world: World) -> None:
    """Tell every param whose value does not fit, used or not."""
    for module in world.files.modules:
        for name, each in module.declarations.items():
            if isinstance(each, tree.Param):
                with world.problems.statement():
                    param_item(each, Found(each, module), Frame(world, module, "param"))
                del name


def tell_unused(world: World) -> None:
    """Warn of params of the main file that nothing uses."""
    main = world.files.main
    for name, each in main.declarations.items():
        if isinstance(each, tree.Param) and (main.name, name) not in world.used:
            world.problems.tell(warning("W0101", f"the param `{name}` is never used", each.name.span, "not used"))

"""The operations of the graph, each defined in one place."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from netdsl.graph import Operation
from netdsl.operations import (
    convolution,
    elementwise,
    leaves,
    linear,
    lowered,
    movement,
    pooling,
    random,
    ranking,
    reduction,
    scan,
)
from netdsl.operations.linear import product

REGISTRY: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        each.name: each
        for family in (
            leaves,
            elementwise,
            reduction,
            ranking,
            linear,
            movement,
            random,
            convolution,
            pooling,
            scan,
            lowered,
        )
        for each in family.OPERATIONS
    }
)
"""Every operation by its name."""

__all__ = ["REGISTRY", "product"]

"""Which values lie with an example in each lane: what stands around convolutions of few channels.

Panels of 16 channels are mostly empty there, and sums wait for each other. With 16 examples side by side no
lane is wasted, however few channels there are, and what a window sees needs no shuffles.
"""

from __future__ import annotations

from typing import Final

from netdsl.graph import BATCH, Graph, is_batched
from netdsl.passes.contractions import in_memory, is_flattening, is_sum_over_places
from netdsl.passes.convolutions import (
    CONVOLUTIONS,
    POOLS,
    POOLS_BACK,
    images_of,
    is_lanewise,
    kernel_shape,
)
from netdsl.passes.joining import reads_of
from netdsl.passes.lanes import extent_of
from netdsl.passes.layouts import Layouts, lanes_domain
from netdsl.program import LANES, Cut, Examples, Group, Part, Template, Unit, Whole
from netdsl.program.layout import columns, places

FEW_CHANNELS: Final = 8
"""Channels before or behind a convolution up to which 16 examples in the lanes are faster than channels."""

WASTE: Final = 0.25
"""The part of the lanes, at most, that may be without an example in a batch."""

CUT: Final[Cut] = Examples(LANES)
"""How all work on values with an example in each lane is cut."""


def values_by_examples(layouts: Layouts, rows: int | None) -> frozenset[int]:
    """Return the values that lie with an example in each lane, in batches of so many rows.

    They are those around convolutions of few channels all of whose makers and readers can go along examples.
    """
    if rows is None or layouts.is_body or -(-rows // LANES) * LANES > (1 + WASTE) * rows:
        return frozenset()
    return _Search(layouts).found()


class _Search:
    """Begins with all values that could lie so, and takes away what somebody cannot make or read."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts, self._graph = layouts, layouts.graph
        kept = {in_memory(self._graph, each, layouts.lying) for each in self._graph.roots()}
        self._values = {
            index
            for group in layouts.grouping.groups
            for index in group.stores
            if _has_places(self._graph, index)
        } - (kept | layouts.turned)
        self._touched = {group: touched_by(layouts, group) for group in layouts.grouping.groups}

    def found(self) -> frozenset[int]:
        """Return the values that are left."""
        changed = True
        while changed:
            barred = {
                each
                for group, touched in self._touched.items()
                if touched & self._values and not self._goes(group)
                for each in touched & self._values
            }
            self._values -= barred
            changed = bool(barred)
        return frozenset(self._around_convolutions())

    def _around_convolutions(self) -> set[int]:
        """Return the values that go together with those of some convolution."""
        found = {
            each
            for group, touched in self._touched.items()
            if self._graph[group.stores[0]].operation.name in CONVOLUTIONS
            for each in touched & self._values
        }
        size = -1
        while size != (size := len(found)):
            for touched in self._touched.values():
                if touched & found:
                    found |= touched & self._values
        return found

    def _goes(self, group: Group) -> bool:
        """Tell whether a group that touches some of the values can be computed along examples."""
        index = group.stores[0]
        match group.form:
            case "windows" if self._graph[index].operation.name in CONVOLUTIONS:
                return self._layouts.is_convolution(group) and self._is_narrow(index)
            case "windows" if self._graph[index].operation.name in (*POOLS, *POOLS_BACK):
                return self._layouts.is_pool(group) and self._touched[group] <= self._values
            case "loops" if group.nodes == (index,) and is_flattening(self._graph, index):
                return True
            case "loops" if group.nodes == (index,) and is_sum_over_places(self._graph, index):
                return index in self._layouts.panels
            case "loops":
                return self._goes_along(group)
        return False

    def _is_narrow(self, index: int) -> bool:
        """Tell whether a convolution has few channels on one side; its images may come row by row."""
        before, behind = (in_memory(self._graph, each, self._layouts.lying)
                          for each in images_of(self._graph, index))  # fmt: skip
        few = min(columns(self._graph[each].shape) for each in (before, behind)) <= FEW_CHANNELS
        most = max(columns(self._graph[each].shape) for each in (before, behind))
        is_there = before in self._values or (
            before not in self._layouts.panels and self._graph[index].operation.name != "convolve_input"
        )
        fits = few and most <= MOST_CHANNELS and not is_lanewise(self._graph, index)
        return (
            fits and is_there and behind in self._values and len(kernel_shape(self._graph, index)) in (3, 4)
        )

    def _goes_along(self, group: Group) -> bool:
        """Tell whether a group is element-wise along values of the layout, offsets and numbers."""
        domain = lanes_domain(self._graph, group)
        if domain is None or domain.batches != 1 or domain.places == 1:
            return False
        extents = {each: extent_of(self._graph[each].shape, domain) for each in self._touched[group]}
        return all(
            each in self._values if extent == "full" else extent in ("vector", "number")
            for each, extent in extents.items()
        )


MOST_CHANNELS: Final = 32
"""Channels on either side up to which the sums of a kernel's gradient, a line for each weight, stay in the
second cache."""


def touched_by(layouts: Layouts, group: Group) -> frozenset[int]:
    """Return what a group stores and what it reads from memory."""
    unit = Unit((Part("loops", group),), Whole())
    return frozenset(group.stores) | frozenset(reads_of(layouts.graph, unit, layouts.lying))


def _has_places(graph: Graph, index: int) -> bool:
    shape = graph[index].shape
    return is_batched(shape) and shape[0] == BATCH and places(shape) > 1


def example_unit(layouts: Layouts, group: Group) -> Unit | None:
    """Return the unit of a group that touches values with an example in each lane."""
    if not touched_by(layouts, group) & layouts.examples:
        return None
    index = group.stores[0]
    template: Template = "lanes"
    if layouts.graph[index].operation.name in CONVOLUTIONS:
        template = "convolution"
    elif group.form == "windows":
        template = "pool"
    elif is_sum_over_places(layouts.graph, index):
        template = "sums"
    elif group.nodes == (index,) and is_flattening(layouts.graph, index):
        template = "turn"
    return Unit((Part(template, group),), CUT)

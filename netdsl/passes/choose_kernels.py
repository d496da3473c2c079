"""Choose for each group what computes it, how its work is cut, and in which layout its values lie."""

from __future__ import annotations

from typing import Final

from netdsl.graph import Graph, Shape, batches, count, is_batched
from netdsl.passes.contractions import in_memory, is_sum_over_places
from netdsl.passes.convolutions import images_of, is_by_winograd, is_lanewise
from netdsl.passes.example_lanes import example_unit, values_by_examples
from netdsl.passes.joining import Joining, passing
from netdsl.passes.lanes import domain_of, goes_along_lanes
from netdsl.passes.layouts import Layouts, is_column_sum, lanes_domain
from netdsl.program import (
    LANES,
    Choice,
    Cut,
    Examples,
    Group,
    Grouping,
    Lines,
    Panels,
    Part,
    Rows,
    Tiles,
    Unit,
    Whole,
)
from netdsl.program.layout import columns, places

CHUNK: Final = 64
"""Rows of a weight's tile, at most: what an optimizer reads of two of them then fits into the first cache."""

CHUNK_OF_MANY: Final = 256
MANY_TILES: Final = 32
"""Rows of a tile, at most, where there are so many tiles all the same: Y of a gradient X^T Y is read once for
each row of tiles, from beyond the second cache, through which weights and states go meanwhile. With tile
registers gradients of W1 take 0.25 instead of 0.35 ms."""

CHUNK_OF_TAPS: Final = 1024
TILES: Final = 8
"""Rows of a tile of a convolution's kernel, at most, and how many tiles there are at least, for threads to
share: for each of them all images are read, from memory."""

MANY: Final = 4
"""Panels from which on the work of a product is cut by panels; with fewer it is cut by rows."""

TURN: Final = 32
"""Examples of a piece in the body of a loop. With 16 all is read a kilobyte at a time, and gates take a
third longer; with 64 two threads would have nothing to share of a batch of 64. Shares end where 16 do."""

TOGETHER: Final = 64
"""Rows of a piece, at least, where the rows of an example are its places."""


def choose_kernels(grouping: Grouping, rows: int | None = None) -> Choice:
    """Choose kernels and layouts, and join units that follow each other on the same pieces.

    `rows` are those of the batches that a program is for, where that is known.

    Values go into panels where a product of the library reads or writes them, and from there to all that is
    computed beside them, element by element; weights lie as their products read them.
    """
    layouts = Layouts(grouping)
    layouts.spread()
    layouts.examples = values_by_examples(layouts, rows)
    layouts.panels -= layouts.examples
    return _choice(layouts)


def _choice(layouts: Layouts) -> Choice:
    grouping = layouts.grouping
    units = [_unit(grouping, group, layouts) for group in grouping.groups]
    joined = Joining(grouping.graph, list(units), layouts.lying, layouts.examples).joined()
    passed = passing(grouping.graph, joined, layouts)
    return Choice(
        grouping.graph,
        grouping.host,
        tuple(joined),
        frozenset(layouts.panels),
        frozenset(layouts.turned),
        frozenset(passed),
        {loop: _choice(inner) for loop, inner in layouts.inside.items()},
        layouts.examples,
    )


def _unit(grouping: Grouping, group: Group, layouts: Layouts) -> Unit:
    graph = grouping.graph
    if layouts.examples and (unit := example_unit(layouts, group)):
        return unit
    match group.form:
        case "product":
            return _product_unit(graph, group, layouts)
        case "draw":
            cut = cut_of(graph, group.stores[0]) if group.stores[0] in layouts.panels else Whole()
            return Unit((Part("draw", group),), cut)
        case "scatter" | "rank" as template:
            return Unit((Part(template, group),), Whole())
        case "copy" | "loop" as template:
            return Unit((Part(template, group),), Whole())
        case "join" if layouts.is_joining(group):
            cut = cut_of(graph, group.stores[0], is_body=True) if layouts.is_body else Whole()
            return Unit((Part("join", group),), cut)
        case "part" if layouts.is_shown(group):
            return Unit((Part("part", group),), cut_of(graph, group.stores[0], is_body=True))
        case "windows" if layouts.is_convolution(group):
            return _convolution_unit(graph, group, layouts)
        case "windows" if layouts.is_pool(group):
            shape = graph[group.stores[0]].shape
            return Unit((Part("pool", group),), Examples(_together(shape), batches(shape)))
    return _loops_unit(graph, group, layouts)


def _convolution_unit(graph: Graph, group: Group, layouts: Layouts) -> Unit:
    """Cut a convolution into pieces of images, and a kernel's gradient into sums of some examples, or into
    tiles, if each of them has whole groups of 16 channels."""
    (index,) = group.stores
    shape = graph[index].shape
    cut: Cut = Whole()
    behind = graph[images_of(graph, index)[1]].shape
    if is_batched(shape):
        cut = Examples(_together(shape), batches(shape))
    elif is_summed_by_examples(graph, index):
        cut = Examples(1, batches(behind))
    elif is_by_winograd(graph, index, layouts.panels):
        cut = Examples(_summed_together(graph, index), batches(behind))
    elif is_lanewise(graph, index) or shape[-2] % 16 == 0:
        cut = tiles_of(shape)
    return Unit((Part("convolution", group),), cut)


def is_summed_by_examples(graph: Graph, index: int) -> bool:
    """Tell whether a kernel is no larger than an example's images: a sum for each example is then written and
    read sooner than the images are once more, which the unit that makes them has in the cache."""
    behind = graph[images_of(graph, index)[1]].shape
    return places(behind) >= TOGETHER and count(graph[index].shape) <= _floats_of_images(graph, index)


def _summed_together(graph: Graph, index: int) -> int:
    """Return over how many examples a kernel's gradient is summed before it is stored: until it is a quarter
    of what is read of them, but not so many that a batch of 64 had less than 8 pieces for threads to
    share."""
    in_cache = _floats_of_images(graph, index)
    return next(
        size for size in (1, 2, 4, 8) if size == 8 or 4 * count(graph[index].shape) <= size * in_cache
    )


def _floats_of_images(graph: Graph, index: int) -> int:
    before, behind = (graph[each].shape for each in images_of(graph, index))
    return places(before) * columns(before) + places(behind) * columns(behind)


def _product_unit(graph: Graph, group: Group, layouts: Layouts) -> Unit:
    (index,) = group.stores
    form = layouts.form(group)
    shape = graph[index].shape
    match form:
        case "gradient":
            return Unit((Part(form, group),), tiles_of(shape))
        case "product" if places(shape) == 1 and -(-columns(shape) // 16) < MANY and not layouts.is_body:
            return Unit((Part(form, group),), rows_of(shape))
        case "back" if not is_in_squares(shape):
            return Unit((Part(form, group),), Panels(columns(shape), batches(shape)))
        case "product" | "back":
            return Unit((Part(form, group),), cut_of(graph, index, is_body=layouts.is_body))
    return Unit((Part("any", group),), rows_of(shape))


def rows_of(shape: Shape) -> Rows | Whole:
    """Cut a value into its examples, if it has some."""
    return Rows(batches(shape)) if is_batched(shape) else Whole()


def cut_of(graph: Graph, index: int, *, is_body: bool = False) -> Cut:
    """Return how work along the lanes of a value in panels is cut: by examples where they have places, and in
    the body of a loop, so that a thread goes through all turns with its own and waits for no other."""
    shape = graph[index].shape
    if not is_batched(shape):
        return tiles_of(shape)
    if places(shape) == 1:
        return Examples(TURN, batches(shape), LANES) if is_body else Panels(columns(shape), batches(shape))
    return Examples(_together(shape), batches(shape))


def _together(shape: Shape) -> int:
    """Return how many examples make a piece of some length: a power of two."""
    size = 1
    while size * places(shape) < TOGETHER:
        size *= 2
    return size


def is_in_squares(shape: Shape) -> bool:
    """Tell whether the pieces of a value with places begin at multiples of 16 rows, where its turned copy is
    cut."""
    return places(shape) == 1 or _together(shape) * places(shape) % 16 == 0


def tiles_of(shape: Shape) -> Tiles:
    """Cut a weight into tiles of equal height, as far as multiples of 16 allow."""
    rows, panels = places(shape), -(-columns(shape) // 16)
    pieces = -(-rows // CHUNK)
    most, many = (CHUNK_OF_TAPS, TILES) if len(shape) > 2 else (CHUNK_OF_MANY, MANY_TILES)
    pieces = min(pieces, max(-(-rows // most), -(-many // panels)))
    return Tiles(rows, columns(shape), -(-rows // (16 * pieces)) * 16)


def _loops_unit(graph: Graph, group: Group, layouts: Layouts) -> Unit:
    domain = lanes_domain(graph, group)
    in_panels = all(index in layouts.panels for index in group.stores)
    if domain is not None and in_panels:
        cut = cut_of(graph, group.stores[0], is_body=layouts.is_body)
        return Unit((Part("lanes", group),), cut)
    if domain is not None and not domain.batches and _is_flat(graph, group, layouts):
        return Unit((Part("lanes", group),), Lines(count(graph[group.stores[0]].shape)))
    if (summed := _summed(graph, group, layouts)) is not None:
        return summed
    batched = all(is_batched(graph[index].shape) for index in group.stores)
    return Unit((Part("loops", group),), rows_of(graph[group.stores[0]].shape) if batched else Whole())


def _is_flat(graph: Graph, group: Group, layouts: Layouts) -> bool:
    """Tell whether all that a group reads and stores are neighbors in the same order, or numbers."""
    total = count(graph[group.stores[0]].shape)
    shapes = [graph[index].shape for index in group.nodes]
    shapes += [graph[each].shape for index in group.nodes for each in graph.operands(index)]
    same = all(count(shape) in (total, 1) and not is_batched(shape) for shape in shapes)
    around = set(group.stores) | {each for index in group.nodes for each in graph.operands(index)}
    return same and not around & layouts.panels


def _summed(graph: Graph, group: Group, layouts: Layouts) -> Unit | None:
    """Return the unit of a sum over the rows of a value in panels, or over all of a weight in panels."""
    *feed, index = group.nodes
    if graph[index].operation.name != "sum" or group.stores != (index,):
        return None
    (operand,) = graph.operands(index)
    domain = domain_of(graph, operand)
    if domain is None or domain.flat or not goes_along_lanes(graph, feed, domain):
        return None
    if domain.batches and domain.places > 1 and not is_sum_over_places(graph, index):
        return None
    operands = (each for node in group.nodes for each in graph.operands(node))
    around = {in_memory(graph, each, layouts.lying) for each in operands} - set(feed)
    if is_sum_over_places(graph, index) and around & layouts.panels and index in layouts.panels:
        return Unit((Part("sums", group),), cut_of(graph, operand))
    if is_column_sum(graph, index) and (feed or around & layouts.panels):
        return Unit((Part("columns", group),), cut_of(graph, operand))
    everything = graph[index].setting("axes") == tuple(range(len(graph[operand].shape)))
    if not domain.batches and everything and around & layouts.panels:
        return Unit((Part("total", group),), tiles_of(graph[operand].shape))
    return None

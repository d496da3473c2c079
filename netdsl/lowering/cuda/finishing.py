"""Products that go on with each sum: what the kernel of a product does with an element before it stores it.

Where the only reader of a product is an element-wise value at the same place, an offset and an activation
say, the product's kernel stores that value instead: a launch less, and the product itself is never written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Final

from netdsl.graph import Node, count, is_batched
from netdsl.kernels.cuda.kernel import Kind, Work
from netdsl.lowering.cuda.formulas import Formulas
from netdsl.lowering.cuda.library import Finish, flops_of, library_work, of_library
from netdsl.lowering.cuda.text import DeviceText
from netdsl.lowering.headers import about
from netdsl.lowering.position import Position
from netdsl.program import Grid, address, count_of, symbol

if TYPE_CHECKING:
    from netdsl.lowering.cuda.lower import Lowering
    from netdsl.lowering.cuda.plan import Plan

MOST: Final = 32
"""Elements of a thread up to which a kernel goes on with them: its text says it for each."""

FAR: Final = 1000
"""From where on variables are numbered, so that none has the name of one of the product's own kernel."""


def finished_products(plan: Plan) -> dict[int, int]:
    """Return by value the product whose kernel may make it: its only source at the same place that has a
    kernel, and nobody else's."""
    readers: dict[int, list[int]] = {}
    for index, sources in plan.reads.items():
        for each in sources:
            readers.setdefault(each, []).append(index)
    updates = frozenset(plan.graph.updates.values())
    found: dict[int, int] = {}
    for product, (reader, *others) in sorted(readers.items()):
        if others or reader in found or reader in updates or plan.graph.is_root(product):
            continue
        if _goes_on(plan, product, reader) and plan.may_finish(product):
            found[reader] = product
    return found


def _goes_on(plan: Plan, product: int, reader: int) -> bool:
    """Tell whether a value is made element by element of one of the same places."""
    alone = plan.has_own_launch(reader) or plan.is_of_library(reader)
    same = plan.reads[reader][product] and plan.space(reader) == plan.space(product)
    return (
        plan.is_of_library(product)
        and same
        and not alone
        and plan.graph[reader].dtype == "float"
        and _is_plain(plan, product, reader)
    )


def _is_plain(plan: Plan, product: int, reader: int) -> bool:
    """Tell whether what is computed on the way needs no loop: all keeps its place, or is read."""
    todo, seen = [reader], set[int]()
    while todo:
        index = todo.pop()
        if index in seen:
            continue
        seen.add(index)
        if not plan.keeps_place(index) and plan.graph[index].operation.name != "broadcast":
            return False
        todo += [
            each
            for each in plan.graph.operands(index)
            if each != product and each not in plan.stored and not plan.is_leaf(each)
        ]
    return True


def may_go_on(work: Work) -> bool:
    """Tell whether a product's kernel may go on: it leaves no pieces, and its threads make few elements."""
    if len(work.kernels) > 1:
        return False
    (kernel,) = work.kernels
    return prod(share for _, share in kernel.blocks) <= MOST * kernel.threads


@dataclass(slots=True)
class _Finishing(Formulas):
    """Writes what follows the sum `v` of a product."""

    product: int = -1

    def _made(self, index: int, node: Node, position: Position) -> str:
        return "v" if index == self.product else Formulas._made(self, index, node, position)

    def pointer(self, buffer: str, kind: Kind = "float") -> str:
        known = self.text.blocks[0].known
        key = "pointer", buffer
        if key not in known:
            known[key] = self.text.parameter(f"given{len(self.text.arguments)}", address(buffer), kind)
        return known[key]


def finish_of(shop: Lowering, index: int, product: int) -> Finish:
    """Write how a value is made of the sum of a product."""
    lists = shop.plan.host, shop.numbers, shop.fields, shop.pieces
    text = DeviceText(variables=FAR)
    of = _Finishing(shop.graph, shop.places, frozenset((index,)), *lists, text=text, product=product)
    shape = shop.graph[index].shape
    at = of.known("at", 0, None if is_batched(shape) else count(shape))
    name = of.value(index, of.unflattened(at, shape))
    (block,) = of.text.blocks
    arguments = dict(of.text.arguments)
    parameters = tuple((each, kind) for each, kind in of.text.kinds.items() if each != "rows")
    return Finish((*block.lines, f"v = {name}"), parameters, arguments)


def launch_finished(shop: Lowering, index: int) -> None:
    """Launch the kernel of a product that stores what follows it."""
    product = shop.plan.finished[index]
    finish = finish_of(shop, index, product)
    work, operands = library_work(shop.graph, product, shop.rows, shop.precision, finish)
    (made,) = work.kernels
    known = {name: address(shop.places[each].name) for name, each in operands.items()}
    known |= {"result": address(shop.places[index].name), "rows": symbol("rows"), **finish.arguments}
    kernel = replace(of_library(made), about=about(shop.graph, [product, index], [index]))
    arguments = tuple(known[parameter.name] for parameter in made.parameters)
    grid = Grid(tuple((count_of(extent), share) for extent, share in made.blocks))
    reads, flops = (*operands.values(), *shop.plan.reads[index]), flops_of(shop.graph, product)
    shop.add(kernel, arguments, grid, reads, [shop.places[index].name], shop.origins([product, index]), flops)

"""How a value reads as a formula, in text and in LaTeX."""

from __future__ import annotations

from typing import Final, Protocol

from netdsl.graph.node import Node, Setting
from netdsl.graph.shape import shape_text

FUNCTION: Final = 10
"""What an operation binds that is written as a function: its operands need no parentheses."""

SIGN: Final = 6
"""How tightly a minus sign binds."""

GROUPED: Final = {"divide": (0, 1), "power": (1,)}
"""Operands that LaTeX sets apart by itself."""

ASSOCIATIVE: Final = ("add", "multiply", "logical_and", "logical_or")
"""Operations of which several in a row need no parentheses."""


class Nodes(Protocol):
    """A graph, finished or being built."""

    def __getitem__(self, index: int) -> Node:
        """Return a node."""

    def operands(self, index: int) -> tuple[int, ...]:
        """Return the operands of a node."""


def formula(nodes: Nodes, index: int, depth: int = 6, *, latex: bool = False) -> str:
    """Write a value as a formula of those it comes from, so many operations deep; deeper ones are dots."""
    return Formulas(nodes, latex=latex)(index, depth)


class Formulas:
    """Writes formulas of a graph's values, and keeps their parts."""

    def __init__(self, nodes: Nodes, *, latex: bool = False) -> None:
        self.nodes = nodes
        self.latex = latex
        self._kept: dict[tuple[int, int], tuple[str, int]] = {}

    def __call__(self, index: int, depth: int) -> str:
        """Write a value as a formula of those it comes from, so many operations deep; deeper ones are
        dots."""
        return self._part(index, depth)[0]

    def _part(self, index: int, depth: int) -> tuple[str, int]:
        """Return a text, and how tightly it binds."""
        key = index, depth
        if key not in self._kept:
            self._kept[key] = self._write(index, depth)
        return self._kept[key]

    def _write(self, index: int, depth: int) -> tuple[str, int]:
        node = self.nodes[index]
        sources = self.nodes.operands(index)
        form = self._form(node)
        if form == "{0}":
            return self._part(sources[0], depth)
        if depth == 0 and sources:
            return (r"\ldots" if self.latex else "…"), FUNCTION
        if node.operation.name == "constant":
            return self._constant(node.setting("value"))
        parts = [self._operand(node, place, each, depth - 1) for place, each in enumerate(sources)]
        settings = {name: self._setting(name, value) for name, value in node.settings}
        return form.format(*parts, operands=", ".join(parts), **settings), node.operation.binds

    def _operand(self, node: Node, place: int, index: int, depth: int) -> str:
        text, binds = self._part(index, depth)
        own, name = node.operation.binds, node.operation.name
        if own == FUNCTION or (self.latex and place in GROUPED.get(name, ())):
            return text
        joins = name in ASSOCIATIVE and self._shown(index).operation.name == name
        loose = binds < own or (binds == own and place > 0 and not joins)
        return f"({text})" if loose else text

    def _shown(self, index: int) -> Node:
        """Return the node whose text stands for a value: what is repeated, not the repetition."""
        while self._form(self.nodes[index]) == "{0}":
            index = self.nodes.operands(index)[0]
        return self.nodes[index]

    def _form(self, node: Node) -> str:
        return node.operation.latex if self.latex else node.operation.text

    def _constant(self, value: Setting) -> tuple[str, int]:
        if isinstance(value, tuple):
            return "[" + ", ".join(f"{each:.12g}" for each in value) + "]", FUNCTION
        if isinstance(value, bool):
            return ("yes" if value else "no"), FUNCTION
        return f"{value:.12g}", FUNCTION if value >= 0 else SIGN

    def _setting(self, name: str, value: Setting) -> str:
        if name == "name" and self.latex:
            return str(value).replace("_", r"\_")
        if name == "shape":
            return shape_text(value)
        if isinstance(value, tuple):
            return str(value[0]) if len(value) == 1 else "[" + ", ".join(map(str, value)) + "]"
        return str(value)

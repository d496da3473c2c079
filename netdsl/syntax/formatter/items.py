"""How declarations, statements and fields are written."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

from netdsl.syntax import tree
from netdsl.syntax.formatter.comments import Comments
from netdsl.syntax.formatter.document import STEP, Break, Document, group, indented, write
from netdsl.syntax.formatter.expressions import RANGE, Expressions
from netdsl.syntax.formatter.lines import WIDTH, Block, written

Item: TypeAlias = tree.Declaration | tree.Statement | tree.Field


class Items:
    """Writes items one after the other, in the order of the source: so each comment comes in its turn."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments
        self.expressions = Expressions(comments)

    def blocks(self, items: Sequence[Item], start: int, end: int, indent: int) -> list[Block]:
        """Return what stands between two places of the source: items, and comments in lines of their own."""
        result: list[Block] = []
        place = start
        for index, item in enumerate(items):
            place = self._remarks(item.span.start, place, result)
            blank = bool(result) and self.comments.blank_between(place, item.span.start)
            block = self._block(item, indent)
            # Where a comment has no place inside of the item it goes above it.
            self._remarks(item.span.end, item.span.end, result)
            limit = items[index + 1].span.start if index + 1 < len(items) else end
            beside = self.comments.beside(item.span.end, limit)
            result.append(replace(block, blank=blank, comment=beside.text if beside else ""))
            place = beside.end if beside else item.span.end
        self._remarks(end, place, result)
        return result

    def _remarks(self, limit: int, place: int, result: list[Block]) -> int:
        """Add the comments up to a limit, each in a line of its own, and return where the last ends."""
        for comment in self.comments.before(limit):
            blank = bool(result) and self.comments.blank_between(place, comment.start)
            result.append(Block((comment.text,), blank=blank, item=False))
            place = comment.end
        return place

    def _block(self, item: Item, indent: int) -> Block:
        match item:
            case tree.Import(path, alias):
                label = f" as {alias.text}" if alias else ""
                return Block((f'import "{path.value}"{label}',))
            case tree.Param():
                return self._param(item, indent)
            case tree.Definition(short=True):
                return self._formula(item, indent)
            case tree.Definition():
                return self._definition(item, indent)
            case tree.Section():
                return self._section(item, indent)
            case tree.Return(value):
                return Block(self._lines(group("return ", self.expressions.flow(value)), indent))
            case tree.Bind(name, value) | tree.Field(name, value):
                return self._bound(name.text, "=", value, indent)
            case tree.State(name, value):
                return self._bound(f"state {name.text}", "=", value, indent)
            case tree.Update(name, value):
                return self._bound(name.text, ":=", value, indent)

    def _lines(self, document: Document, indent: int) -> tuple[str, ...]:
        return tuple(write(document, WIDTH - indent).split("\n"))

    def _bound(self, name: str, sign: str, value: tree.Expr, indent: int) -> Block:
        gap = self.expressions.gap(value.span.start, " ")
        document = group(f"{name} {sign}", indented(gap), self.expressions.flow(value))
        return self._aligned(document, name, sign, indent)

    def _aligned(self, document: Document, head: str, kind: str, indent: int) -> Block:
        """Return an item that its neighbors of the same kind may be aligned with, if it is one line."""
        lines = self._lines(document, indent)
        return Block(lines, kind, sign=len(head) + 1) if len(lines) == 1 else Block(lines)

    def _param(self, node: tree.Param, indent: int) -> Block:
        flow, gap = self.expressions.flow, self.expressions.gap
        head = f"param {node.name.text}"
        parts: list[Document] = [
            f"{head} =",
            indented(gap(node.default.span.start, " ")),
            flow(node.default, RANGE),
        ]
        if node.domain:
            parts += [" in", indented(gap(node.domain.span.start, " ")), flow(node.domain, RANGE)]
        parts += [f" {node.scale.text}"] if node.scale else []
        return self._aligned(group(*parts), head, "param", indent)

    def _formula(self, node: tree.Definition, indent: int) -> Block:
        head = self._head(node)
        returned = node.body[0]
        assert isinstance(returned, tree.Return)
        value = returned.value
        document = group(head, " =", indented(self.expressions.next(value), self.expressions.flow(value)))
        return self._aligned(document, write(head, WIDTH), node.kind, indent)

    def _definition(self, node: tree.Definition, indent: int) -> Block:
        signature = _signature(node)
        start = signature[-1].span.end if signature else node.name.span.end
        return self._body(self._head(node), node.body, start, node.span.end, indent)

    def _section(self, node: tree.Section, indent: int) -> Block:
        parts: list[Document] = [node.kind]
        parts += [f" {node.name.text}"] if node.name else []
        parts += [" ", self.expressions.flow(node.method)] if node.method else []
        last: tree.Call | tree.Name | None = node.method or node.name
        start = last.span.end if last is not None else node.span.start
        return self._body(group(*parts), node.fields, start, node.span.end, indent)

    def _body(self, head: Document, items: Sequence[Item], start: int, end: int, indent: int) -> Block:
        """Return a head and its body in braces, which begins behind `start`."""
        opened = self.comments.after("{", start)
        first = items[0].span.start if items else end - 1
        beside = self.comments.beside(opened, first)
        opening = self._lines(group(head, " {"), indent)
        inner = list(written(self.blocks(items, opened, end - 1, indent + STEP), STEP))
        if not inner and not beside:
            return Block((*opening[:-1], opening[-1] + "}"))
        remark = f"  {beside.text}" if beside else ""
        return Block((*opening[:-1], opening[-1] + remark, *inner, "}"))

    def _head(self, node: tree.Definition) -> Document:
        head = f"{node.kind} {node.name.text}"
        if not node.tensors and not node.settings:
            return f"{head}()" if node.kind == "model" else head
        parts: list[Document] = []
        for tensor in node.tensors:
            gap = self.expressions.gap(tensor.span.start, Break() if parts else Break(""))
            parts += [",", group(gap, _tensor(tensor))] if parts else [gap, _tensor(tensor)]
        for index, setting in enumerate(node.settings):
            gap = self.expressions.gap(setting.span.start, Break())
            parts += ["," if index else ";", group(gap, self._setting(setting))]
        end = self.comments.after(")", _signature(node)[-1].span.end)
        return group(f"{head}(", indented(*parts), *self.expressions.close(end), ")")

    def _setting(self, node: tree.Setting) -> Document:
        parts: list[Document] = [node.name.text]
        parts += [" = ", self.expressions.flow(node.default, RANGE)] if node.default else []
        parts += [" in ", self.expressions.flow(node.domain, RANGE)] if node.domain else []
        return group(*parts)


def _signature(node: tree.Definition) -> tuple[tree.Tensor | tree.Setting, ...]:
    return (*node.tensors, *node.settings)


def _tensor(node: tree.Tensor) -> str:
    return f"{node.name.text}: {_pattern(node.pattern)}" if node.pattern else node.name.text


def _pattern(node: tree.Pattern) -> str:
    extents = ", ".join(_extent(each) for each in node.extents)
    return f"[{extents}]"


def _extent(node: tree.Number | tree.Name | tree.Rest) -> str:
    match node:
        case tree.Rest(name):
            return f"..{name.text}" if name else ".."
    return node.text

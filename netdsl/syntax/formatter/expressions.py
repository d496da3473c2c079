"""How expressions are written."""

from collections.abc import Sequence
from typing import Final

from netdsl.syntax import tree
from netdsl.syntax.formatter.comments import Comments
from netdsl.syntax.formatter.document import Break, Broken, Document, Newline, group, indented
from netdsl.syntax.numerals import unit_word

# How tight an expression binds: where a tighter one is wanted, it is put in parentheses.
FLOW, _CHAIN, RANGE, _OR, _AND, _NOT, _COMPARISON, _SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(12)
_BINARY: Final = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(["==", "!=", "<=", ">=", "<", ">"], _COMPARISON),
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/@", _PRODUCT),
    "^": _POWER,
}


# Of these, as many stand in a line as fit.
_SMALL: Final = (tree.Number, tree.Extent, tree.Flag, tree.Path, tree.Unary)


class Expressions:
    """Makes documents of expressions; the comments inside of them are put where a line may end."""

    def __init__(self, comments: Comments) -> None:
        self.comments = comments

    def gap(self, offset: int, otherwise: Document) -> Document:
        """Return what stands before a place: comments, if some are there, and a newline; else the break."""
        said = self.remarks(offset)
        return group(*said, Newline()) if said else otherwise

    def remarks(self, offset: int) -> list[Document]:
        """Return the comments before a place."""
        parts: list[Document] = []
        for comment in self.comments.before(offset):
            parts += [Newline() if comment.alone or parts else "  ", comment.text]
        return parts

    def next(self, node: tree.Expr) -> Document:
        """Return the break before an expression."""
        return self.gap(node.span.start, Break())

    def flow(self, node: tree.Expr, level: int = FLOW) -> Document:
        """Return an expression, in parentheses if it binds less than its place asks for."""
        bare = self._bare(node)
        return group("(", indented(Break(""), bare), Break(""), ")") if _level(node) < level else bare

    def _bare(self, node: tree.Expr) -> Document:
        match node:
            case tree.Subscript(value, items):
                return self.bracketed(f"{value.text}[", items, "]", node.span.end, RANGE)
            case tree.Call(callee, positional, named):
                return self.bracketed(f"{callee.text}(", (*positional, *named), ")", node.span.end)
            case tree.Member(value, name):
                return group(self._bare(value), f".{name.text}")
            case tree.List(items):
                return self.bracketed("[", items, "]", node.span.end)
            case tree.Record(fields):
                return self.bracketed("(", fields, ")", node.span.end)
            case tree.Group(value):
                inner = indented(self.gap(value.span.start, Break("")), self.flow(value))
                return group("(", inner, *self.close(node.span.end), ")")
            case tree.Unary("not", operand):
                return group("not ", self.flow(operand, _NOT))
            case tree.Unary(operator, operand):
                return group(operator, self.flow(operand, _SIGN))
            case tree.Binary("^", left, right):
                return group(self.flow(left, _ATOM), "^", self.flow(right, _SIGN))
            case tree.Binary():
                return self._operators(node)
            case tree.Range(low, high):
                return group(self.flow(low, _OR), " ..", indented(self.next(high), self.flow(high, _OR)))
            case tree.Condition():
                return self._condition(node)
            case tree.Chain(head, label, stages):
                return group(self.flow(head, RANGE), _label(label), indented(*self._stages(stages)))
            case _:
                return atom(node)

    def bracketed(
        self,
        opening: str,
        items: Sequence[tree.Expr | tree.Named],
        closing: str,
        end: int,
        level: int = FLOW,
    ) -> Document:
        """Return items between brackets, the last of which ends at `end`."""
        parts: list[Document] = []
        small = len(items) > 2 and all(isinstance(each, _SMALL) for each in items)
        for item in items:
            gap = self.gap(item.span.start, Break() if parts else Break(""))
            shown = self._named(item) if isinstance(item, tree.Named) else self.flow(item, level)
            if parts:
                parts.append(",")
            parts += [group(gap, shown)] if small and parts else [gap, shown]
        parts += [Broken(",")] if items else []
        return group(opening, indented(*parts), *self.close(end), closing)

    def close(self, end: int) -> tuple[Document, Document]:
        """Return what stands before a closing bracket: comments, as deep as the items, and a break."""
        said = self.remarks(end - 1)
        return indented(*said), Newline() if said else Break("")

    def _named(self, node: tree.Named) -> Document:
        sign = " = " if isinstance(node.value, tree.Chain | tree.Condition) else "="
        return group(node.name.text, sign, self.gap(node.value.span.start, ""), self.flow(node.value))

    def _operators(self, node: tree.Binary) -> Document:
        """Return a row of operators that bind alike; they are broken together, each line after a sign."""
        level = _BINARY[node.operator]
        steps = [node]
        while _level(steps[-1].left) == level != _COMPARISON and isinstance(steps[-1].left, tree.Binary):
            steps.append(steps[-1].left)
        head = self.flow(steps[-1].left, level + (level == _COMPARISON))
        parts: list[Document] = []
        for step in reversed(steps):
            parts += [f" {step.operator}", self.next(step.right), self.flow(step.right, level + 1)]
        return group(head, indented(*parts))

    def _condition(self, node: tree.Condition) -> Document:
        """Return a choice; one in its `else` goes on in the same row."""
        parts: list[Document] = []
        last: tree.Expr = node
        while isinstance(last, tree.Condition):
            test = self.flow(last.test, RANGE)
            then = [self.gap(last.then.span.start, " "), self.flow(last.then, _CHAIN)]
            parts += ["if ", test, " then", *then, self.next(last.otherwise), "else "]
            last = last.otherwise
        return group(indented(*parts, self.flow(last)))

    def _stages(self, stages: Sequence[tree.Stage]) -> list[Document]:
        """Return stages with their arrows: as many in a line as fit, but beside a `repeat` each alone."""
        tall = any(isinstance(stage.step, tree.Repeat) for stage in stages)
        parts: list[Document] = []
        for stage in stages:
            arrow = (self.gap(stage.span.start, Break()), "-> ", self._stage(stage))
            parts += arrow if tall else [group(*arrow)]
        return parts

    def _stage(self, node: tree.Stage) -> Document:
        step = self._repeat(node.step) if isinstance(node.step, tree.Repeat) else self._bare(node.step)
        return group(step, _label(node.label))

    def _repeat(self, node: tree.Repeat) -> Document:
        head = self._times(node)
        first, *others = node.stages
        inner = [self.gap(first.span.start, Break()), self._stage(first), *self._stages(others)]
        said = self.remarks(node.span.end - 1)
        return group("repeat ", head, " {", indented(*inner, *said), Newline() if said else Break(), "}")

    def _times(self, node: tree.Repeat) -> Document:
        if node.values is None:
            assert node.count is not None
            return self.flow(node.count, _ATOM)
        names = ", ".join(name.text for name in node.names)
        names = f"({names})" if len(node.names) > 1 else names
        return group(names, " in ", self.gap(node.values.span.start, ""), self.flow(node.values, RANGE))


def atom(node: tree.Expr) -> str:
    """Return an expression that has no parts."""
    match node:
        case tree.Number(value, text, unit):
            return f"{text} {unit_word(unit, value)}" if unit else text
        case tree.Extent(sides):
            return "x".join(str(side) for side in sides)
        case tree.Text(value):
            return f'"{value}"'
        case tree.Flag(value):
            return "yes" if value else "no"
        case tree.Path():
            return node.text
    raise AssertionError(node)


def _label(label: tree.Name | None) -> str:
    return f" as {label.text}" if label else ""


def _level(node: tree.Expr) -> int:
    match node:
        case tree.Condition():
            return FLOW
        case tree.Chain():
            return _CHAIN
        case tree.Range():
            return RANGE
        case tree.Binary():
            return _BINARY[node.operator]
        case tree.Unary():
            return _NOT if node.operator == "not" else _SIGN
    return _ATOM

"""From Lark's tree, which has every token of the text, to the tree of tree.py."""

import re
import unicodedata
from math import inf
from typing import Any, NamedTuple, TypeAlias

import lark
from lark import Token

from netdsl.diagnostics import Diagnostic, Source, Span
from netdsl.syntax import limits, tree
from netdsl.syntax.mistakes import forms
from netdsl.syntax.numerals import UNITS, read_number

# What a rule matched, in order: tokens, and what was built of the rules inside it.
Parts: TypeAlias = list[Any]


_BINARY = frozenset(["disjunction", "conjunction", "comparison", "sum", "product", "power"])
_NESTING = frozenset(
    ["range", "unary", "call", "subscript", "member", "list", "record", "group", "condition", "repeat"]
)


class _Signature(NamedTuple):
    tensors: tuple[tree.Tensor, ...]
    settings: tuple[tree.Setting, ...]
    span: Span


class _Body(NamedTuple):
    statements: tuple[tree.Statement, ...]
    short: bool
    span: Span


class Builder:
    """Build the nodes of one source, from the leaves up, and collect the mistakes that the grammar lets pass.

    Each method is a rule of the grammar, and has its name.
    """

    def __init__(self, source: Source, offset: int = 0) -> None:
        self.source = source
        self.offset = offset
        """Where the text that was parsed begins in the source."""
        self.diagnostics: list[Diagnostic] = []
        self.lost: set[str] = set()
        """The words at the beginning of declarations that are too deep to be in the tree."""

    def build(self, root: lark.Tree[Token]) -> tree.File:
        """Return the file; without recursion, so that no nesting is too deep."""
        built: dict[int, Any] = {}
        depths: dict[int, int] = {}
        for each in root.iter_subtrees():
            parts = [built[id(c)] if isinstance(c, lark.Tree) else c for c in each.children]
            parts = [part for part in parts if not (isinstance(part, Token) and part.type == "_NL")]
            built[id(each)] = getattr(self, f"_{each.data}")(parts)
            inside = max((depths[id(c)] for c in each.children if isinstance(c, lark.Tree)), default=0)
            depths[id(each)] = inside + _depth(each.data, len(parts))
            if inside <= limits.DEPTH < depths[id(each)]:
                self._tell(limits.deep_expression(self._span(parts)))
        file: tree.File = built[id(root)]
        subtrees = [c for c in root.children if isinstance(c, lark.Tree)]
        return self._without({id(built[id(c)]) for c in subtrees if depths[id(c)] > limits.DEPTH}, file)

    def _without(self, deep: set[int], file: tree.File) -> tree.File:
        """Take the declarations out of a file that whoever walks the tree would fall from."""
        for each in file.declarations:
            if id(each) in deep:
                self.lost.update(re.findall(r"\w+", each.span.text[: limits.NAME_LENGTH]))
        return tree.File(file.source, tuple(each for each in file.declarations if id(each) not in deep))

    def _span(self, parts: Parts) -> Span:
        return Span(self.source, self._start(parts[0]), self._end(parts[-1]))

    def _start(self, part: Any) -> int:
        if isinstance(part, Token):
            return self.offset + (part.start_pos or 0)
        return int(part.span.start)

    def _end(self, part: Any) -> int:
        if isinstance(part, Token):
            return self.offset + (part.end_pos or 0)
        return int(part.span.end)

    def _tell(self, *found: Diagnostic | None) -> None:
        self.diagnostics += [each for each in found if each is not None]

    # ---- declarations -------------------------------------------------------------------------

    def _file(self, parts: Parts) -> tree.File:
        return tree.File(self.source, tuple(parts))

    def _import_(self, parts: Parts) -> tree.Import:
        alias = parts[3] if len(parts) > 2 else None
        return tree.Import(self._text(parts[1:2]), alias, self._span(parts))

    def _param(self, parts: Parts) -> tree.Param:
        name, default, domain, scale = [*_nodes(parts), None, None][:4]
        return tree.Param(name, default, domain, scale, self._span(parts))

    def _definition(self, parts: Parts) -> tree.Definition:
        kind, name, *signature, body = parts
        tensors, settings, _ = signature[0] if signature else ((), (), None)
        span = self._span(parts)
        node = tree.Definition(str(kind), name, tensors, settings, body.statements, body.short, span)
        self._tell(*forms.definition_form(node, bool(signature)))
        return node

    def _formula(self, parts: Parts) -> _Body:
        return _Body((tree.Return(parts[1], parts[1].span),), True, self._span(parts))

    def _code(self, parts: Parts) -> _Body:
        return _Body(tuple(parts[1:-1]), False, self._span(parts))

    def _signature(self, parts: Parts) -> _Signature:
        lists = [part for part in parts if not isinstance(part, Token)]
        nodes = [each for part in lists for each in part]
        tensors = tuple(each for each in nodes if isinstance(each, tree.Tensor))
        settings = tuple(each for each in nodes if isinstance(each, tree.Setting))
        return _Signature(tensors, settings, self._span(parts))

    def _tensors(self, parts: Parts) -> Parts:
        return _nodes(parts)

    def _settings(self, parts: Parts) -> Parts:
        return _nodes(parts)

    def _tensor(self, parts: Parts) -> tree.Tensor:
        return tree.Tensor(parts[0], parts[2] if len(parts) > 1 else None, self._span(parts))

    def _setting(self, parts: Parts) -> tree.Setting:
        given = {str(sign): value for sign, value in zip(parts[1::2], parts[2::2], strict=True)}
        return tree.Setting(parts[0], given.get("="), given.get("in"), self._span(parts))

    def _pattern(self, parts: Parts) -> tree.Pattern:
        return tree.Pattern(tuple(_nodes(parts)), self._span(parts))

    def _rest(self, parts: Parts) -> tree.Rest:
        return tree.Rest(parts[1] if len(parts) > 1 else None, self._span(parts))

    def _section(self, parts: Parts) -> tree.Section:
        kind, nodes = parts[0], _nodes(parts[1:])
        name = next((each for each in nodes if isinstance(each, tree.Name)), None)
        method = next((each for each in nodes if isinstance(each, tree.Call)), None)
        fields = tuple(each for each in nodes if isinstance(each, tree.Field))
        node = tree.Section(str(kind), name, method, fields, self._span(parts))
        self._tell(*forms.section_form(node, self._span([kind])))
        return node

    def _field(self, parts: Parts) -> tree.Field:
        return tree.Field(parts[0], parts[2], self._span(parts))

    # ---- statements ---------------------------------------------------------------------------

    def _bind(self, parts: Parts) -> tree.Bind:
        return tree.Bind(parts[0], parts[2], self._span(parts))

    def _state(self, parts: Parts) -> tree.State:
        return tree.State(parts[1], parts[3], self._span(parts))

    def _update(self, parts: Parts) -> tree.Update:
        return tree.Update(parts[0], parts[2], self._span(parts))

    def _return_(self, parts: Parts) -> tree.Return:
        return tree.Return(parts[1], self._span(parts))

    # ---- chains -------------------------------------------------------------------------------

    def _condition(self, parts: Parts) -> tree.Condition:
        _, test, _, then, _, otherwise = parts
        return tree.Condition(test, then, otherwise, self._span(parts))

    def _chain(self, parts: Parts) -> tree.Expr:
        head, label, *stages = parts[0], None, *_nodes(parts[1:])
        if stages and isinstance(stages[0], tree.Name):
            label, *stages = stages
        if label is None and not stages:
            result: tree.Expr = head
            return result
        return tree.Chain(head, label, tuple(stages), self._span(parts))

    def _stage(self, parts: Parts) -> tree.Stage:
        return tree.Stage(parts[0], parts[2] if len(parts) > 1 else None, self._span(parts))

    def _repeat(self, parts: Parts) -> tree.Repeat:
        nodes, span = _nodes(parts), self._span(parts)
        stages = tuple(each for each in nodes if isinstance(each, tree.Stage))
        match nodes[: -len(stages)]:
            case [count]:
                return tree.Repeat(count, (), None, stages, span)
            case [tree.Name() as name, values]:
                return tree.Repeat(None, (name,), values, stages, span)
            case [names, values]:
                return tree.Repeat(None, names, values, stages, span)
        raise AssertionError(nodes)

    def _words(self, parts: Parts) -> tuple[tree.Name, ...]:
        return tuple(_nodes(parts))

    # ---- expressions --------------------------------------------------------------------------

    def _range(self, parts: Parts) -> tree.Range:
        return tree.Range(parts[0], parts[2], self._span(parts))

    def _binary(self, parts: Parts) -> tree.Expr:
        left: tree.Expr = parts[0]
        for sign, right in zip(parts[1::2], parts[2::2], strict=True):
            left = tree.Binary(str(sign), left, right, self._span([sign]), left.span.to(right.span))
        return left

    _disjunction = _conjunction = _comparison = _sum = _product = _power = _binary

    def _unary(self, parts: Parts) -> tree.Unary:
        return tree.Unary(str(parts[0]), parts[1], self._span(parts))

    def _number(self, parts: Parts) -> tree.Number:
        text, span = str(parts[0]), self._span(parts[:1])
        unit = UNITS[parts[1]] if len(parts) > 1 else None
        if len(text) > limits.NUMBER_LENGTH:
            self._tell(limits.long_number(span))
            return tree.Number(0, text, unit, self._span(parts))
        value = read_number(text)
        if value == inf:
            self._tell(limits.large_number(span))
            value = 0  # what is not finite is in no tree
        return tree.Number(value, text, unit, self._span(parts))

    _count = _number

    def _extent(self, parts: Parts) -> tree.Extent:
        span = self._span(parts)
        if len(parts[0]) > limits.NUMBER_LENGTH:
            self._tell(limits.long_number(span))
            return tree.Extent((), span)
        return tree.Extent(tuple(int(side) for side in parts[0].split("x")), span)

    def _text(self, parts: Parts) -> tree.Text:
        return tree.Text(str(parts[0])[1:-1], self._span(parts))

    def _flag(self, parts: Parts) -> tree.Flag:
        return tree.Flag(parts[0] == "yes", self._span(parts))

    def _path(self, parts: Parts) -> tree.Path:
        return tree.Path(tuple(_nodes(parts)), self._span(parts))

    def _subscript(self, parts: Parts) -> tree.Subscript:
        return tree.Subscript(parts[0], tuple(_nodes(parts[1:])), self._span(parts))

    def _call(self, parts: Parts) -> tree.Call:
        arguments = _nodes(parts[1:])
        named = tuple(each for each in arguments if isinstance(each, tree.Named))
        positional = tuple(each for each in arguments if not isinstance(each, tree.Named))
        behind = [each for each in positional if named and each.span.start > named[0].span.start]
        self._tell(*(forms.positional_after_named(each, named[0]) for each in behind))
        self._tell(*forms.given_twice(named))
        return tree.Call(parts[0], positional, named, self._span(parts))

    def _member(self, parts: Parts) -> tree.Member:
        return tree.Member(parts[0], parts[2], self._span(parts))

    def _named(self, parts: Parts) -> tree.Named:
        return tree.Named(parts[0], parts[2], self._span(parts))

    def _list(self, parts: Parts) -> tree.List:
        return tree.List(tuple(_nodes(parts)), self._span(parts))

    def _record(self, parts: Parts) -> tree.Record:
        fields = tuple(_nodes(parts))
        self._tell(*forms.given_twice(fields))
        return tree.Record(fields, self._span(parts))

    def _group(self, parts: Parts) -> tree.Group:
        return tree.Group(parts[1], self._span(parts))

    # ---- words --------------------------------------------------------------------------------

    def _word(self, parts: Parts) -> tree.Name:
        span = self._span(parts)
        if len(parts[0]) > limits.NAME_LENGTH:
            self._tell(limits.long_name(span))
        self._tell(forms.wrong_name(span))
        # Letters that look alike are one letter, as in Python: the micro sign is the Greek mu.
        text = str(parts[0])
        return tree.Name(text if text.isascii() else unicodedata.normalize("NFKC", text), span)

    def _token(self, parts: Parts) -> Token:
        token: Token = parts[0]
        return token

    _kind = _section_kind = _unit = _token


def _depth(rule: str, parts: int) -> int:
    """Return how many nodes a rule puts on top of each other: one for each operator, most others one."""
    if rule in _BINARY:
        return parts // 2
    return rule in _NESTING


def _nodes(parts: Parts) -> Parts:
    """Return what was built, without the tokens between."""
    return [part for part in parts if not isinstance(part, Token)]

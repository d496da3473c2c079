"""Checks every name in the user's files, used or not, and tells what nothing uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.bodies import bound_twice
from netdsl.semantics.expressions import param_item
from netdsl.semantics.files import Found, Module, find
from netdsl.semantics.frame import Frame, World
from netdsl.semantics.functions import FUNCTIONS, WORDS, Function, unknown_argument
from netdsl.semantics.items import Item, Poison
from netdsl.semantics.lookup import CONSTANTS, SEEN_BY, in_module, missing
from netdsl.semantics.problems import mistake, warning
from netdsl.semantics.signatures import extents_by_setting, parameters, unknown_setting, words_of
from netdsl.syntax import tree


def check_names(world: World) -> None:
    """Tell every name in a body that nothing has, and every setting that a definition has not.

    Also names that are declared at the top and belong to the language already.
    """
    for module in world.files.modules:
        for name, each in module.declarations.items():
            _check_reserved(name, each, world)
            if isinstance(each, tree.Definition):
                _Walk(each.kind, module, world, words_of(each)).definition(each)
        for definition in module.again:
            _Walk(definition.kind, module, world, words_of(definition)).definition(definition)
        for section in module.sections:
            if section.kind != "search":
                _note_uses(section, module, world)


def _note_uses(section: tree.Section, module: Module, world: World) -> None:
    """Note which params a block refers to: several trainings may share a file, and one is worked out."""
    waiting: list[tree.Expr] = [each.value for each in section.fields]
    while waiting:
        expr = waiting.pop()
        if isinstance(expr, tree.Path):
            world.used.add((module.name, expr.parts[0].text))
        waiting.extend(_children(expr))


def _check_reserved(name: str, each: tree.Param | tree.Definition | tree.Section, world: World) -> None:
    if name in FUNCTIONS or name in CONSTANTS or name in WORDS:
        what = "function" if name in FUNCTIONS else "word"
        assert each.name is not None
        world.problems.tell(
            mistake(
                "E0103",
                f"`{name}` is a {what} of the language",
                each.name.span,
                "has a meaning already",
                help="choose another name",
            ).diagnostic
        )


def check_params(world: World) -> None:
    """Tell every param whose value does not fit, used or not."""
    for module in world.files.modules:
        for each in module.declarations.values():
            if isinstance(each, tree.Param):
                with world.problems.statement():
                    param_item(each, Found(each, module), Frame(world, module, "param"))


def tell_unused(world: World) -> None:
    """Warn of params of the main file that nothing uses."""
    main = world.files.main
    for name, each in main.declarations.items():
        if isinstance(each, tree.Param) and (main.name, name) not in world.used:
            world.problems.tell(
                warning("W0101", f"the param `{name}` is never used", each.name.span, "not used")
            )


_LIGHT: Final = frozenset({"logged"})
"""Functions whose arguments are figures, not names."""


def check_expression(expr: tree.Expr, kind: str, known: Iterable[str], module: Module, world: World) -> None:
    """Tell every name in an expression that nothing has; `known` are those that its surroundings add."""
    walk = _Walk(kind, module, world)
    walk.known = dict.fromkeys(known, Poison())
    walk.expr(expr)


@dataclass(slots=True)
class _Walk:
    """Walks through a definition's body with the names that it knows at each place."""

    kind: str
    module: Module
    world: World
    words: frozenset[str] = frozenset()
    known: dict[str, Item] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    bound: dict[str, Span] = field(default_factory=dict)
    declared: dict[str, Span] = field(default_factory=dict)

    def definition(self, definition: tree.Definition) -> None:
        for tensor in definition.tensors:
            self._declare(tensor.name)
            for extent in tensor.pattern.extents if tensor.pattern else ():
                bound = extent.name if isinstance(extent, tree.Rest) else extent
                if isinstance(bound, tree.Name):
                    self.known[bound.text] = Poison()
                    self.declared.setdefault(bound.text, bound.span)
        sizes = extents_by_setting(definition)
        for setting in definition.settings:
            if setting.name.text not in sizes:
                self._declare(setting.name)
        for statement in definition.body:
            self._statement(statement)
        for name, span in self.bound.items():
            if name not in self.read and not _makes_weight(name, definition):
                self.world.problems.tell(warning("W0102", f"`{name}` is never used", span, "not used"))

    def _statement(self, statement: tree.Statement) -> None:
        self.expr(statement.value)
        match statement:
            case tree.Bind(name=name):
                self._declare(name)
                self.bound[name.text] = name.span
            case tree.State(name=name):
                self._declare(name)

    def _declare(self, name: tree.Name) -> None:
        with self.world.problems.statement():
            if name.text in self.declared:
                raise bound_twice(name, self.declared[name.text])
        self.known[name.text] = Poison()
        self.declared.setdefault(name.text, name.span)

    def expr(self, expr: tree.Expr) -> None:
        match expr:
            case tree.Path():
                self._path(expr)
            case tree.Subscript(value=value, items=items):
                self._path(value)
                self._all(items)
            case tree.Call():
                self._call(expr)
            case tree.Repeat():
                self._repeat(expr)
            case tree.Chain(head=head, stages=stages):
                self.expr(head)
                self._stages(stages)
            case tree.Member(value=value):
                self._call(value)
            case _:
                self._all(_children(expr))

    def _all(self, exprs: Iterable[tree.Expr]) -> None:
        for each in exprs:
            self.expr(each)

    def _stages(self, stages: Iterable[tree.Stage]) -> None:
        for stage in stages:
            match stage.step:
                case tree.Repeat() as repeat:
                    self._repeat(repeat)
                case step:
                    self.expr(step)

    def _repeat(self, repeat: tree.Repeat) -> None:
        self._all(each for each in (repeat.count, repeat.values) if each is not None)
        before = dict(self.known)
        self.known |= {name.text: Poison() for name in repeat.names}
        self._stages(repeat.stages)
        self.known = before

    def _path(self, path: tree.Path) -> None:
        first = path.parts[0]
        self.read.add(first.text)
        with self.world.problems.statement():
            if first.text in self.known:
                return
            if len(path.parts) > 1 and first.text in self.module.aliases:
                in_module(first, self.module.aliases[first.text], path.parts[1])
                return
            found = find(self.module, first.text, first.span)
            if found is not None:
                self.world.used.add((found.module.name, first.text))
            elif not self._is_special(first.text):
                raise missing(first, self._frame())

    def _is_special(self, name: str) -> bool:
        seen = any(name in names for kinds, names in SEEN_BY if self.kind in kinds)
        return seen or name in FUNCTIONS or name in CONSTANTS or name in WORDS or name in self.words

    def _frame(self) -> Frame:
        specials = {name: Poison() for kinds, names in SEEN_BY if self.kind in kinds for name in names}
        return Frame(self.world, self.module, self.kind, names=self.known, specials=specials)

    def _call(self, call: tree.Call) -> None:
        self._path(call.callee)
        if call.callee.text in _LIGHT:
            return
        called = self._called(call.callee)
        words = words_of(called) if isinstance(called, tree.Definition) else _words(called)
        for each in call.positional:
            self._argument(each, words)
        for named in call.named:
            if called is not None:
                self._setting(called, named)
            self._argument(named.value, words)

    def _argument(self, expr: tree.Expr, words: frozenset[str]) -> None:
        if isinstance(expr, tree.Path) and words and not self._resolves(expr.parts[0]):
            return  # one of the setting's words, or a slip of one
        self.expr(expr)

    def _resolves(self, name: tree.Name) -> bool:
        return name.text in self.known or find(self.module, name.text, name.span) is not None

    def _called(self, callee: tree.Path) -> tree.Definition | Function | None:
        name, module, declaration = callee.parts[-1], self.module, None
        if callee.parts[0].text in self.known:
            return None
        if len(callee.parts) > 1:
            module = module.aliases.get(callee.parts[0].text, module)
            declaration = module.declarations.get(name.text)
        else:
            with self.world.problems.statement():
                found = find(module, name.text, name.span)
                declaration = found.declaration if found else None
                if found is None:
                    return FUNCTIONS.get(name.text)
        return declaration if isinstance(declaration, tree.Definition) else None

    def _setting(self, called: tree.Definition | Function, named: tree.Named) -> None:
        names = parameters(called) if isinstance(called, tree.Definition) else called.parameters
        if named.name.text in names:
            return
        with self.world.problems.statement():
            if isinstance(called, Function):
                raise unknown_argument(called, named.name.text, named.name.span)
            raise unknown_setting(called, named)


def _words(function: Function | None) -> frozenset[str]:
    """Return the words among the arguments of a function."""
    return frozenset(word for words in function.words.values() for word in words) if function else frozenset()


def _makes_weight(name: str, definition: tree.Definition) -> bool:
    """Tell whether a name is that of a weight, which may be there for its penalty alone."""
    makers = {"weight", "offset", "gain", "running"}
    return any(
        isinstance(each, tree.Bind)
        and each.name.text == name
        and isinstance(each.value, tree.Call)
        and each.value.callee.text in makers
        for each in definition.body
    )


def _children(expr: tree.Expr) -> Iterator[tree.Expr]:
    match expr:
        case tree.List(items=items):
            yield from items
        case tree.Record(fields=fields):
            yield from (each.value for each in fields)
        case tree.Unary(operand=operand):
            yield operand
        case tree.Binary(left=left, right=right):
            yield from (left, right)
        case tree.Range(low=low, high=high):
            yield from (low, high)
        case tree.Condition(test=test, then=then, otherwise=otherwise):
            yield from (test, then, otherwise)
        case tree.Group(value=value):
            yield value
        case tree.Call(positional=positional, named=named):
            yield from (*positional, *(each.value for each in named))
        case tree.Chain(head=head):
            yield head

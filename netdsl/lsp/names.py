"""Finds what each name in a definition or an expression means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netdsl.diagnostics import Span
from netdsl.lazy_dataclass import dataclass, field
from netdsl.lsp.parts import outputs_of
from netdsl.lsp.symbols import Builtin, Declared, Index, Occurrence, Symbol
from netdsl.semantics.files import Module, find
from netdsl.semantics.functions import FUNCTIONS, WORDS, Function
from netdsl.semantics.lookup import CONSTANTS, SEEN_BY
from netdsl.semantics.problems import MistakeError
from netdsl.semantics.signatures import words_of
from netdsl.semantics.stops import CLIPS, STOPS
from netdsl.syntax import tree


@dataclass(slots=True)
class Table:
    """The symbols of all files, each made once, and where they occur.

    `library` are the identities of the library's sources: a user's file may have the name of one of them.
    """

    library: frozenset[int]
    index: Index = field(default_factory=Index)
    symbols: dict[tuple[bool, str, int], Symbol] = field(default_factory=dict)

    def symbol(
        self,
        name: tree.Name,
        kind: str,
        declaration: Declared,
        owner: tree.Definition | None = None,
    ) -> Symbol:
        """Return the symbol that is declared at a name."""
        library = id(name.span.source) in self.library
        key = (library, name.span.source.name, name.span.start)
        if key not in self.symbols:
            self.symbols[key] = Symbol(name.text, kind, name.span, declaration, owner, library)
        return self.symbols[key]


@dataclass(slots=True)
class Walk:
    """Goes through one file with the names that are known at each place."""

    module: Module
    table: Table
    kind: str = ""
    scope: dict[str, Symbol] = field(default_factory=dict)
    words: frozenset[str] = frozenset()
    owner: tree.Definition | None = None

    # ---- declarations ---------------------------------------------------------------------------

    def declare(self, name: tree.Name, kind: str, declaration: Declared) -> Symbol:
        """Note that a name is declared here."""
        symbol = self.table.symbol(name, kind, declaration, self.owner)
        self.table.index.add(Occurrence(name.span, symbol, declares=True))
        return symbol

    def bind(self, name: tree.Name, kind: str, declaration: Declared) -> None:
        """Note a name that is declared here and known from here on."""
        self.scope[name.text] = self.declare(name, kind, declaration)

    def note(self, span: Span, meaning: Symbol | Builtin) -> None:
        """Note that a name occurs here."""
        self.table.index.add(Occurrence(span, meaning))

    def definition(self, definition: tree.Definition) -> None:
        """Note all names of a definition."""
        self.declare(definition.name, definition.kind, definition)
        inner = Walk(self.module, self.table, definition.kind, {}, words_of(definition), definition)
        for tensor in definition.tensors:
            inner.bind(tensor.name, "tensor", tensor)
            for extent in tensor.pattern.extents if tensor.pattern else ():
                name = extent.name if isinstance(extent, tree.Rest) else extent
                if isinstance(name, tree.Name) and name.text in inner.scope:
                    inner.note(name.span, inner.scope[name.text])
                elif isinstance(name, tree.Name):
                    inner.bind(name, "extent", tensor)
        for setting in definition.settings:
            inner.all(part for part in (setting.default, setting.domain) if part is not None)
            inner.bind(setting.name, "setting", setting)
        for statement in definition.body:
            inner.statement(statement)

    def statement(self, statement: tree.Statement) -> None:
        """Note the names of a statement."""
        self.expr(statement.value)
        match statement:
            case tree.Bind():
                self.bind(statement.name, "binding", statement)
            case tree.State():
                self.bind(statement.name, "state", statement)
            case tree.Update(name=name) if name.text in self.scope:
                self.note(name.span, self.scope[name.text])
            case tree.Update(name=name):
                self.note(name.span, Builtin(name.text, "special"))
            case tree.Return(value=value) if self.kind == "model":
                for output in outputs_of(value):
                    self.declare(output.name, "output", output)

    # ---- expressions ----------------------------------------------------------------------------

    def all(self, exprs: Iterable[tree.Expr]) -> None:
        """Note the names of several expressions."""
        for each in exprs:
            self.expr(each)

    def expr(self, expr: tree.Expr) -> None:
        """Note the names of an expression."""
        match expr:
            case tree.Path():
                self.path(expr)
            case tree.Subscript(value=value, items=items):
                self.path(value)
                self.all(items)
            case tree.Call():
                self.call(expr)
            case tree.Member(value=value):
                self.call(value)
            case tree.Chain():
                self._chain(expr)
            case _:
                self.all(children(expr))

    def _chain(self, chain: tree.Chain) -> None:
        self.expr(chain.head)
        if chain.label is not None:
            self.declare(chain.label, "label", chain)
        self._stages(chain.stages)

    def _stages(self, stages: Iterable[tree.Stage]) -> None:
        for stage in stages:
            match stage.step:
                case tree.Repeat() as repeat:
                    self._repeat(repeat)
                case step:
                    self.expr(step)
            if stage.label is not None:
                self.declare(stage.label, "label", stage)

    def _repeat(self, repeat: tree.Repeat) -> None:
        self.all(each for each in (repeat.count, repeat.values) if each is not None)
        before = dict(self.scope)
        for name in repeat.names:
            self.bind(name, "each", repeat)
        self._stages(repeat.stages)
        self.scope = before

    def path(self, path: tree.Path) -> None:
        """Note what a name, or names joined by points, mean."""
        first, *rest = path.parts
        if first.text in self.scope:
            self.note(first.span, self.scope[first.text])
            self._outputs(self.scope[first.text], rest)
        elif rest and first.text in self.module.aliases:
            self._alias(first)
            self._declared(rest[0], self.module.aliases[first.text])
        elif not self._declared(first, self.module):
            self._builtin(first)

    def _outputs(self, symbol: Symbol, rest: list[tree.Name]) -> None:
        """Note the output of a model that is picked from a value: `y.digit`."""
        if rest and isinstance(symbol.declaration, tree.Bind):
            model = self.applied(symbol.declaration.value)
            for output in outputs_of(model) if model else ():
                if output.name.text == rest[0].text:
                    self.note(rest[0].span, self.table.symbol(output.name, "output", output, model))

    def applied(self, expr: tree.Expr) -> tree.Definition | None:
        """Return the definition whose result an expression is."""
        match expr:
            case tree.Chain(stages=stages) if stages and not isinstance(stages[-1].step, tree.Repeat):
                return self.applied(stages[-1].step)
            case tree.Call(callee=callee):
                return self.applied(callee)
            case tree.Path():
                called = self.called(expr)
                return called if isinstance(called, tree.Definition) else None
        return None

    def _alias(self, name: tree.Name) -> None:
        for each in self.table.symbols.values():
            if each.kind == "import" and each.name == name.text and each.span.source is name.span.source:
                self.note(name.span, each)
                return

    def _declared(self, name: tree.Name, module: Module) -> bool:
        symbol = self.declared(name, module)
        if symbol is not None:
            self.note(name.span, symbol)
        return symbol is not None

    def declared(self, name: tree.Name, module: Module) -> Symbol | None:
        """Return the declaration that a name means at the top of a module."""
        try:
            found = find(module, name.text, name.span)
        except MistakeError:  # it could mean two things
            return None
        if found is None or found.declaration.name is None:
            return None
        each = found.declaration
        kind = "param" if isinstance(each, tree.Param) else each.kind
        return self.table.symbol(each.name or name, kind, each)

    def _builtin(self, name: tree.Name) -> None:
        text = name.text
        if any(text in names for kinds, names in SEEN_BY if self.kind in kinds) or text == "weights":
            self.note(name.span, Builtin(text, "special", self.kind))
        elif text in FUNCTIONS or text in STOPS or text in CLIPS:
            self.note(name.span, Builtin(text, "function"))
        elif text in CONSTANTS:
            self.note(name.span, Builtin(text, "constant"))
        elif text in WORDS or text in self.words:
            self.note(name.span, Builtin(text, "word"))

    # ---- calls ----------------------------------------------------------------------------------

    def call(self, call: tree.Call) -> None:
        """Note the names of a call: what is called, its settings, what they are given."""
        self.path(call.callee)
        if call.callee.text == "weights":
            self.parts(call.positional)
            return
        called = self.called(call.callee)
        for each in call.positional:
            self._argument(each, called)
        for named in call.named:
            self.setting(named, called)
            self._argument(named.value, called)

    def _argument(self, expr: tree.Expr, called: tree.Definition | Function | None) -> None:
        function = called if isinstance(called, Function) else None
        if function is not None and function.named and isinstance(expr, tree.Path):
            self.figure(expr)
            return
        if isinstance(called, tree.Definition) and isinstance(expr, tree.Path):
            word = expr.parts[0]
            known = word.text in self.scope or self.declared(word, self.module) is not None
            if word.text in words_of(called) and not known:
                self.note(word.span, Builtin(word.text, "word"))
                return
        if isinstance(expr, tree.Record) and self.kind in ("train", "search"):
            self.parts(named.name for named in expr.fields)
        self.expr(expr)

    def setting(self, named: tree.Named, called: tree.Definition | Function | None) -> None:
        """Note the name of an argument: a setting or tensor of what is called."""
        name = named.name.text
        if isinstance(called, Function):
            if name in called.parameters:
                self.note(named.name.span, Builtin(name, "argument", called.name))
            return
        for kind, parameters in (
            ("setting", called.settings if called else ()),
            ("tensor", called.tensors if called else ()),
        ):
            for each in parameters:
                if each.name.text == name:
                    symbol = self.table.symbol(each.name, kind, each, called)
                    self.note(named.name.span, symbol)
                    return

    def called(self, callee: tree.Path) -> tree.Definition | Function | None:
        """Return what a path calls: a definition, or a function of the language."""
        first, *rest = callee.parts
        if first.text in self.scope:
            return None
        module, name = self.module, first
        if rest and first.text in self.module.aliases:
            module, name = self.module.aliases[first.text], rest[0]
        symbol = self.declared(name, module)
        if symbol is not None:
            return symbol.declaration if isinstance(symbol.declaration, tree.Definition) else None
        return FUNCTIONS.get(name.text) or STOPS.get(name.text) or CLIPS.get(name.text)

    def parts(self, exprs: Iterable[tree.Expr | tree.Name]) -> None:
        """Note parts of models by name, where there can be some: in blocks."""

    def figure(self, path: tree.Path) -> None:
        """Note a figure of a part, where there can be some: in blocks."""


def children(expr: tree.Expr) -> Iterator[tree.Expr]:
    """Yield the expressions that one is made of, but for those that `Walk.expr` knows itself."""
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

"""Finds what each name in a file and its imports means, also where the file has mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from netdsl.lazy_dataclass import dataclass, field
from netdsl.lsp.names import Table, Walk, children
from netdsl.lsp.parts import outputs_of, part_of
from netdsl.lsp.symbols import Builtin, Index, Symbol
from netdsl.semantics import Files
from netdsl.semantics.files import Module
from netdsl.syntax import tree


def resolve(files: Files, trees: Mapping[str, tree.File]) -> Index:
    """Return the occurrences of names in the user's files; `trees` are theirs by name."""
    table = Table(frozenset(id(each.span.source) for each in files.library.declarations.values()))
    for module in files.modules:
        if module.name in trees:
            _file(trees[module.name], module, table)
    table.index.sort()
    return table.index


def _file(file: tree.File, module: Module, table: Table) -> None:
    walk = Walk(module, table)
    # Declarations stand in any order, and an alias is known all through the file.
    for each in sorted(file.declarations, key=lambda each: not isinstance(each, tree.Import)):
        match each:
            case tree.Import(alias=alias) if alias is not None:
                walk.declare(alias, "import", each)
            case tree.Param():
                walk.declare(each.name, "param", each)
                walk.all(part for part in (each.default, each.domain) if part is not None)
            case tree.Definition():
                walk.definition(each)
            case tree.Section():
                BlockWalk(module, table, each.kind).section(each)


@dataclass(slots=True)
class BlockWalk(Walk):
    """Goes through a block, whose fields speak of models, their parts and outputs, and of figures."""

    figures: dict[str, Symbol] = field(default_factory=dict)

    def section(self, section: tree.Section) -> None:
        """Note the names of a block."""
        if section.name is not None:
            self.declare(section.name, section.kind, section)
        if section.method is not None:
            self.path(section.method.callee)
        metrics = [each.value for each in section.fields if each.name.text == "metrics"]
        self.figures = {name: symbol for each in metrics for name, symbol in self._figures_of(each)}
        for each in section.fields:
            self.note(each.name.span, Builtin(each.name.text, "field", section.kind))
            self._field(each.name.text, each.value)

    def _field(self, name: str, value: tree.Expr) -> None:
        match self.kind, name:
            case "data", "source":
                self._source(value)
            case "data", "missing":
                pass
            case "data", "scale" | "split" if isinstance(value, tree.Record):
                self.all(each.value for each in value.fields)  # the names are columns, parts
            case "train", "freeze":
                self.parts(value.items if isinstance(value, tree.List) else [value])
            case "train", "metrics" if isinstance(value, tree.Record):
                for each in value.fields:
                    self.declare(each.name, "figure", each)
                    self._terms(each.value)
            case "train", "loss" | "metrics":
                self._terms(value)
            case "search", "maximize" | "minimize" if isinstance(value, tree.Path):
                self.figure(value)
            case _:
                self.expr(value)

    def _source(self, expr: tree.Expr) -> None:
        callee = expr.callee if isinstance(expr, tree.Call) else expr
        if isinstance(callee, tree.Path):
            self.note(callee.span, Builtin(callee.text, "source"))
        if isinstance(expr, tree.Call):
            for named in expr.named:
                self.note(named.name.span, Builtin(named.name.text, "argument", expr.callee.text))
            self._params((*expr.positional, *(each.value for each in expr.named)))

    def _params(self, exprs: Iterable[tree.Expr]) -> None:
        """Note the params in the arguments of a source; all other names there stand for themselves."""
        for each in exprs:
            if isinstance(each, tree.Path):
                symbol = self.declared(each.parts[0], self.module)
                if symbol is not None and symbol.kind in ("param", "import"):
                    self.path(each)
            else:
                self._params(children(each))

    def _terms(self, expr: tree.Expr) -> None:
        """Note the names in a loss or in metrics, which may be outputs of the models of the file."""
        models = self._models()
        self.scope = {
            output.name.text: self.table.symbol(output.name, "output", output, model)
            for model in models
            for output in outputs_of(model)
        }
        self.expr(expr)
        self.scope = {}

    def _models(self) -> list[tree.Definition]:
        top = self.module.declarations.values()
        return [each for each in top if isinstance(each, tree.Definition) and each.kind == "model"]

    def parts(self, exprs: Iterable[tree.Expr | tree.Name]) -> None:
        """Note parts of the models of the file: `freeze = [stem]`, `weights(stem)`, `lr = (stem=…)`."""
        for each in exprs:
            names = each.parts if isinstance(each, tree.Path) else (each,)
            for name in names[:2]:
                if isinstance(name, tree.Name):
                    self._part(name)

    def _part(self, name: tree.Name) -> None:
        for model in self._models():
            found = part_of(model, name.text)
            if model.name.text == name.text:
                self.note(name.span, self.table.symbol(model.name, "model", model))
            elif found is not None:
                self.note(name.span, self.table.symbol(found[0], found[1], found[2], model))
            else:
                continue
            return

    def _figures_of(self, expr: tree.Expr) -> Iterator[tuple[str, Symbol]]:
        """Yield the figures that a field `metrics` names, each with what it is called after."""
        match expr:
            case tree.List(items=items):
                for each in items:
                    yield from self._figures_of(each)
            case tree.Record(fields=fields):
                for named in fields:
                    yield named.name.text, self.table.symbol(named.name, "figure", named)
            case tree.Group(value=value):
                yield from self._figures_of(value)
            case tree.Call(callee=callee):
                yield from self._figures_of(callee)
            case tree.Path():
                called = self.called(expr)
                if isinstance(called, tree.Definition):
                    symbol = self.declared(called.name, self.module) or self.table.symbol(
                        called.name, called.kind, called
                    )
                    yield called.name.text, symbol

    def figure(self, path: tree.Path) -> None:
        """Note a figure of a part: `valid.accuracy`."""
        for name in path.parts:
            if name.text in self.figures:
                self.note(name.span, self.figures[name.text])
            else:
                self.note(name.span, Builtin(name.text, "word"))

"""What the command line says in place of the file: `lr=0.02`, `train.epochs=3`, `train.optimizer.lr=0.1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Source, Span
from netdsl.semantics.blocks import FIELDS
from netdsl.semantics.files import Files, Module
from netdsl.semantics.problems import Problems, nearest
from netdsl.syntax import parse, tree


def overridden(
    files: Files, overrides: Mapping[str, str], problems: Problems
) -> tuple[Files, Mapping[str, tree.Expr]]:
    """Return the files with the fields of blocks replaced, and the params that are given.

    Errors are told: E0210 for a name that is neither a param nor a field, E0213 for a value that cannot be
    read.
    """
    params: dict[str, tree.Expr] = {}
    sections = list(files.main.sections)
    for name, text in overrides.items():
        value = _parsed(name, text, problems)
        if value is None:
            continue
        if isinstance(files.main.declarations.get(name), tree.Param):
            params[name] = value
        elif not _field(name, value, sections, files.main):
            problems.tell(_unknown(name, files.main))
    return _with_sections(files, tuple(sections)), params


def _parsed(name: str, text: str, problems: Problems) -> tree.Expr | None:
    """Read a value as the language does; the text that messages show is `param lr=0.02`."""
    source = Source("command line", f"param {name.rpartition('.')[2]}={text}\n")
    try:
        match parse(source).declarations:
            case (tree.Param(default=value, domain=None),):
                return value
    except DiagnosticError:
        pass
    start = source.text.index("=") + 1
    span = Span(source, start, max(start + 1, len(source.text) - 1))
    problems.tell(Diagnostic("E0213", f"the value of `{name}` cannot be read", Label(span, "not a value")))
    return None


def _field(name: str, value: tree.Expr, sections: list[tree.Section], module: Module) -> bool:
    """Replace a field of a block; tell whether there is such a block and such a field."""
    block, *path = name.split(".")
    for index, section in enumerate(sections):
        if not path or not is_called(section, block, sections):
            continue
        if path[0] not in FIELDS[section.kind]:
            return False
        changed = _replaced(section, path, value, module)
        if changed is None:
            return False
        sections[index] = changed
        return True
    return False


def is_called(section: tree.Section, name: str, sections: list[tree.Section]) -> bool:
    """Tell whether a block is meant by a name: its own, or its kind where it is the only one of that."""
    if section.name is not None and section.name.text == name:
        return True
    return section.kind == name and sum(each.kind == name for each in sections) == 1


def _replaced(
    section: tree.Section, path: list[str], value: tree.Expr, module: Module
) -> tree.Section | None:
    fields = list(section.fields)
    for index, field in enumerate(fields):
        if field.name.text == path[0]:
            inner = _deeper(field.value, path[1:], value, module)
            if inner is None:
                return None
            fields[index] = replace(field, value=inner)
            return replace(section, fields=tuple(fields))
    if len(path) > 1:
        return None
    added = tree.Field(tree.Name(path[0], value.span), value, value.span)
    return replace(section, fields=(*fields, added))


def _argument(expr: tree.Expr, path: list[str], value: tree.Expr, module: Module) -> tree.Expr | None:
    """Replace an argument of a call, `train.optimizer.lr`, or a field of a record, `mnist.split.train`."""
    match expr:
        case tree.Group(value=inner):
            return _argument(inner, path, value, module)
        case tree.Path(span=span):
            return _argument(tree.Call(expr, (), (), span), path, value, module)
        case tree.Call(positional=positional, named=named):
            names = positional_names(expr, module)
            if path[0] in names:
                index = names.index(path[0])
                new = _deeper(positional[index], path[1:], value, module)
                items = (*positional[:index], new, *positional[index + 1 :]) if new else None
                return replace(expr, positional=items) if items else None
            fields = _among(named, path, value, module)
            return replace(expr, named=fields) if fields else None
        case tree.Record(fields=named):
            fields = _among(named, path, value, module)
            return replace(expr, fields=fields) if fields else None
    return None


def _deeper(expr: tree.Expr, path: list[str], value: tree.Expr, module: Module) -> tree.Expr | None:
    return _argument(expr, path, value, module) if path else value


def _among(
    named: tuple[tree.Named, ...], path: list[str], value: tree.Expr, module: Module
) -> tuple[tree.Named, ...] | None:
    for index, each in enumerate(named):
        if each.name.text == path[0]:
            inner = _deeper(each.value, path[1:], value, module)
            if inner is None:
                return None
            return (*named[:index], replace(each, value=inner), *named[index + 1 :])
    if len(path) > 1:
        return None
    return (*named, tree.Named(tree.Name(path[0], value.span), value, value.span))


def positional_names(call: tree.Call, module: Module) -> list[str]:
    """Return the names of what a call gives by position; empty where it calls no definition."""
    if len(call.callee.parts) == 2:
        module = module.aliases.get(call.callee.parts[0].text, module)
    name = call.callee.parts[-1].text
    declared = [module.declarations, *(each.declarations for _, each in module.opened)]
    declared += [module.library.declarations] if module.library else []
    definition = next((each[name] for each in declared if name in each), None)
    if not isinstance(definition, tree.Definition):
        return []
    tensors = () if definition.kind in ("optimizer", "initializer") else definition.tensors
    names = [each.name.text for each in tensors] + [each.name.text for each in definition.settings]
    return names[: len(call.positional)]


def _with_sections(files: Files, sections: tuple[tree.Section, ...]) -> Files:
    if sections == files.main.sections:
        return files
    declarations = dict(files.main.declarations)
    for section in sections:
        if section.name is not None:
            declarations[section.name.text] = section
    main = replace(files.main, sections=sections, declarations=declarations)
    modules = tuple(main if each is files.main else each for each in files.modules)
    return replace(files, main=main, modules=modules)


def _unknown(name: str, main: Module) -> Diagnostic:
    known = list(settable(main))
    meant = nearest(name, known)
    params = [each for each in known if "." not in each]
    return Diagnostic(
        "E0210",
        f"there is no param and no field `{name}`",
        help=f"did you mean `{meant}`?"
        if meant
        else "the params are " + ", ".join(f"`{each}`" for each in params)
        if params
        else "fields are set by `train.epochs=3`",
    )


def settable(main: Module) -> list[str]:
    """Return everything that the command line can set: params, and the fields of blocks."""
    names = [name for name, each in main.declarations.items() if isinstance(each, tree.Param)]
    for section in main.sections:
        block = section.name.text if section.name else section.kind
        names += [f"{block}.{field}" for field in FIELDS[section.kind]]
        if section.name is not None and is_called(section, section.kind, list(main.sections)):
            names += [f"{section.kind}.{field}" for field in FIELDS[section.kind]]
    return names

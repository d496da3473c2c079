"""The blocks of a file, `data`, `train` and the others: which one is meant, and its fields by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.semantics.elsewhere import field_here, field_hint
from netdsl.semantics.files import Files, Module, find
from netdsl.semantics.problems import Problems, mistake, nearest, unknown
from netdsl.syntax import tree

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "data": ("source", "split", "scale", "missing", "balance", "pairs"),
    "train": (
        "model",
        "data",
        "augment",
        "loss",
        "optimizer",
        "batch",
        "epochs",
        "steps",
        "clip",
        "precision",
        "freeze",
        "start",
        "stop",
        "metrics",
        "seed",
    ),
    "search": ("train", "over", "maximize", "minimize", "prune", "seed"),
    "evaluate": ("train", "metrics", "models", "seed", "stratified"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its fields by name and the module it stands in."""

    section: tree.Section
    fields: Mapping[str, tree.Field]
    module: Module

    @property
    def name(self) -> str:
        """Return the name of the block; its kind where it has none."""
        return self.section.name.text if self.section.name else self.section.kind

    @property
    def title(self) -> Label:
        """Return the place of its first line."""
        span = self.section.name.span if self.section.name else self.section.span
        return Label(replace(span, end=min(span.end, span.start + len(self.name))), "this block")

    def value(self, name: str) -> tree.Expr | None:
        """Return what a field says."""
        return self.fields[name].value if name in self.fields else None


_MOST: Final = 200
"""How many fields of a block are looked at: many times as many as there are."""


def check_blocks(files: Files, problems: Problems) -> None:
    """Tell every field that its block does not have, and every one that stands twice."""
    for module in files.modules:
        for section in module.sections:
            _fields(section, problems)
        _check_unnamed(module, problems)


def _fields(section: tree.Section, problems: Problems) -> dict[str, tree.Field]:
    """Return the fields by name; one that is misspelled stands for the one that was meant."""
    fields: dict[str, tree.Field] = {}
    known = FIELDS[section.kind]
    for field in section.fields[:_MOST]:
        name = field.name.text
        with problems.statement():
            if name not in known:
                meant = field_here(name, known)
                hint = None if meant else field_hint(name, section.kind)
                fields.setdefault(meant or (not hint and nearest(name, known)) or name, field)
                raise unknown(
                    "E0602" if section.kind != "data" else "E0502",
                    "field",
                    name,
                    field.name.span,
                    known,
                    listing=f"`{section.kind}` has",
                    place=f"in `{section.kind}`",
                    meant=meant,
                    hint=hint,
                )
            if name in fields:
                raise mistake(
                    "E0203",
                    f"`{name}` stands twice",
                    field.name.span,
                    "given again",
                    secondary=[Label(fields[name].name.span, "given here")],
                )
            fields[name] = field
    rest = [field.name.text for field in section.fields[_MOST:]]
    problems.more += sum(name not in known or name in fields for name in rest)
    return fields


def _check_unnamed(module: Module, problems: Problems) -> None:
    for kind in FIELDS:
        unnamed = [each for each in module.sections if each.kind == kind and each.name is None]
        for each in unnamed[1:]:
            problems.tell(
                mistake(
                    "E0102",
                    f"there are several `{kind}` blocks without a name",
                    replace(each.span, end=each.span.start + len(kind)),
                    "give it a name",
                    secondary=[
                        Label(replace(unnamed[0].span, end=unnamed[0].span.start + len(kind)), "the first")
                    ],
                    help=f"`{kind} NAME {{ … }}`",
                ).diagnostic
            )


def block(section: tree.Section, module: Module) -> Block:
    """Return a section as a block; of a field that stands twice, the first."""
    return Block(section, _fields(section, Problems()), module)


def train_block(files: Files, name: str | None) -> Block:
    """Return the `train` block of a name, or the only one.

    Errors: E0601 when there is none, or several and no name.
    """
    trains = [each for each in files.main.sections if each.kind == "train"]
    if name is not None:
        chosen = [each for each in trains if each.name and each.name.text == name]
        if not chosen:
            raise DiagnosticError([_no_train(files, name, trains)])
        return block(chosen[0], files.main)
    if len(trains) != 1:
        raise DiagnosticError([_which_train(files, trains)])
    return block(trains[0], files.main)


def _no_train(files: Files, name: str, trains: Iterable[tree.Section]) -> Diagnostic:
    known = ", ".join(f"`{each.name.text}`" for each in trains if each.name)
    return Diagnostic(
        "E0601", f"there is no train block `{name}`", help=f"there are {known}" if known else None
    )


def _which_train(files: Files, trains: list[tree.Section]) -> Diagnostic:
    if not trains:
        return Diagnostic(
            "E0601",
            f"{files.main.name} has no `train` block, which says how to train",
            help="add one: train { model = …  data = …  loss = …  optimizer = …  epochs = … }",
        )
    labels = [Label(block(each, files.main).title.span, "one of them") for each in trains]
    names = ", ".join(f"`{each.name.text}`" for each in trains if each.name)
    return Diagnostic(
        "E0601",
        "there are several train blocks",
        labels[0],
        tuple(labels[1:]),
        help=f"name the one to run: {names}",
    )


def data_block(files: Files, train: Block) -> Block | None:
    """Return the `data` block that a training names, or the only one; None for a training without data.

    Errors: E0604 for a name that is no data block, E0601 where it is not clear which is meant.
    """
    blocks = [(each, module) for module in files.modules for each in module.sections if each.kind == "data"]
    value = train.value("data")
    if value is None:
        mine = [each for each, module in blocks if module is files.main]
        if len(mine) > 1:
            raise mistake(
                "E0603",
                "there are several data blocks, and the training names none",
                train.title.span,
                "which data?",
                help="add `data = " + (mine[0].name.text if mine[0].name else "…") + "`",
            )
        return block(mine[0], files.main) if mine else None
    if not isinstance(value, tree.Path):
        raise mistake("E0604", "`data` names a data block", value.span, "not a name")
    found = find(_module(value, files.main), value.parts[-1].text, value.parts[-1].span)
    if found is None or not isinstance(found.declaration, tree.Section) or found.declaration.kind != "data":
        names = [each.name.text for each, _ in blocks if each.name]
        raise unknown("E0604", "data block", value.text, value.span, names, listing="there are")
    return block(found.declaration, found.module)


def _module(path: tree.Path, module: Module) -> Module:
    return module.aliases.get(path.parts[0].text, module) if len(path.parts) == 2 else module

"""Elaborates small texts against schemas made by hand."""

from collections.abc import Mapping, Sequence

from netdsl.diagnostics import Diagnostic, DiagnosticError, Source
from netdsl.semantics import Files, elaborate, load_files
from netdsl.semantics.experiment import Experiment
from netdsl.semantics.schema import Column, FieldSchema, PartName, Schema

ROWS: Mapping[PartName, int] = {"train": 1000, "valid": 200, "test": 200}

DIGITS = Schema(
    "digits",
    (
        FieldSchema("image", (8, 8, 1), range=(0, 16)),
        FieldSchema("label", (), "label", target=True, classes=tuple("0123456789")),
    ),
    ROWS,
)

TABLE = Schema(
    "houses",
    (
        FieldSchema("x", (3,), columns=(Column("rooms", 0, 1), Column("age", 1, 1), Column("area", 2, 1))),
        FieldSchema("price", (), target=True),
    ),
    ROWS,
)


def no_imports(path: str, importing: str) -> Source:
    raise AssertionError(f"{importing} imports {path}")


def files_of(text: str, **others: str) -> Files:
    """Load a text; `others` are the files it may import, by their name without the suffix."""

    def read(path: str, importing: str) -> Source:
        return Source(path, others[path.removesuffix(".net")])

    return load_files(Source("main.net", text), read if others else no_imports)


def experiment(
    text: str,
    schema: Schema | None = DIGITS,
    overrides: Mapping[str, str] | None = None,
    train: str | None = None,
    **others: str,
) -> Experiment:
    """Elaborate a text."""
    return elaborate(files_of(text, **others), overrides or {}, train, schema)


def told(
    text: str, schema: Schema | None = DIGITS, overrides: Mapping[str, str] | None = None, **others: str
) -> Sequence[Diagnostic]:
    """Return what is told of a text: its mistakes, or the warnings where it has none."""
    try:
        warnings: Sequence[Diagnostic] = experiment(text, schema, overrides, **others).warnings
    except DiagnosticError as error:
        return error.diagnostics
    return warnings


def codes(
    text: str, schema: Schema | None = DIGITS, overrides: Mapping[str, str] | None = None, **others: str
) -> list[str]:
    """Return the codes of what is told of a text."""
    return [each.code for each in told(text, schema, overrides, **others)]


def classifier(body: str, *, before: str = "", **fields: str) -> str:
    """Write a file around the body of a model of digits; `fields` are added to the train block."""
    train = {
        "model": "mlp",
        "data": "digits",
        "loss": "cross_entropy",
        "optimizer": "adam(0.001)",
        "epochs": "3",
        **fields,
    }
    lines = "".join(f"    {name} = {value}\n" for name, value in train.items() if value)
    return f"""
{before}
data digits {{
    source = digits()
    scale  = divide(16)
}}
model mlp(image: [8, 8, 1]) {{
{body}
}}
train {{
{lines}}}
"""


PLAIN = "    return image -> flatten -> dense(10) -> softmax"

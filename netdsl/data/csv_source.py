"""The source `csv`: tables of text."""

from collections.abc import Mapping
from typing import Any, Final

from netdsl.data.access import Access
from netdsl.data.arguments import Parameter, read_arguments, span_of
from netdsl.data.cells import Cells
from netdsl.data.columns import assign_roles
from netdsl.data.content import Content
from netdsl.data.encoding import encode
from netdsl.data.lines import ENCODINGS, Format
from netdsl.data.problems import fail
from netdsl.data.table import Missing, Table, check_cells, read_file, read_header
from netdsl.diagnostics import Exit
from netdsl.semantics.experiment import SourcePlan

_MARKS: Final = frozenset({"", "?"})
_PARAMETERS: Final = (
    Parameter("file", "text"),
    Parameter("target", "names", (), by_name=True),
    Parameter("label", "names", (), by_name=True),
    Parameter("inputs", "inputs", None, by_name=True),
    Parameter("categories", "names", (), by_name=True),
    Parameter("skip", "names", (), by_name=True),
    Parameter("test", "text", None, by_name=True),
    Parameter("absent", "names", (), by_name=True),
    Parameter("columns", "names", None, by_name=True),
    Parameter("separator", "text", ",", by_name=True),
    Parameter("encoding", "text", "utf-8", by_name=True),
)


def open_csv(plan: SourcePlan, access: Access, *, missing: Missing = "error") -> Content:
    """Open a table of text: `csv("f.csv", target=price)`.

    - `target`: columns to predict. One of numbers is a number, one of texts a label (its classes in order).
    - `label`: columns to predict that are classes though they look like numbers.
    - `inputs`: `[a, b]` for the columns of the vector `x`; `(x=[a, b], y=[c], age=age)` for several fields,
      a name alone making a single number or category. Without it, `x` has all columns but the targets.
    - `categories`: inputs that are categories though they look like numbers; `skip`: columns to leave out.
    - `test`: a file with the test part. `absent`: texts that mark a missing cell, besides none and `?`.
    - `columns`: the names, for a file without a header. `separator`, `encoding` (utf-8, latin-1, cp1252).

    Errors: E0522, E0523, E0528 to E0533, E0540.
    """
    given = read_arguments(plan, _PARAMETERS)
    _check_choices(plan, given)
    files = [access.places.find(given["file"], span_of(plan, "file", 0))]
    if given["test"] is not None:
        files.append(access.places.find(given["test"], span_of(plan, "test")))
    form = Format(given["separator"], given["encoding"].lower(), given["columns"])
    roles = assign_roles(plan, given, read_header(files[0], form, plan.span))
    marks = _MARKS | {text.strip() for text in given["absent"]}
    table = Table({name: Cells(name, marks, as_text=name in roles.texts) for name in roles.used})
    for path in files:
        read_file(path, table, form, plan.span)
    check_cells(table, (*given["target"], *given["label"]), missing, plan.span)
    return encode(table, roles, missing, plan.span)


def _check_choices(plan: SourcePlan, given: Mapping[str, Any]) -> None:
    if len(given["separator"]) != 1 or given["separator"] in '"\r\n':
        message = "`separator` of `csv` is one character, such as `;`"
        fail("E0522", message, span_of(plan, "separator"), exit_code=Exit.USAGE)
    if given["encoding"].lower() not in ENCODINGS:
        listed = ", ".join(f"`{each}`" for each in ENCODINGS)
        message = f"`encoding` of `csv` is one of {listed}"
        fail("E0522", message, span_of(plan, "encoding"), exit_code=Exit.USAGE)

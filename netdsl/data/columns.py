"""Which columns of a table make up which fields."""

from collections.abc import Mapping, Sequence
from typing import Any

from netdsl.data.arguments import span_of, word_in
from netdsl.data.problems import fail
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Fix, Label, Span
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.problems import nearest


@dataclass(frozen=True, slots=True)
class Group:
    """A field and its columns. `single` tells `age=age` from `age=[age]`: a number from a vector of one."""

    field: str
    columns: tuple[str, ...]
    single: bool = False
    target: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """What the columns of a table are for. `texts` are read as texts whatever they look like."""

    groups: tuple[Group, ...]
    labels: frozenset[str]
    texts: frozenset[str]

    @property
    def used(self) -> tuple[str, ...]:
        """Return the columns that are read, each once."""
        return tuple(dict.fromkeys(name for group in self.groups for name in group.columns))


def assign_roles(plan: SourcePlan, given: Mapping[str, Any], header: Sequence[str]) -> Roles:
    """Work out the fields of a table from the arguments and the header.

    Errors: E0533 for columns that the table does not have, E0522 for ones that are given two roles.
    """
    _check_known(plan, given, header)
    targets = (*given["target"], *given["label"])
    if given["inputs"] is None:
        taken = {*targets, *given["skip"]}
        inputs: Mapping[str, str | tuple[str, ...]] = {
            "x": tuple(name for name in header if name not in taken)
        }
    else:
        inputs = given["inputs"]
    groups = (
        *(
            Group(field, (columns,), single=True) if isinstance(columns, str) else Group(field, columns)
            for field, columns in inputs.items()
        ),
        *(Group(name, (name,), single=True, target=True) for name in targets),
    )
    _check_roles(plan, groups)
    return Roles(groups, frozenset(given["label"]), frozenset((*given["label"], *given["categories"])))


def _check_known(plan: SourcePlan, given: Mapping[str, Any], header: Sequence[str]) -> None:
    wanted = [
        (argument, name) for argument in ("target", "label", "skip", "categories") for name in given[argument]
    ]
    for columns in (given["inputs"] or {}).values():
        wanted += [("inputs", name) for name in ((columns,) if isinstance(columns, str) else columns)]
    known = set(header)
    mistakes = [
        _unknown(name, span_of(plan, argument), header) for argument, name in wanted if name not in known
    ]
    if mistakes:
        raise DiagnosticError(mistakes)


def _unknown(name: str, span: Span, header: Sequence[str]) -> Diagnostic:
    span = word_in(span, name)
    meant = nearest(name, header)
    listed = ", ".join(f"`{each}`" for each in header[:30]) + (", …" if len(header) > 30 else "")
    fix = Fix(span, meant) if meant and span.text == name and meant.isidentifier() else None
    help = f"did you mean `{meant}`?" if meant else f"its columns are {listed}"
    return Diagnostic(
        "E0533", f"the table has no column `{name}`", Label(span, "not known"), help=help, fix=fix
    )


def _check_roles(plan: SourcePlan, groups: Sequence[Group]) -> None:
    fields = [group.field for group in groups]
    targets = [group.columns[0] for group in groups if group.target]
    inputs = [name for group in groups if not group.target for name in group.columns]
    if twice := _repeated(fields):
        _refuse(
            f"two fields are called `{twice}`", "name the inputs otherwise: `inputs=(features=[…])`", plan
        )
    if twice := _repeated([*targets, *dict.fromkeys(inputs)]):
        _refuse(
            f"the column `{twice}` is to be predicted, and is an input", "take it out of one of them", plan
        )
    if any(not group.columns for group in groups):
        _refuse("no column is left for the inputs", "take columns out of `target` or `skip`", plan)
    if any(_repeated(group.columns) for group in groups):
        _refuse("a column stands twice in a field", "take one out", plan)


def _repeated(names: Sequence[str]) -> str | None:
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _refuse(message: str, help: str, plan: SourcePlan) -> None:
    fail("E0522", message, plan.span, help=help, exit_code=Exit.USAGE)

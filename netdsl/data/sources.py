"""The sources by name."""

from collections.abc import Callable
from typing import Final

from netdsl.data.access import Access
from netdsl.data.content import Content
from netdsl.data.problems import fail
from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit, Label
from netdsl.semantics.experiment import DataPlan, SourcePlan
from netdsl.semantics.problems import nearest

# What each takes: told here too, so that an editor need not open a source to offer its arguments.
_IDX: Final = ("folder", "images", "labels", "test_images", "test_labels")
_TABLE: Final = ("target", "label", "inputs", "categories", "skip", "test")
_ARGUMENTS: Final = {
    "digits": (),
    "mnist": (),
    "fashion_mnist": (),
    "idx": _IDX,
    "images": ("folder", "size", "channels", "test"),
    "cifar10": ("folder",),
    "csv": ("file", *_TABLE, "absent", "columns", "separator", "encoding"),
    "npz": ("file", "target", "label", "test"),
    "text": ("file", "length", "step", "test"),
    "moons": ("n", "noise", "seed"),
    "circles": ("n", "noise", "factor", "seed"),
    "spirals": ("n", "noise", "classes", "turns", "seed"),
    "blobs": ("n", "noise", "classes", "radius", "seed"),
    "waves": ("n", "noise", "length", "seed"),
    "addition": ("n", "bits", "seed"),
}
_NAMES: Final = tuple(_ARGUMENTS)


def source_names() -> tuple[str, ...]:
    """Return the names of the sources."""
    return _NAMES


def source_arguments(name: str) -> tuple[str, ...]:
    """Return the names of the arguments that a source takes, none for one that is not known."""
    return _ARGUMENTS.get(name, ())


def open_source(plan: DataPlan, access: Access) -> Content:
    """Open the source of a `data` block.

    Errors: E0520 for one that is not known; those of the source.
    """
    source = plan.source
    if source.name not in _NAMES:
        raise _unknown(plan)
    if source.name == "csv":
        from netdsl.data.csv_source import open_csv

        return open_csv(source, access, missing=plan.missing)
    _refuse_missing(plan)
    return _opener(source.name)(source, access)


def _opener(name: str) -> Callable[[SourcePlan, Access], Content]:
    """Return what opens a source. Each is imported when it is asked for: few need archives or the network."""
    match name:
        case "digits":
            from netdsl.data.digits import open_digits as opener
        case "mnist":
            from netdsl.data.mnist import open_mnist as opener
        case "fashion_mnist":
            from netdsl.data.mnist import open_fashion_mnist as opener
        case "idx":
            from netdsl.data.images import open_idx as opener
        case "images":
            from netdsl.data.pictures import open_images as opener
        case "cifar10":
            from netdsl.data.cifar import open_cifar10 as opener
        case "npz":
            from netdsl.data.npz import open_npz as opener
        case "text":
            from netdsl.data.text import open_text as opener
        case "moons":
            from netdsl.data.toys import open_moons as opener
        case "circles":
            from netdsl.data.toys import open_circles as opener
        case "spirals":
            from netdsl.data.toys import open_spirals as opener
        case "waves":
            from netdsl.data.sequences import open_waves as opener
        case "addition":
            from netdsl.data.sequences import open_addition as opener
        case _:
            from netdsl.data.toys import open_blobs as opener
    return opener


def _unknown(plan: DataPlan) -> DiagnosticError:
    meant = nearest(plan.source.name, _NAMES)
    listed = "the sources are " + ", ".join(f"`{each}`" for each in _NAMES)
    help = f"did you mean `{meant}`?" if meant else listed
    message = f"there is no source `{plan.source.name}`"
    return DiagnosticError([Diagnostic("E0520", message, Label(plan.source.span, "not known"), help=help)])


def _refuse_missing(plan: DataPlan) -> None:
    if plan.missing != "error":
        message = f"`missing = {plan.missing}` is for tables, and `{plan.source.name}` has no missing cells"
        fail("E0522", message, plan.span, help="leave `missing` out", exit_code=Exit.USAGE)

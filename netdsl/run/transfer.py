"""A training that begins with the weights of another: which are taken over, and which begin anew."""

from collections.abc import Sequence

from netdsl.diagnostics import Diagnostic, DiagnosticError, Label, Severity
from netdsl.lazy_dataclass import dataclass
from netdsl.run.opening import Opened
from netdsl.run.start import Numbers, overlaid
from netdsl.semantics.experiment import Experiment
from netdsl.training.checkpoints import load_checkpoint
from netdsl.training.executable import Values
from netdsl.training.store import LAST

SHOWN = 6
"""Names that a message lists, at most."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The values a training starts with, and what is worth a look in them."""

    values: Numbers
    warnings: tuple[Diagnostic, ...] = ()


def begun_with(opened: Opened, values: Numbers) -> Begun:
    """Return initial values with those of the file that `start` names in their place.

    A weight that the file has not begins anew, which is told. What is measured of the training rows is this
    training's own.
    Errors: E0834 where the file has none of the weights, or one of another shape; those of load_checkpoint.
    """
    from netdsl.data.problems import placed

    experiment = opened.experiment
    start = experiment.training.start
    if start is None:
        return Begun(values)
    path = opened.folder / start
    with placed(experiment.training.start_span, "to begin with these weights"):
        kept = load_checkpoint(path / LAST if path.is_dir() else path).values
    own = {each.path for each in experiment.weights if each.kind == "fitted"}
    begun, taken, differing = overlaid({name: each for name, each in values.items() if name not in own}, kept)
    if differing or not taken:
        raise _unfit(experiment, start, differing, kept)
    return Begun({**values, **begun}, _anew(experiment, start, taken, kept))


def _anew(experiment: Experiment, start: str, taken: Sequence[str], kept: Values) -> tuple[Diagnostic, ...]:
    """Tell which weights of the model the file has not, and which of its own are of no use."""
    known = {each.path: each for each in experiment.weights if each.kind != "fitted"}
    new = [path for path in known if path not in taken]
    if not new:
        return ()
    fitted = {each.path for each in experiment.weights if each.kind == "fitted"}
    left = [name for name in kept if "@" not in name and name not in known and name not in fitted]
    frozen = [path for path in new if known[path].frozen and known[path].is_parameter]
    notes = [f"new: {_listed(new)}", f"taken over: {_listed(taken)}"]
    notes += [f"in the file, and not in this model: {_listed(left)}"] if left else []
    span = experiment.training.start_span
    cure = (
        f"`{frozen[0]}` is frozen and was never trained: name its part as the file does"
        if frozen
        else "that is right for a new head; otherwise name the parts as the file does"
    )
    return (
        Diagnostic(
            "W0606",
            f"{len(new)} of the {len(known)} weights are not in `{start}`, and begin anew",
            None if span is None else Label(span, "has not all of them"),
            notes=tuple(notes),
            help=cure,
            severity=Severity.WARNING,
        ),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:SHOWN]) + more


def _unfit(experiment: Experiment, start: str, differing: Sequence[str], kept: Values) -> DiagnosticError:
    span = experiment.training.start_span
    notes: tuple[str, ...] = ()
    if differing:
        name = differing[0]
        shape = next(each.shape for each in experiment.weights if each.path == name)
        message = f"`{name}` has another shape in `{start}` than in this model"
        notes = (f"there it is {list(kept[name].shape)}, here {list(shape)}",)
        cure = "for a new part of another shape choose another name, such as `dense(5) as new_head`"
    else:
        message = f"`{start}` has no weight of this model"
        cure = "`netdsl show` lists the weights of a file and of a model"
    label = None if span is None else Label(span, "these weights do not fit")
    return DiagnosticError([Diagnostic("E0834", message, label, notes=notes, help=cure)])

"""What is told of a training whose products are rounded otherwise than its file says, or than before."""

from netdsl.diagnostics import Diagnostic, Label, Severity, is_allowed
from netdsl.run.engine import Engine


def precision_notes(engine: Engine, before: str | None) -> tuple[Diagnostic, ...]:
    """Return a note, W0605, where products are not rounded as the file says, or not as a run did `before`."""
    plan, now = engine.experiment.training, engine.precision
    changed = before is not None and before != now
    if now == plan.precision and not changed:
        return ()
    began = f"the run began with factors of products in {before}"
    note = Diagnostic(
        "W0605",
        f"on the CPU products stay {now}: `precision = {plan.precision}` is for CUDA devices"
        if now != plan.precision
        else f"factors of products are in {now} from here on",
        None if plan.precision_span is None else Label(plan.precision_span, "asked for here"),
        notes=(began,) if changed else (),
        severity=Severity.NOTE,
    )
    return () if is_allowed(note) else (note,)

"""Parts of a model by name, as `weights(stem)`, `freeze = [stem]` and per-part rates give them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netdsl.diagnostics import Span
from netdsl.semantics.problems import unknown


def in_part(path: str, part: str, model: str) -> bool:
    """Tell whether a weight belongs to a part: a path from the model on, or from inside the trained model."""
    steps, wanted = path.split("/"), part.split("/")
    inside = steps[1:] if steps[0] == model else steps
    return steps[: len(wanted)] == wanted or inside[: len(wanted)] == wanted


def check_part(
    part: str, span: Span, paths: Sequence[str], model: str, *, besides: Sequence[str] = ()
) -> None:
    """Raise MistakeError for a part that no weight belongs to; `besides` are other names that would do."""
    if not any(in_part(path, part, model) for path in paths):
        raise unknown(
            "E0608",
            "part",
            part,
            span,
            [*parts_of(paths, model), *besides],
            listing="the parts are",
            place=f"of `{model}`",
        )


def parts_of(paths: Iterable[str], model: str) -> list[str]:
    """Return the names of the parts of a model, the larger ones first."""
    parts: dict[str, None] = {}
    for path in paths:
        steps = path.split("/")
        inside = steps[1:-1] if steps[0] == model else steps[:-1]
        for end in range(1, len(inside) + 1):
            parts["/".join(inside[:end])] = None
    return sorted(parts, key=lambda each: each.count("/"))

"""Binds the pattern of a signature, `x: [.., c]`, to the shape of what is given."""

from __future__ import annotations

from netdsl.diagnostics import Fix, Label, Span
from netdsl.graph import Shape
from netdsl.semantics.frame import Site
from netdsl.semantics.items import Item, Tensor, text_of
from netdsl.semantics.tensors import trails
from netdsl.syntax import tree


def bind_pattern(
    parameter: tree.Tensor, tensor: Tensor, bound: dict[str, Item], owner: str, site: Site
) -> None:
    """Bind the extents that a pattern names, into `bound`.

    Errors: E0312 when the shape does not fit, or a name would stand for two extents.
    """
    pattern = parameter.pattern
    if pattern is None:
        return
    rest = next((i for i, each in enumerate(pattern.extents) if isinstance(each, tree.Rest)), None)
    shape = tensor.shape
    fixed = len(pattern.extents) - (rest is not None)
    if len(shape) < fixed or (rest is None and len(shape) != fixed):
        raise _unfit(parameter, tensor, owner, site)
    head, tail = _ends(pattern, rest)
    for extent, each in zip(shape, head, strict=False):
        _bind(each, extent, parameter, tensor, bound, owner, site)
    for extent, each in zip(shape[len(shape) - len(tail) :], tail, strict=True):
        _bind(each, extent, parameter, tensor, bound, owner, site)
    if rest is not None:
        name = pattern.extents[rest]
        assert isinstance(name, tree.Rest)
        if name.name is not None:
            bound[name.name.text] = tuple(shape[len(head) : len(shape) - len(tail)])


Extents = tuple[tree.Number | tree.Name | tree.Rest, ...]


def _ends(pattern: tree.Pattern, rest: int | None) -> tuple[Extents, Extents]:
    if rest is None:
        return pattern.extents, ()
    return pattern.extents[:rest], pattern.extents[rest + 1 :]


def _bind(
    wanted: tree.Number | tree.Name | tree.Rest,
    extent: int,
    parameter: tree.Tensor,
    tensor: Tensor,
    bound: dict[str, Item],
    owner: str,
    site: Site,
) -> None:
    match wanted:
        case tree.Number(value=value):
            if value != extent:
                raise _unfit(parameter, tensor, owner, site)
        case tree.Name(text=name):
            if bound.setdefault(name, extent) != extent:
                raise _unfit(parameter, tensor, owner, site, f"`{name}` is {bound[name]} already")


def _unfit(parameter: tree.Tensor, tensor: Tensor, owner: str, site: Site, note: str = "") -> Exception:
    assert parameter.pattern is not None
    wanted = pattern_text(parameter.pattern)
    return site.mistake(
        "E0312",
        f"`{owner}` takes {_noun(parameter.pattern)}, and {_called(tensor)} {text_of(tensor.shape)}",
        f"expects {parameter.name.text}: {wanted}",
        secondary=[*trails([tensor]), *_written_here(parameter, site)],
        notes=[note] if note else [],
        help=_cure(parameter.pattern, tensor.shape, owner, site),
        fix=_fix(parameter.pattern, tensor.shape, site),
    )


def _called(tensor: Tensor) -> str:
    return f"`{tensor.called}` is" if tensor.called else "is given"


def _written_here(parameter: tree.Tensor, site: Site) -> list[Label]:
    """Point at the signature where it stands in the user's text."""
    return [Label(parameter.span, "by its signature")] if parameter.span.source is site.span.source else []


def _noun(pattern: tree.Pattern) -> str:
    text = pattern_text(pattern)
    free = all(isinstance(each, tree.Name) for each in pattern.extents)
    noun = {0: "a number", 1: "a vector", 2: "a matrix"}.get(len(pattern.extents))
    return noun if noun and free else f"a value {text}"


def _cure(pattern: tree.Pattern, shape: Shape, owner: str, site: Site) -> str | None:
    vector = len(pattern.extents) == 1 and isinstance(pattern.extents[0], tree.Name)
    if vector and len(shape) > 1:
        flattened = f"flatten it first: `-> flatten -> {site.span.text}`"
        if _is_sequence(shape) and owner == "dense":
            at_each = site.span.text.replace("dense", "pointwise", 1)
            return f"{flattened}, or let one layer work at each place: `-> {at_each}`"
        return flattened
    if vector and not shape:
        return "a single number is made a vector by `-> flatten`"
    return None


def _is_sequence(shape: Shape) -> bool:
    """Tell whether a value may be places in a row, which a dense layer can work at one by one."""
    return len(shape) == 2


def _fix(pattern: tree.Pattern, shape: Shape, site: Site) -> Fix | None:
    """Put `flatten` before a stage that takes a vector, where that is the only way."""
    start = site.span.source.text.rfind("->", 0, site.span.start)
    in_chain = start >= 0 and not site.span.source.text[start + 2 : site.span.start].strip()
    if (
        len(pattern.extents) != 1
        or len(shape) < 2
        or _is_sequence(shape)
        or not in_chain
        or site.frame.module.is_library
    ):
        return None
    return Fix(Span(site.span.source, site.span.start, site.span.start), "flatten -> ")


def pattern_text(pattern: tree.Pattern) -> str:
    """Write a pattern as it stands in a signature."""
    parts = []
    for each in pattern.extents:
        match each:
            case tree.Number(text=text):
                parts.append(text)
            case tree.Name(text=text):
                parts.append(text)
            case tree.Rest(name=name):
                parts.append(".." + (name.text if name else ""))
    return "[" + ", ".join(parts) + "]"

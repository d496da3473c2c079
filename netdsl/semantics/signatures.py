"""What a definition's signature says: its parameters, their words, how it is declared."""

from __future__ import annotations

from netdsl.semantics.elsewhere import setting_here, setting_hint
from netdsl.semantics.problems import MistakeError, unknown
from netdsl.syntax import tree


def signature(definition: tree.Definition) -> str:
    """Write how a definition is declared: `dense(x: [n]; units, init=…)`."""
    tensors = ", ".join(each.span.text for each in definition.tensors)
    settings = ", ".join(
        f"{each.name.text}=…" if each.default else each.name.text for each in definition.settings
    )
    return f"{definition.name.text}({tensors}{'; ' if settings else ''}{settings})"


def parameters(definition: tree.Definition) -> list[str]:
    """Return the names that a use may give: settings, then tensors, unless netdsl itself gives those."""
    settings = [each.name.text for each in definition.settings]
    if definition.kind in {"optimizer", "penalty", "scaler"}:
        return settings
    return settings + [each.name.text for each in definition.tensors]


def words_of(definition: tree.Definition) -> frozenset[str]:
    """Return the bare words among the alternatives of the settings, for a body to compare with."""
    words: set[str] = set()
    for setting in definition.settings:
        if isinstance(setting.domain, tree.List):
            words |= {each.text for each in setting.domain.items if isinstance(each, tree.Path)}
    return frozenset(words)


def extents_by_setting(definition: tree.Definition) -> list[str]:
    """Return the settings that patterns name: `h: [units]` with a setting `units` has that extent."""
    settings = {each.name.text for each in definition.settings}
    patterns = [each.pattern for each in definition.tensors if each.pattern]
    names = (each.text for pattern in patterns for each in pattern.extents if isinstance(each, tree.Name))
    return [name for name in dict.fromkeys(names) if name in settings]


def unknown_setting(definition: tree.Definition, named: tree.Named) -> MistakeError:
    """Return the error for a setting that a definition has not."""
    name, known = named.name.text, parameters(definition)
    settings = {each.name.text: each.span.text for each in definition.settings}
    meant = setting_here(name, known)
    return unknown(
        "E0201",
        "setting",
        name,
        named.name.span,
        known,
        listing=f"`{definition.name.text}` has",
        place=f"of `{definition.name.text}`",
        written={each: " ".join(settings.get(each, each).split()) for each in known},
        meant=meant,
        hint=None if meant else setting_hint(name),
    )

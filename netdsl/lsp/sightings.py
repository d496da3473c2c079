"""What the expressions of a file stand for, as it was seen while the file was worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netdsl.diagnostics import Span
from netdsl.graph import Shape
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.items import Item, Tensor, text_of

_MOST = 64
"""So many values of one place are kept: a `repeat` or a layer that is used often has many."""


class SupersededError(Exception):
    """End an analysis whose text is not the newest any more."""


@dataclass(slots=True)
class Sighting:
    """A place with what it stood for, each time it was worked out, and the paths of the uses made there."""

    span: Span
    items: list[Item] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    @property
    def shapes(self) -> list[Shape]:
        """Return the shapes of one example that the place had, each once, in order."""
        return list(dict.fromkeys(each.shape for each in self.items if isinstance(each, Tensor)))

    @property
    def shape_text(self) -> str | None:
        """Write the shapes: `[128]`, or `[128] … [64]` where there were several."""
        texts = [text_of(each) for each in self.shapes]
        if not texts:
            return None
        return texts[0] if len(texts) == 1 else f"{texts[0]} {'…' if len(texts) > 2 else '|'} {texts[-1]}"


class Sightings:
    """Takes what is seen, as an observer of `netdsl.semantics`."""

    def __init__(self, superseded: Callable[[], bool]) -> None:
        self._superseded = superseded
        self._found: dict[tuple[str, int, int], Sighting] = {}

    def see(self, span: Span, item: Item, path: str) -> None:
        """Take what a place stands for. Raises SupersededError when nobody waits for it any more."""
        if self._superseded():
            raise SupersededError
        found = self._found.setdefault((span.source.name, span.start, span.end), Sighting(span))
        if len(found.items) < _MOST:
            found.items.append(item)
        if path and path not in found.paths and len(found.paths) < _MOST:
            found.paths.append(path)

    def at(self, span: Span) -> Sighting | None:
        """Return what was seen at exactly a place."""
        return self._found.get((span.source.name, span.start, span.end))

    def in_file(self, name: str) -> Iterator[Sighting]:
        """Yield what was seen in a file."""
        return (each for (file, _, _), each in self._found.items() if file == name)

"""What can be written at a place: keywords that the parser accepts, and names of the right kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lsprotocol import types

from netdsl.lsp import offers
from netdsl.lsp.analysis import Analysis
from netdsl.lsp.documentation import setting_text
from netdsl.lsp.fields import FIELDS as TEXTS
from netdsl.lsp.fields import PRECISIONS
from netdsl.lsp.offers import Offer
from netdsl.lsp.parts import outputs_of
from netdsl.lsp.surroundings import Surroundings, surroundings
from netdsl.semantics.blocks import FIELDS
from netdsl.semantics.files import Module
from netdsl.semantics.functions import FUNCTIONS, WORDS, Function
from netdsl.semantics.lookup import CONSTANTS, SEEN_BY
from netdsl.semantics.signatures import parameters, signature
from netdsl.semantics.stops import CLIPS, STOPS
from netdsl.syntax import tree
from netdsl.syntax.words import SECTIONS

Kind = types.CompletionItemKind

_OF_FIELD: Final = {
    ("train", "model"): ("model",),
    ("train", "data"): ("data",),
    ("train", "loss"): ("loss", "penalty"),
    ("train", "optimizer"): ("optimizer",),
    ("train", "metrics"): ("metric", "loss"),
    ("data", "scale"): ("scaler",),
    ("search", "train"): ("train",),
    ("evaluate", "train"): ("train",),
}
"""Which kinds of declarations a field names."""
_IN_BODY: Final = ("layer", "param", "model")
_MOST: Final = 400


def completions(analysis: Analysis, text: str, offset: int) -> types.CompletionList:
    """Return what can be written at an offset of a text, which may be newer than what is known of it."""
    here = surroundings(text, offset)
    found: dict[str, Offer] = {}
    for each in _Offers(analysis, here).all():
        found.setdefault(each.name, each)
    items = [_item(each) for each in list(found.values())[:_MOST]]
    return types.CompletionList(is_incomplete=False, items=items)


def _item(offer: Offer) -> types.CompletionItem:
    document = types.MarkupContent(types.MarkupKind.Markdown, offer.text) if offer.text else None
    return types.CompletionItem(
        label=offer.name,
        kind=offer.kind,
        detail=offer.detail or None,
        documentation=document,
        sort_text=f"{offer.rank}{offer.name}",
        insert_text=offer.insert,
    )


class _Offers:
    """Collects what can be written at a place."""

    def __init__(self, analysis: Analysis, here: Surroundings) -> None:
        self.analysis, self.here = analysis, here
        self.module: Module | None = analysis.files.main if analysis.files else None

    def all(self) -> Iterator[Offer]:
        """Yield all offers; of those with one name the first counts."""
        here = self.here
        if here.text is not None:
            yield from self._files()
            return
        if here.path:
            yield from self._of_path()
            return
        if here.starts_line and here.in_section:
            yield from self._fields()
        elif here.expected.body and here.starts_line:
            yield from self._statements()
        elif here.expected.name or here.expected.value:
            yield from self._names()
        yield from self._keywords()

    def _keywords(self) -> Iterator[Offer]:
        states = self.here.kind in ("optimizer", "schedule") and self.here.starts_line
        for each in self.here.expected.keywords:
            if each != "state" or (states and self.here.expected.body):
                yield Offer(each, Kind.Keyword, 7)

    # ---- where something begins -----------------------------------------------------------------

    def _fields(self) -> Iterator[Offer]:
        kind = self.here.kind or ""
        for name in FIELDS.get(kind, ()):
            if name not in self._written_fields():
                about = TEXTS.get(kind, {}).get(name, "")
                yield Offer(name, Kind.Field, 0, f"field of {kind}", about, f"{name} = ")

    def _written_fields(self) -> set[str]:
        """Return the fields that the block has before this place."""
        reading, keyword = self.here.expected.reading, self.here.expected.keyword
        starts = [
            line.first
            for line in reading.lines
            if keyword and reading.pieces[line.first].start > keyword.start
        ]
        return {reading.pieces[each].text for each in starts}

    def _statements(self) -> Iterator[Offer]:
        if self.here.kind in ("optimizer", "schedule"):
            for name in sorted({*self._local(), *(["w"] if self.here.kind == "optimizer" else [])}):
                yield Offer(name, Kind.Variable, 0, "", "", f"{name} := ")

    # ---- names ----------------------------------------------------------------------------------

    def _names(self) -> Iterator[Offer]:
        here = self.here
        declaring = here.expected.keyword is not None and not here.expected.body and len(here.line) == 1
        if declaring or (here.line and here.line[-1].text == "as"):
            return  # a new name
        called = self._called()
        if called is not None and here.argument is None and here.before in ("(", ",", ";"):
            yield from self._settings(called)
        if called is not None and (setting := self._setting(called)) is not None:
            yield from self._values_of(setting)
        if not here.expected.value:
            yield from self._declared(("layer", "model"), 1) if here.expected.body else ()
            yield from self._functions(1, elementwise=True) if here.expected.body else ()
            return
        if here.in_section:
            yield from self._in_field()
        else:
            yield from self._in_formula()

    def _in_formula(self) -> Iterator[Offer]:
        for name in sorted(self._local()):
            yield Offer(name, Kind.Variable, 1)
        kind = self.here.kind or ""
        for kinds, names in SEEN_BY:
            for name in names if kind in kinds else ():
                yield Offer(name, Kind.Variable, 2, f"what every {kind} sees")
        yield from self._declared(tuple(dict.fromkeys((*_IN_BODY, kind))), 3)
        yield from self._functions(4)
        for name in CONSTANTS:
            yield Offer(name, Kind.Constant, 4)
        if self.here.argument == "over":
            for name, about in WORDS.items():
                yield Offer(name, Kind.EnumMember, 0, about)
        yield from self._aliases()

    def _in_field(self) -> Iterator[Offer]:
        here, field = self.here, self.here.field
        inside = bool(here.callee)
        match here.kind, field:
            case "data", "source":
                yield from offers.sources() if not inside else self._source_arguments()
            case "train", "freeze":
                yield from offers.parts(self.analysis)
            case "train", "stop" | "clip":
                table = STOPS if field == "stop" else CLIPS
                for function in () if inside else table.values():
                    yield offers.function(function, 1)
                yield from offers.figures() if inside else ()
            case "train", "precision":
                for each, about in PRECISIONS.items():
                    yield Offer(each, Kind.EnumMember, 1, about)
            case kind, name:
                wanted = _OF_FIELD.get((kind or "", name or ""))
                if wanted and not inside:
                    yield from self._declared(wanted, 1)
                if name in ("loss", "metrics"):
                    yield from offers.compared(self.analysis, self.module)
                if name == "loss":
                    yield Offer("weights", Kind.Variable, 3, "all weights, or `weights(stem)`")
                if name == "optimizer" and inside:
                    yield from self._declared(("schedule",), 2)
                if name in ("maximize", "minimize", "over"):
                    yield from offers.figures()
                yield from self._declared(("param",), 3)
        yield from self._aliases()

    def _declared(self, kinds: tuple[str, ...], rank: int) -> Iterator[Offer]:
        """Yield the declarations of some kinds that can be referred to without an alias."""
        if self.module is None:
            return
        own = self.module.declarations
        modules = [self.module, *(each for _, each in self.module.opened)]
        modules += [self.module.library] if self.module.library else []
        for module in modules:
            for name, each in module.declarations.items():
                if offers.kind_of(each) in kinds:
                    yield offers.declared(name, each, rank if module.declarations is own else rank + 1)

    def _functions(self, rank: int, *, elementwise: bool = False) -> Iterator[Offer]:
        for each in FUNCTIONS.values():
            if not elementwise or each.elementwise or self.here.before == "->":
                yield offers.function(each, rank + 1 + (not each.elementwise))

    def _aliases(self) -> Iterator[Offer]:
        for name in self.module.aliases if self.module else ():
            yield Offer(name, Kind.Module, 5, "an import")

    def _local(self) -> set[str]:
        """Return the names that the signature and the statements before this place bind."""
        reading, keyword = self.here.expected.reading, self.here.expected.keyword
        if keyword is None or keyword.text in SECTIONS or keyword.text == "param":
            return set()
        found = [each for each in reading.pieces if each.start >= keyword.start]
        end = next((i for i, each in enumerate(found) if each.text in ("{", ")")), len(found))
        words = {each.text for each in found[2:end] if each.kind == "word"}
        pairs = zip(found[end + 1 :], found[end + 2 :], strict=False)
        depth, bound = 0, set()
        for one, other in pairs:
            depth += (one.text in "([") - (one.text in ")]") if one.kind in ("open", "close") else 0
            if one.kind == "word" and other.text == "=" and depth <= 0:
                bound.add(one.text)
        declared = self.module.visible() if self.module else ()
        return (words - set(declared) - set(FUNCTIONS) - {"in", "yes", "no"}) | bound

    # ---- arguments ------------------------------------------------------------------------------

    def _called(self) -> tree.Definition | Function | None:
        *alias, name = self.here.callee or ("",)
        if not name:
            return None
        module = self.module
        if alias and module is not None:
            module = module.aliases.get(alias[0])
        found = None
        if module is not None:
            places = (
                module,
                *(each for _, each in module.opened),
                *([module.library] if module.library else []),
            )
            found = next((each.declarations[name] for each in places if name in each.declarations), None)
        if found is not None:
            return found if isinstance(found, tree.Definition) else None
        return FUNCTIONS.get(name) or STOPS.get(name) or CLIPS.get(name)

    def _settings(self, called: tree.Definition | Function) -> Iterator[Offer]:
        if isinstance(called, Function):
            for name in called.parameters:
                if name not in self.here.given:
                    yield Offer(f"{name}=", Kind.Property, 0, f"an argument of {called.name}")
            return
        settings = {each.name.text: each for each in called.settings}
        for name in parameters(called):
            if name not in self.here.given:
                about = setting_text(settings[name]) if name in settings else "a tensor"
                yield Offer(f"{name}=", Kind.Property, 0, about, f"of `{signature(called)}`")

    def _setting(self, called: tree.Definition | Function) -> tree.Setting | None:
        """Return the setting whose value is written here: the one that is named, or the first."""
        if isinstance(called, Function):
            return None
        named = [each for each in called.settings if each.name.text == self.here.argument]
        first = self.here.before == "(" and not self.here.given
        return next(iter(named or (called.settings[:1] if first else ())), None)

    def _values_of(self, setting: tree.Setting) -> Iterator[Offer]:
        """Yield what a setting may be: its alternatives, yes and no, definitions like its default."""
        choices = setting.domain.items if isinstance(setting.domain, tree.List) else ()
        for each in (*choices, *((setting.default,) if setting.default is not None else ())):
            if isinstance(each, (tree.Path, tree.Number, tree.Flag, tree.Text)):
                default = " (the default)" if each is setting.default else ""
                yield Offer(each.span.text, Kind.EnumMember, 0, f"for {setting.name.text}{default}")
        match setting.default:
            case tree.Flag():
                yield from (Offer(each, Kind.EnumMember, 0) for each in ("yes", "no"))
            case tree.Path(text=name) | tree.Call(callee=tree.Path(text=name)):
                library = self.module.library if self.module else None
                each = library.declarations.get(name) if library else None
                yield from self._declared((offers.kind_of(each),), 0) if each is not None else ()

    # ---- what only blocks speak of --------------------------------------------------------------

    def _source_arguments(self) -> Iterator[Offer]:
        from netdsl.data.sources import source_arguments

        source = self.here.callee[-1]
        for name in source_arguments(source) if self.here.argument is None else ():
            if name not in self.here.given:
                yield Offer(f"{name}=", Kind.Property, 0, f"an argument of {source}")
        yield from self._declared(("param",), 2)

    def _of_path(self) -> Iterator[Offer]:
        """Yield what can stand behind a point: names of an import, figures of a part."""
        first = self.here.path[-1]
        if self.module is not None and first in self.module.aliases:
            for name, each in self.module.aliases[first].declarations.items():
                yield offers.declared(name, each, 1)
        elif first in ("valid", "train") and self.here.in_section:
            for name in ("loss", "objective", *sorted(offers.metrics(self.module))):
                yield Offer(name, Kind.Variable, 1, f"a figure of the {first} part")
        elif self.module is not None:
            for found in self.module.declarations.values():
                if isinstance(found, tree.Definition):
                    for named in outputs_of(found):
                        yield Offer(named.name.text, Kind.Variable, 1, f"an output of {found.name.text}")

    def _files(self) -> Iterator[Offer]:
        """Yield the files that an import can name."""
        if self.here.line and self.here.line[0].text == "import":
            folder = self.analysis.request.path.parent
            for path in sorted(folder.glob("*.net"))[:_MOST]:
                if path.name != self.analysis.request.path.name:
                    yield Offer(path.name, Kind.File, 1)

"""Trees of every shape that the grammar has, grown from a seed."""

from collections.abc import Callable
from random import Random

from netdsl.diagnostics import Source, Span
from netdsl.syntax import tree
from netdsl.syntax.numerals import UNITS, read_number
from netdsl.syntax.words import DEFINITIONS, RESERVED, SECTIONS

SOURCE = Source("grown.net", "")
SPAN = Span(SOURCE, 0, 0)

_WORDS = [
    "x",
    "y",
    "w",
    "λ",
    "Éa",
    "_",
    "data",
    "train",
    "state",
    "loss",
    "step",
    "min",
    "s",
    "import",
    "param",
    "k",
]
_UNITS = sorted(set(UNITS.values()))
_COMPARES = ["==", "!=", "<=", ">=", "<", ">"]


class Grower:
    """Grows trees; `size` is how deep expressions go."""

    def __init__(self, seed: int, size: int) -> None:
        self.random = Random(seed)
        self.size = size

    def file(self) -> tree.File:
        return tree.File(SOURCE, tuple(self._declaration() for _ in range(self.random.randint(0, 5))))

    # ---- declarations -------------------------------------------------------------------------

    def _declaration(self) -> tree.Declaration:
        match self.random.randrange(5):
            case 0:
                return tree.Import(self._text(), self._maybe_name(), SPAN)
            case 1:
                return self._param()
            case 2:
                return self._section()
            case _:
                return self._definition()

    def _param(self) -> tree.Param:
        domain = self._range(self.size) if self._coin() else None
        scale = self._name() if domain and self._coin() else None
        scale = tree.Name("log", SPAN) if scale and scale.text in UNITS else scale
        return tree.Param(self._name(), self._range(self.size), domain, scale, SPAN)

    def _definition(self) -> tree.Definition:
        tensors = tuple(
            tree.Tensor(self._name(), self._pattern(), SPAN) for _ in range(self.random.randint(0, 3))
        )
        settings = tuple(self._setting() for _ in range(self.random.randint(0, 3)))
        short = self._coin()
        body = (
            (self._return(),) if short else tuple(self._statement() for _ in range(self.random.randint(0, 4)))
        )
        kind = self.random.choice(DEFINITIONS)
        return tree.Definition(kind, self._name(), tensors, settings, body, short, SPAN)

    def _setting(self) -> tree.Setting:
        default = self._range(1) if self._coin() else None
        return tree.Setting(self._name(), default, self._range(1) if self._coin() else None, SPAN)

    def _pattern(self) -> tree.Pattern | None:
        if self._coin():
            return None
        extents = tuple(self._extent_of_pattern() for _ in range(self.random.randint(0, 3)))
        return tree.Pattern(extents, SPAN)

    def _extent_of_pattern(self) -> tree.Number | tree.Name | tree.Rest:
        match self.random.randrange(3):
            case 0:
                return self._plain_number()
            case 1:
                return self._name()
            case _:
                return tree.Rest(self._maybe_name(), SPAN)

    def _section(self) -> tree.Section:
        kind = self.random.choice(SECTIONS)
        name = self._name() if kind == "data" or self._coin() else None
        method = self._call(1) if kind in ("search", "evaluate") else None
        fields = (
            tree.Field(self._name(), self._flow(self.size), SPAN) for _ in range(self.random.randint(0, 4))
        )
        return tree.Section(kind, name, method, tuple(fields), SPAN)

    # ---- statements ---------------------------------------------------------------------------

    def _statement(self) -> tree.Statement:
        match self.random.randrange(4):
            case 0:
                return self._return()
            case 1:
                return tree.State(self._name(), self._flow(self.size), SPAN)
            case 2:
                return tree.Update(self._name(), self._flow(self.size), SPAN)
            case _:
                return tree.Bind(self._name(), self._flow(self.size), SPAN)

    def _return(self) -> tree.Return:
        return tree.Return(self._flow(self.size), SPAN)

    # ---- expressions, each no looser than its rule of the grammar -------------------------------

    def _flow(self, size: int) -> tree.Expr:
        match self.random.randrange(6) if size else 5:
            case 0:
                return self._chain(size)
            case 1:
                return tree.Condition(self._range(size - 1), self._then(size - 1), self._flow(size - 1), SPAN)
            case _:
                return self._range(size)

    def _then(self, size: int) -> tree.Expr:
        return self._chain(size) if size and self._coin() else self._range(size)

    def _chain(self, size: int) -> tree.Chain:
        stages = tuple(self._stage(size - 1) for _ in range(self.random.randint(0, 3)))
        label = self._name() if not stages else self._maybe_name()
        return tree.Chain(self._range(size - 1), label, stages, SPAN)

    def _stage(self, size: int) -> tree.Stage:
        return tree.Stage(self._step(size), self._maybe_name(), SPAN)

    def _step(self, size: int) -> tree.Path | tree.Call | tree.Repeat:
        match self.random.randrange(3 if size > 0 else 2):
            case 0:
                return self._path()
            case 1:
                return self._call(size)
            case _:
                return self._repeat(size)

    def _repeat(self, size: int) -> tree.Repeat:
        stages = tuple(self._stage(size - 1) for _ in range(self.random.randint(1, 3)))
        match self.random.randrange(4):
            case 0:
                return tree.Repeat(self._plain_number(), (), None, stages, SPAN)
            case 1:
                return tree.Repeat(self._path(), (), None, stages, SPAN)
            case 2:
                return tree.Repeat(self._group(size), (), None, stages, SPAN)
            case _:
                names = tuple(self._name() for _ in range(self.random.randint(1, 3)))
                return tree.Repeat(None, names, self._range(size), stages, SPAN)

    def _range(self, size: int) -> tree.Expr:
        low = self._row(["or"], 0, size)
        return tree.Range(low, self._row(["or"], 0, size), SPAN) if self.random.random() < 0.1 else low

    def _row(self, signs: list[str], level: int, size: int) -> tree.Expr:
        """Operators that bind alike, from left to right; the next level binds tighter."""
        left = self._tighter(level, size)
        while size > 0 and self.random.random() < 0.15:
            left = tree.Binary(self.random.choice(signs), left, self._tighter(level, size - 1), SPAN, SPAN)
        return left

    def _tighter(self, level: int, size: int) -> tree.Expr:
        match level:
            case 0:
                return self._row(["and"], 1, size)
            case 1:
                negated = size > 0 and self.random.random() < 0.1
                return (
                    tree.Unary("not", self._tighter(1, size - 1), SPAN) if negated else self._comparison(size)
                )
            case 2:
                return self._row(["*", "/", "@"], 3, size)
            case _:
                return self._signed(size)

    def _comparison(self, size: int) -> tree.Expr:
        left = self._row(["+", "-"], 2, size)
        if size <= 0 or self.random.random() > 0.1:
            return left
        right = self._row(["+", "-"], 2, size - 1)
        return tree.Binary(self.random.choice(_COMPARES), left, right, SPAN, SPAN)

    def _signed(self, size: int) -> tree.Expr:
        if size > 0 and self.random.random() < 0.1:
            return tree.Unary(self.random.choice("+-"), self._signed(size - 1), SPAN)
        base = self._atom(size)
        powered = size > 0 and self.random.random() < 0.1
        return tree.Binary("^", base, self._signed(size - 1), SPAN, SPAN) if powered else base

    def _atom(self, size: int) -> tree.Expr:
        small: list[Callable[[], tree.Expr]] = [
            self._number,
            self._path,
            self._extent,
            self._text,
            self._flag,
        ]
        large: list[Callable[[int], tree.Expr]] = [
            self._call,
            self._list,
            self._record,
            self._group,
            self._subscript,
            self._member,
        ]
        if size > 0 and self._coin():
            return self.random.choice(large)(size - 1)
        return self.random.choice(small)()

    def _group(self, size: int) -> tree.Group:
        return tree.Group(self._flow(size), SPAN)

    def _list(self, size: int) -> tree.List:
        return tree.List(self._flows(size), SPAN)

    def _record(self, size: int) -> tree.Record:
        return tree.Record(self._named(size, least=1), SPAN)

    def _subscript(self, size: int) -> tree.Subscript:
        items = tuple(self._range(size) for _ in range(self.random.randint(1, 2)))
        return tree.Subscript(self._path(), items, SPAN)

    def _member(self, size: int) -> tree.Member:
        return tree.Member(self._call(size), self._name(), SPAN)

    def _call(self, size: int) -> tree.Call:
        return tree.Call(self._path(), self._flows(size), self._named(size), SPAN)

    def _flows(self, size: int) -> tuple[tree.Expr, ...]:
        return tuple(self._flow(size) for _ in range(self.random.choice([0, 1, 2, 3, 12])))

    def _named(self, size: int, least: int = 0) -> tuple[tree.Named, ...]:
        words = self.random.sample(_WORDS, self.random.randint(least, 3))
        return tuple(tree.Named(tree.Name(word, SPAN), self._flow(size), SPAN) for word in words)

    # ---- leaves -------------------------------------------------------------------------------

    def _coin(self) -> bool:
        return self.random.random() < 0.5

    def _name(self) -> tree.Name:
        word = self.random.choice(_WORDS) + self.random.choice(
            ["", "", "1", "long_" * 6, self.random.choice("ab")]
        )
        return tree.Name(word if word not in RESERVED else "x", SPAN)

    def _maybe_name(self) -> tree.Name | None:
        return self._name() if self._coin() else None

    def _path(self) -> tree.Path:
        return tree.Path(tuple(self._name() for _ in range(self.random.choice([1, 1, 2, 3]))), SPAN)

    def _plain_number(self) -> tree.Number:
        text = str(self.random.choice([0, 1, 2, 28, 123456]))
        text += self.random.choice(["", "", ".5", ".25"]) + self.random.choice(["", "", "e3", "e-12", "E+2"])
        text += self.random.choice(["", "", "%", "k", "M"])
        return tree.Number(read_number(text), text, None, SPAN)

    def _number(self) -> tree.Number:
        plain = self._plain_number()
        unit = self.random.choice(_UNITS) if self.random.random() < 0.2 else None
        return tree.Number(plain.value, plain.text, unit, SPAN)

    def _extent(self) -> tree.Extent:
        return tree.Extent(tuple(self.random.randint(0, 40) for _ in range(self.random.randint(2, 3))), SPAN)

    def _text(self) -> tree.Text:
        return tree.Text(self.random.choice(["", "a.net", "ß # no comment", "c:\\data { (", "'"]), SPAN)

    def _flag(self) -> tree.Flag:
        return tree.Flag(self._coin(), SPAN)

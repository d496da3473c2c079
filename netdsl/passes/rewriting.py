"""What `simplify`, `specialize` and `deduplicate` share: builders that look at each node before they add it.

A node is rewritten when it is added: its operands are by then in their final form, so rules look down from a
node and never up, and one walk over a graph is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from netdsl.diagnostics import Span
from netdsl.graph import Builder, Graph, Node, Origin, Setting, Value, formula
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.operations import REGISTRY

COMMUTATIVE: Final = frozenset({"add", "multiply", "equal", "not_equal", "logical_and", "logical_or"})
"""Operations whose operands may change places without any change of the result."""

NUMBERS_LAST: Final = COMMUTATIVE | {"maximum", "minimum"}
"""Operations of which rules find a number always on the right."""

DEEPEST: Final = 60
"""How many rewrites may be under way inside each other: a formula that needs more is left as it is."""

SHOWN: Final = 4
"""How many operations deep the log writes formulas."""


class Sharing(Builder):
    """A builder that adds no node twice."""

    def __init__(self) -> None:
        super().__init__(REGISTRY)
        self._known: dict[object, Value] = {}

    def add(self, node: Node, operands: Sequence[Value]) -> Value:
        """Return the value of an equal node, or of this one, added."""
        if (body := node.setting("body")) is not None:
            node = with_body(node, rebuild(body, self.inside()))
        key = self.key(node, operands)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self.added(node, operands)
        return found

    def known(self, node: Node, operands: Sequence[Value]) -> Value | None:
        """Return the value of an equal node, if there is one."""
        return self._known.get(self.key(node, operands))

    def added(self, node: Node, operands: Sequence[Value]) -> Value:
        """Add a node that is not there yet."""
        return super().add(node, operands)

    def key(self, node: Node, operands: Sequence[Value]) -> object:
        """Return what equal nodes have in common; 0 and -0 are not equal."""
        indices = [each.index for each in operands]
        if node.operation.name in COMMUTATIVE:
            indices.sort()
        if node.operation.name == "constant":
            return node.operation, node.dtype, repr(node.setting("value"))
        if (body := node.setting("body")) is not None:
            return node.operation, rest_of(node), structure(body), tuple(indices)
        return node, tuple(indices)

    def inside(self) -> Sharing:
        """Return a builder of the same kind, for the body of a scan."""
        return Sharing()


def with_body(node: Node, body: Graph) -> Node:
    """Return a node with another body."""
    return replace(node, settings=tuple(sorted({**dict(node.settings), "body": body}.items())))


def rest_of(node: Node) -> tuple[tuple[str, Setting], ...]:
    """Return the settings of a node but for its body."""
    return tuple(setting for setting in node.settings if setting[0] != "body")


def structure(graph: Graph) -> Hashable:
    """Return what equal graphs have in common."""

    def known_by(index: int) -> Hashable:
        node = graph[index]
        inner = node.setting("body")
        rest = node if inner is None else (node.operation, rest_of(node), structure(inner))
        return rest, repr(node.setting("value")), graph.operands(index)

    return tuple(map(known_by, graph)), tuple(graph.outputs.items())


Attempt: TypeAlias = Callable[["Rewriter", Node, Sequence[Value]], Value | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rewrite of nodes of some operations.

    `attempt` returns the replacement, or None where the rule does not apply. `says` is the rule in words, for
    documentation and listings. A rule that is `early` leaves alone what differentiation made. A `quiet` one
    only tidies up, and is not listed.
    """

    name: str
    operations: tuple[str, ...]
    says: str
    attempt: Attempt
    early: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A rewrite that was made: the rule, where the formula stands in the `.net` text, what it was and is."""

    rule: str
    span: Span | None
    path: str
    before: str
    after: str


RuleTable: TypeAlias = Mapping[str, Sequence[Rule]]


def table(rules: Iterable[Rule]) -> RuleTable:
    """Order rules by the operation that each begins with."""
    by_operation: dict[str, list[Rule]] = {}
    for rule in rules:
        for operation in rule.operations:
            by_operation.setdefault(operation, []).append(rule)
    return by_operation


class Rewriter(Sharing):
    """A builder that rewrites what it adds by a table of rules."""

    def __init__(self, rules: RuleTable, log: list[Rewrite] | None = None) -> None:
        super().__init__()
        self._rules = rules
        self._log = log
        self._depth = 0
        self._on_host: set[int] = set()

    def add(self, node: Node, operands: Sequence[Value]) -> Value:
        """Return the simplest value that equals a node."""
        if node.operation.name in NUMBERS_LAST and self._rank(operands[0]) > self._rank(operands[1]):
            operands = (operands[1], operands[0])
        return super().add(node, operands)

    def added(self, node: Node, operands: Sequence[Value]) -> Value:
        """Rewrite a node, or add it."""
        rewritten = self._rewritten(node, operands)
        if rewritten is not None:
            return rewritten
        value = super().added(node, operands)
        if _is_on_host(node) and all(each.index in self._on_host for each in operands):
            self._on_host.add(value.index)
        return value

    def inside(self) -> Sharing:
        """Return a builder with the same rules, for the body of a scan."""
        return Rewriter(self._rules, self._log)

    def is_on_host(self, value: Value) -> bool:
        """Tell whether a value is a number that is known before a step begins."""
        return value.index in self._on_host

    def _rank(self, value: Value) -> int:
        if number(value) is not None:
            return 2
        return int(self.is_on_host(unrepeated(value)))

    def _rewritten(self, node: Node, operands: Sequence[Value]) -> Value | None:
        if self._depth >= DEEPEST:
            return None
        rules = self._rules.get(node.operation.name)
        if rules is None:
            return None
        origin = Origin(node.span, node.path, node.repeat, node.of)
        self._depth += 1
        try:
            for rule in rules:
                if rule.early and node.of:
                    continue
                told = len(self._log or ())
                with self.within(origin):
                    value = rule.attempt(self, node, operands)
                self._forget(told, rule, value)
                if value is not None:
                    self._record(rule, node, operands, value)
                    return value
        finally:
            self._depth -= 1
        return None

    def _forget(self, told: int, rule: Rule, value: Value | None) -> None:
        """Tell nothing of rewrites inside of one that is told itself, or that came to nothing."""
        if self._log is not None and (value is None or not rule.quiet):
            del self._log[told:]

    def _record(self, rule: Rule, node: Node, operands: Sequence[Value], value: Value) -> None:
        assert (value.shape, value.dtype) == (node.shape, node.dtype), (rule.name, node, value.node)
        if self._log is not None and not rule.quiet:
            before = formula(_Before(self, node, operands), -1, SHOWN)
            after = formula(self, value.index, SHOWN)
            self._log.append(Rewrite(rule.name, node.span, node.path, before, after))


def _is_on_host(node: Node) -> bool:
    is_scalar = node.operation.name in {"scalar", "constant"} or node.operation.family == "elementwise"
    return is_scalar and node.shape == ()


@dataclass(frozen=True, slots=True)
class _Before:
    """A builder with one node more, under the index -1: the one that was not added."""

    builder: Builder
    node: Node
    sources: Sequence[Value]

    def __getitem__(self, index: int) -> Node:
        return self.node if index == -1 else self.builder[index]

    def operands(self, index: int) -> tuple[int, ...]:
        return tuple(each.index for each in self.sources) if index == -1 else self.builder.operands(index)


# ---- what rules ask ---------------------------------------------------------------------------


def operand(value: Value, place: int = 0) -> Value:
    """Return an operand of a value."""
    return Value(value.builder, value.builder.operands(value.index)[place])


def is_a(value: Value, *operations: str) -> bool:
    """Tell whether a value is made by one of some operations."""
    return value.node.operation.name in operations


def unrepeated(value: Value) -> Value:
    """Return what a value repeats, or the value itself."""
    while is_a(value, "broadcast"):
        value = operand(value)
    return value


def number(value: Value) -> float | None:
    """Return the number that a value is everywhere, if the graph says so."""
    source = unrepeated(value).node
    if source.operation.name != "constant" or source.dtype != "float" or source.shape != ():
        return None
    return float(source.setting("value"))


def truth(value: Value) -> bool | None:
    """Return whether a condition holds everywhere or nowhere, if the graph says so."""
    source = unrepeated(value).node
    if source.operation.name != "constant" or source.dtype != "bool":
        return None
    return bool(source.setting("value"))


def rebuild(graph: Graph, builder: Builder, known: Mapping[int, Value] | None = None) -> Graph:
    """Copy what the roots of a graph need through a builder, which may rewrite it."""
    values = builder.copy(graph, known or {}, graph.ancestors(graph.roots()))
    builder.take_roots(graph, values)
    return builder.finish(unused=False)

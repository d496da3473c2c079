"""What the body of a scan computes at each step, computed for all steps at once, outside of it.

A value of the body that changes from step to step becomes one with an axis of time: `[batch, time, ...]`, or
`[time, ...]` where the examples share it. So a product of each step becomes one large product.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from netdsl.graph import Builder, Node, Origin, Shape, Value, is_batched
from netdsl.graph.formula import Nodes
from netdsl.lazy_dataclass import dataclass, field
from netdsl.operations.linear import labeled_product, labels
from netdsl.operations.movement import part

_TIME: Final = -1
"""The label of the axis of time in a product."""


def time_axis(shape: Shape) -> int:
    """Return where the axis of time stands when a value of some shape is given for all steps."""
    return int(is_batched(shape))


def with_time(shape: Shape, steps: int) -> Shape:
    """Return the shape of a value given for all steps."""
    axis = time_axis(shape)
    return (*shape[:axis], steps, *shape[axis:])


def at_step(value: Value, shape: Shape, step: int) -> Value:
    """Return what a value of some shape, given for all steps, is at one."""
    return part(value, time_axis(shape), step, step + 1).reshape(shape)


@dataclass(slots=True)
class ThroughTime:
    """Computes nodes of `body` with `builder`, outside of the scan, for all its steps.

    `known` are the values that are there already, by their index in the body; those in `timed` have an axis
    of time. Any operation has a way: one without a rule of its own is repeated for each step.
    """

    builder: Builder
    body: Nodes
    steps: int
    known: dict[int, Value] = field(default_factory=dict)
    timed: set[int] = field(default_factory=set)

    def begin(self, index: int, value: Value, *, timed: bool) -> None:
        """Say what a node of the body is outside."""
        self.known[index] = value
        if timed:
            self.timed.add(index)

    def value(self, index: int) -> Value:
        """Return a node's value, with an axis of time where it changes from step to step."""
        for each in sorted(self._missing(index)):
            self._compute(each)
        return self.known[index]

    def lifted(self, index: int) -> Value:
        """Return a node's value with an axis of time, repeated where it does not change."""
        value, shape = self.value(index), self.body[index].shape
        if index in self.timed:
            return value
        if value.node.operation.name == "broadcast":  # a vector is repeated once
            (source,) = (Value(value.builder, each) for each in value.builder.operands(value.index))
            if not is_batched(source.shape) and len(source.shape) < len(shape):
                return source.broadcast(with_time(shape, self.steps))
        return value.reshape(with_time(shape, 1)).broadcast(with_time(shape, self.steps))

    def total(self, index: int) -> Value:
        """Return the sum of a number's values of all steps; a product takes it into what it contracts."""
        node = self.body[index]
        rule = None if index in self.known else _TOTALS.get(node.operation.name)
        with self.builder.within(_origin(node)):
            if not self.changes(index):
                return self.value(index) * float(self.steps)
            if rule is not None and (found := rule(self, index)) is not None:
                return found
            return self.value(index).sum((time_axis(node.shape),)).reshape(node.shape)

    def changes(self, index: int) -> bool:
        """Tell whether a node changes from step to step."""
        missing = self._missing(index)
        return not self.timed.isdisjoint({index, *(e for each in missing for e in self.body.operands(each))})

    def _missing(self, index: int) -> set[int]:
        found: set[int] = set()
        todo = [index]
        while todo:
            each = todo.pop()
            if each not in found and each not in self.known:
                found.add(each)
                todo.extend(self.body.operands(each))
        return found

    def _compute(self, index: int) -> None:
        node, operands = self.body[index], self.body.operands(index)
        timed = not self.timed.isdisjoint(operands)
        with self.builder.within(_origin(node)):
            if timed:
                name = "elementwise" if node.operation.family == "elementwise" else node.operation.name
                value = _RULES.get(name, _step_by_step)(self, index)
            else:
                value = self.builder.add(node, [self.known[each] for each in operands])
        self.begin(index, value, timed=timed)


def is_done_at_once(node: Node) -> bool:
    """Tell whether a node of a body has a rule: others are repeated for each step."""
    return node.operation.family == "elementwise" or node.operation.name in _RULES


def _origin(node: Node) -> Origin:
    return Origin(node.span, node.path, node.repeat, node.of)


# ---- one rule for each operation ---------------------------------------------------------------

_Rule: TypeAlias = Callable[[ThroughTime, int], Value]
_Total: TypeAlias = Callable[[ThroughTime, int], Value | None]


def _behind(shape: Shape, axis: int) -> int:
    """Return where an axis stands once there is one of time."""
    return axis + (axis >= time_axis(shape))


def _step_by_step(through: ThroughTime, index: int) -> Value:
    node, operands = through.body[index], through.body.operands(index)
    pieces: list[Value] = []
    for step in range(through.steps):
        given = [
            at_step(through.known[each], through.body[each].shape, step)
            if each in through.timed
            else through.known[each]
            for each in operands
        ]
        pieces.append(through.builder.add(node, given).reshape(with_time(node.shape, 1)))
    return through.builder.apply("concat", *pieces, axis=time_axis(node.shape))


def _elementwise(through: ThroughTime, index: int) -> Value:
    node = through.body[index]
    operands = [through.lifted(each) for each in through.body.operands(index)]
    return through.builder.apply(node.operation.name, *operands, **dict(node.settings))


def _broadcast(through: ThroughTime, index: int) -> Value:
    wanted = through.body[index].shape
    (operand,) = through.body.operands(index)
    given = through.body[operand].shape
    aligned = ((1,) * (len(wanted) - len(given)) + given)[is_batched(wanted) :]
    lead = (given[0] if is_batched(given) else 1,) if is_batched(wanted) else ()
    value = through.value(operand).reshape((*lead, through.steps, *aligned))
    return value.broadcast(with_time(wanted, through.steps))


def _reshape(through: ThroughTime, index: int) -> Value:
    (operand,) = through.body.operands(index)
    return through.value(operand).reshape(with_time(through.body[index].shape, through.steps))


def _transpose(through: ThroughTime, index: int) -> Value:
    node, (operand,) = through.body[index], through.body.operands(index)
    axes = [_behind(node.shape, axis) for axis in node.setting("axes")]
    at = time_axis(node.shape)
    return through.value(operand).apply("transpose", axes=(*axes[:at], at, *axes[at:]))


def _reduction(through: ThroughTime, index: int) -> Value:
    """Reduce the same axes; where the batch is reduced, time comes first then."""
    node, (operand,) = through.body[index], through.body.operands(index)
    value, shape = through.value(operand), through.body[operand].shape
    if "axes" in dict(node.settings):
        value = value.sum([_behind(shape, axis) for axis in node.setting("axes")])
    else:
        value = value.apply(node.operation.name, axis=_behind(shape, node.setting("axis")))
    return value.reshape(with_time(node.shape, through.steps))


def _slice(through: ThroughTime, index: int) -> Value:
    node, (operand,) = through.body[index], through.body.operands(index)
    at = time_axis(node.shape)
    more = {"starts": 0, "stops": through.steps, "steps": 1}
    settings = {name: _inserted(node.setting(name), at, value) for name, value in more.items()}
    return through.value(operand).apply("slice", **settings)


def _pad(through: ThroughTime, index: int) -> Value:
    node, (operand,) = through.body[index], through.body.operands(index)
    at = time_axis(node.shape)
    before, after = (_inserted(node.setting(name), at, 0) for name in ("before", "after"))
    return through.value(operand).apply("pad", before=before, after=after)


def _inserted(numbers: Sequence[int], at: int, number: int) -> tuple[int, ...]:
    return (*numbers[:at], number, *numbers[at:])


def _concat(through: ThroughTime, index: int) -> Value:
    node = through.body[index]
    operands = [through.lifted(each) for each in through.body.operands(index)]
    return through.builder.apply("concat", *operands, axis=_behind(node.shape, node.setting("axis")))


def _gather(through: ThroughTime, index: int) -> Value:
    table, indices = through.body.operands(index)
    if table in through.timed:
        return _step_by_step(through, index)
    return through.known[table].apply("gather", through.known[indices])


def _one_hot(through: ThroughTime, index: int) -> Value:
    (operand,) = through.body.operands(index)
    return through.value(operand).apply("one_hot", classes=through.body[index].setting("classes"))


def _pick(through: ThroughTime, index: int) -> Value:
    x, indices = through.body.operands(index)
    return through.lifted(x).apply("pick", through.lifted(indices))


def _matmul(through: ThroughTime, index: int) -> Value:
    return _product(through, index, total=False)


def _product(through: ThroughTime, index: int, *, total: bool) -> Value:
    node, operands = through.body[index], through.body.operands(index)
    shapes = [through.body[each].shape for each in operands]
    values = [through.value(each) for each in operands]
    timed = [each in through.timed for each in operands]
    if total and not all(timed):
        values = [through.total(e) if t else v for e, v, t in zip(operands, values, timed, strict=True)]
        timed = [False, False]
    of_left, of_right, result = labels(
        len(shapes[0]), len(shapes[1]), node.setting("contract"), node.setting("align")
    )
    for of_one, shape, changes in zip((of_left, of_right), shapes, timed, strict=True):
        if changes:
            of_one.insert(time_axis(shape), _TIME)
    if not total:
        result.insert(time_axis(node.shape), _TIME)
    return labeled_product(values[0], of_left, values[1], of_right, result)


_RULES: Final[Mapping[str, _Rule]] = {
    "elementwise": _elementwise,
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "concat": _concat,
    "gather": _gather,
    "one_hot": _one_hot,
    "pick": _pick,
    "matmul": _matmul,
    **dict.fromkeys(
        (
            *("sum", "maximum_over", "minimum_over", "argmax", "argmin"),
            *("softmax", "log_softmax", "logsumexp"),
        ),
        _reduction,
    ),
}


# ---- sums over time ----------------------------------------------------------------------------


def _total_product(through: ThroughTime, index: int) -> Value | None:
    return _product(through, index, total=True)


def _total_sum(through: ThroughTime, index: int) -> Value | None:
    node, (operand,) = through.body[index], through.body.operands(index)
    shape = through.body[operand].shape
    axes = [_behind(shape, axis) for axis in node.setting("axes")]
    return through.value(operand).sum([*axes, time_axis(shape)]).reshape(node.shape)


def _total_moved(through: ThroughTime, index: int) -> Value | None:
    """Move the sum: what is moved comes first to each place by itself."""
    (operand,) = through.body.operands(index)
    return through.builder.add(through.body[index], [through.total(operand)])


def _total_added(through: ThroughTime, index: int) -> Value | None:
    return through.builder.add(
        through.body[index], [through.total(each) for each in through.body.operands(index)]
    )


def _total_scattered(through: ThroughTime, index: int) -> Value | None:
    node, (indices, updates) = through.body[index], through.body.operands(index)
    if is_batched(through.body[indices].shape):
        return through.lifted(indices).apply(
            "scatter_add", through.lifted(updates), extent=node.setting("extent")
        )
    return None


_TOTALS: Final[Mapping[str, _Total]] = {
    "matmul": _total_product,
    "sum": _total_sum,
    "scatter_add": _total_scattered,
    **dict.fromkeys(("reshape", "transpose", "broadcast", "slice", "pad", "negate"), _total_moved),
    **dict.fromkeys(("add", "subtract"), _total_added),
}

"""One or more calls of every operation, with operands for which it is smooth."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netdsl.graph import BATCH, Builder, Graph, Run, Shape, Value, sized
from netdsl.operations import REGISTRY

ROWS = 3


@dataclass(frozen=True)
class Operand:
    """An operand: its shape, its kind, and the range that its elements are drawn from."""

    shape: Shape
    low: float = -2.0
    high: float = 2.0
    dtype: str = "float"

    def draw(self, seed: int) -> np.ndarray:
        random = np.random.default_rng(seed)
        shape = sized(self.shape, ROWS)
        if self.dtype == "bool":
            return random.random(shape) < 0.5
        if self.dtype == "int":
            return random.integers(int(self.low), int(self.high), shape)
        return random.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Case:
    """A call of an operation."""

    operation: str
    operands: tuple[Operand, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation}({', '.join(str(each.shape) for each in self.operands)})"

    def arrays(self) -> list[np.ndarray]:
        return [each.draw(seed) for seed, each in enumerate(self.operands)]

    def build(self, builder: Builder) -> tuple[Value, list[Value]]:
        operands = [
            builder.apply("input", name=str(number), shape=each.shape, dtype=each.dtype)
            for number, each in enumerate(self.operands)
        ]
        return builder.apply(self.operation, *operands, **self.settings), operands

    def run(self, arrays: list[np.ndarray]) -> Run:
        return Run(ROWS, leaves={("input", str(number)): each for number, each in enumerate(arrays)})


def graph_of(case: Case) -> Graph:
    builder = Builder(REGISTRY)
    builder.outputs["y"], _ = case.build(builder)
    return builder.finish()


ANY = Operand((BATCH, 4))
OTHER = Operand((BATCH, 4))
POSITIVE = Operand((BATCH, 4), 0.2, 3.0)
AWAY = Operand((BATCH, 4), 0.1, 0.9)
YES_NO = Operand((BATCH, 4), dtype="bool")
LABELS = Operand((BATCH,), 0, 4, "int")
SHARED = Operand((4, 3))

UNARY = [
    Case(name, (operand,))
    for name, operand in {
        "negate": ANY,
        "abs": ANY,
        "sign": ANY,
        "exp": ANY,
        "log": POSITIVE,
        "log1p": POSITIVE,
        "sqrt": POSITIVE,
        "sin": ANY,
        "cos": ANY,
        "tanh": ANY,
        "arctan": ANY,
        "erf": ANY,
        "floor": AWAY,
        "ceil": AWAY,
        "round": Operand((BATCH, 4), 0.6, 1.4),
        "sigmoid": ANY,
        "softplus": ANY,
    }.items()
]
BINARY = [
    Case("add", (ANY, OTHER)),
    Case("subtract", (ANY, OTHER)),
    Case("multiply", (ANY, OTHER)),
    Case("divide", (ANY, POSITIVE)),
    Case("ratio", (ANY, POSITIVE)),
    Case("power", (POSITIVE, OTHER)),
    Case("minimum", (ANY, OTHER)),
    Case("maximum", (ANY, OTHER)),
    Case("where", (YES_NO, ANY, OTHER)),
]
DISCRETE = [
    *(
        Case(name, (ANY, OTHER))
        for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
    ),
    Case("equal", (LABELS, LABELS)),
    Case("logical_and", (YES_NO, YES_NO)),
    Case("logical_or", (YES_NO, YES_NO)),
    Case("logical_not", (YES_NO,)),
    Case("stop_gradient", (ANY,)),
    Case("argmax", (ANY,), {"axis": 1}),
    Case("rank_over", (ANY,), {"axis": 0}),
    Case("rank_over", (Operand((2, 5)),), {"axis": 1}),
    Case("argmin", (ANY,), {"axis": 0}),
    Case("one_hot", (LABELS,), {"classes": 4}),
]
CASTS = [
    Case("cast", (ANY,), {"dtype": "float"}),
    Case("cast", (YES_NO,), {"dtype": "float"}),
    Case("cast", (ANY,), {"dtype": "int"}),
    Case("cast", (LABELS,), {"dtype": "bool"}),
]
REDUCTIONS = [
    Case("sum", (ANY,), {"axes": (1,)}),
    Case("sum", (ANY,), {"axes": (0,)}),
    Case("sum", (Operand((BATCH, 2, 3)),), {"axes": (0, 2)}),
    *(
        Case(name, (operand,), {"axis": axis})
        for name in ("maximum_over", "minimum_over", "logsumexp", "softmax", "log_softmax")
        for operand, axis in ((ANY, 1), (ANY, 0), (Operand((2, 3, 2)), 1))
    ),
]
PRODUCTS = [
    Case("matmul", (ANY, SHARED), {"contract": ((1, 0),), "align": ()}),
    Case("matmul", (ANY, Operand((BATCH, 2))), {"contract": ((0, 0),), "align": ()}),
    Case("matmul", (ANY, OTHER), {"contract": ((1, 1),), "align": ((0, 0),)}),
    Case("matmul", (ANY, OTHER), {"contract": ((0, 0), (1, 1)), "align": ()}),
    Case("matmul", (Operand((BATCH, 2)), Operand((2,))), {"contract": ((1, 0),), "align": ()}),
    Case("matmul", (Operand((2, 3)), Operand((4, 3))), {"contract": ((1, 1),), "align": ()}),
    Case("matmul", (Operand((2, 3, 2)), Operand((3, 2, 2))), {"contract": ((0, 1),), "align": ((1, 0),)}),
    Case(
        "matmul",
        (Operand((BATCH, 2, 3)), Operand((BATCH, 3, 2))),
        {"contract": ((2, 1),), "align": ((0, 0),)},
    ),
    Case(
        "matmul",
        (Operand((BATCH, 2, 3)), Operand((BATCH, 3, 2))),
        {"contract": ((0, 0),), "align": ((2, 1),)},
    ),
    Case("matmul", (Operand((BATCH, 2)), Operand((BATCH,))), {"contract": (), "align": ((0, 0),)}),
    Case("matmul", (Operand((2,)), Operand((3,))), {"contract": (), "align": ()}),
]
MOVEMENTS = [
    Case("reshape", (ANY,), {"shape": (BATCH, 2, 2)}),
    Case("reshape", (SHARED,), {"shape": (12,)}),
    Case("transpose", (Operand((BATCH, 2, 3)),), {"axes": (0, 2, 1)}),
    Case("transpose", (Operand((2, 3, 4)),), {"axes": (2, 0, 1)}),
    Case("broadcast", (Operand((4,)),), {"shape": (BATCH, 4)}),
    Case("broadcast", (Operand((BATCH, 1, 2)),), {"shape": (BATCH, 3, 2)}),
    Case("broadcast", (Operand((1, 4)),), {"shape": (2, 3, 4)}),
    Case("slice", (ANY,), {"starts": (0, 1), "stops": (BATCH, 3), "steps": (1, 1)}),
    Case("slice", (Operand((7, 5)),), {"starts": (1, 0), "stops": (7, 5), "steps": (2, 3)}),
    Case("slice", (Operand((6,)),), {"starts": (0,), "stops": (5,), "steps": (4,)}),
    Case("pad", (ANY,), {"before": (0, 2), "after": (0, 1)}),
    Case("concat", (ANY, Operand((BATCH, 1)), OTHER), {"axis": 1}),
    Case("gather", (SHARED, LABELS)),
    Case("gather", (SHARED, Operand((BATCH, 2), 0, 4, "int"))),
    Case("scatter_add", (LABELS, Operand((BATCH, 2))), {"extent": 4}),
    Case("scatter_add", (Operand((3,), 0, 2, "int"), Operand((3, 2))), {"extent": 2}),
    Case("pick", (ANY, LABELS)),
    Case("pick", (Operand((2, 3)), Operand((2,), 0, 3, "int"))),
]


def windows(rank: int, **given: Any) -> dict[str, Any]:
    """Settings of windows over so many axes: what is not given is a stride of 1 and no padding."""
    plain = {"strides": (1,) * rank, "before": (0,) * rank, "after": (0,) * rank}
    return plain | given


def convolutions(x: Shape, kernel: Shape, groups: int = 1, **given: Any) -> list[Case]:
    """A convolution and its two adjoints."""
    rank = len(x) - 2
    settings = {"dilation": (1,) * rank, "groups": groups} | windows(rank, **given)
    forward = Case("convolve", (Operand(x), Operand(kernel)), settings)
    y = graph_of(forward)
    dy = Operand(y[y.outputs["y"]].shape)
    return [
        forward,
        Case("convolve_input", (dy, Operand(kernel)), settings | {"space": x[1:-1]}),
        Case("convolve_kernel", (Operand(x), dy), settings | {"size": kernel[:-2]}),
    ]


def pools(x: Shape, size: tuple[int, ...], **given: Any) -> list[Case]:
    """Both pairs of adjoints, and the maximum that is made of one."""
    settings = windows(len(size), **given) | {"size": size}
    forward = Case("sum_pool", (Operand(x),), settings)
    graph = graph_of(forward)
    y = graph[graph.outputs["y"]].shape
    taps = Operand(y, 0, int(np.prod(size)), "int")
    back = settings | {"space": x[1:-1]}
    return [
        forward,
        Case("spread_pool", (Operand(y),), back),
        Case("max_pool", (Operand(x),), settings),
        Case("take_window", (Operand(x), taps), settings),
        Case("put_window", (Operand(y), taps), back),
    ]


CONVOLUTIONS = [
    *convolutions((BATCH, 5, 2), (3, 2, 2)),
    *convolutions((BATCH, 6, 1), (2, 1, 2), strides=(3,), before=(1,), after=(2,), dilation=(2,)),
    *convolutions((BATCH, 4, 3, 2), (3, 2, 2, 2), strides=(2, 1), before=(1, 0), after=(1, 2)),
    *convolutions((BATCH, 4, 3, 4), (2, 2, 2, 6), groups=2),
    *convolutions((BATCH, 3, 4, 3), (2, 3, 1, 3), groups=3, after=(1, 1)),
    *convolutions((1, 5, 4, 1), (2, 2, 1, 2), dilation=(3, 1), strides=(1, 2)),
    *convolutions((2, 2, 3, 2, 2), (1, 2, 2, 2, 1), strides=(2, 1, 1), before=(0, 1, 0)),
    *convolutions((BATCH, 2, 2, 3, 2), (2, 2, 2, 1, 2), groups=2),
]
POOLS = [
    *pools((BATCH, 5, 2), (2,), strides=(2,)),
    *pools((BATCH, 4, 5, 1), (3, 2), strides=(2, 3), before=(1, 0), after=(2, 1)),
    *pools((2, 2, 3, 2, 2), (1, 2, 2), strides=(1, 2, 1)),
]
TAPS = [
    Case("argmax_pool", (Operand((BATCH, 4, 5, 1)),), windows(2) | {"size": (3, 2)}),
    Case("argmax_pool", (Operand((2, 5, 1)),), windows(1, strides=(2,), before=(1,)) | {"size": (3,)}),
]


def leaky_sum() -> Graph:
    """The body of a scan: a state that forgets, and what is left of an item."""
    builder = Builder(REGISTRY)
    state = builder.apply("input", name="state0", shape=(BATCH, 2))
    item = builder.apply("input", name="item0", shape=(BATCH, 2))
    fixed = builder.apply("input", name="fixed0", shape=(2,))
    new = state * fixed + item
    builder.outputs = {"state0": new, "out0": new.apply("tanh"), "out1": (state - item).sum((1,))}
    return builder.finish()


SCANS = [
    Case(
        "scan",
        (Operand((BATCH, 2)), Operand((BATCH, 3, 2)), Operand((2,))),
        {"body": leaky_sum(), "states": 1, "sequences": 1, "steps": 3, "reverse": reverse},
    )
    for reverse in (False, True)
]


def loop_of(scan: Case) -> Case:
    """The same steps along batches one behind the other."""
    state, sequence, fixed = scan.operands
    stacked = Operand((-sequence.shape[1], *sequence.shape[2:]))
    return Case("loop", (state, stacked, fixed), scan.settings)


LOWERED = [
    Case("stack", (Operand((BATCH, 3, 2)),)),
    Case("stack", (Operand((BATCH, 2), 0, 4, "int"),)),
    Case("unstack", (Operand((-3, 2)),)),
    Case("step", (Operand((-3, 2)),), {"number": 1}),
    Case("stored", (ANY,)),
    *map(loop_of, SCANS),
    Case("loop_part", (Operand((-3, 3)),), {"number": 1, "start": 1, "shape": (2,)}),
]
LEAVES = [
    Case("constant", (), {"value": 1.5}),
    Case("constant", (), {"value": True}),
    Case("constant", (), {"value": 3}),
    Case("constant", (), {"value": (1.0, 2.0)}),
    Case("iota", (), {"extent": 4}),
    Case("iota", (), {"extent": BATCH}),
    Case("scalar", (), {"name": "rows"}),
    *(
        Case(name, (), {"shape": (3, 5), "stream": "a"})
        for name in ("uniform", "gaussian", "truncated", "orthogonal")
    ),
    *(Case(name, (), {"shape": (BATCH, 5), "stream": "a"}) for name in ("uniform", "gaussian")),
]

SMOOTH = [*UNARY, *BINARY, CASTS[0], *REDUCTIONS, *PRODUCTS, *MOVEMENTS, *CONVOLUTIONS, *POOLS, *SCANS]
CASES = [*SMOOTH, *DISCRETE, *CASTS[1:], *TAPS, *LOWERED, *LEAVES]

"""A node of the graph: one operation with its settings, and where it came from."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from netdsl.diagnostics import Span
from netdsl.graph.shape import DType, Shape
from netdsl.lazy_dataclass import dataclass, field

if TYPE_CHECKING:
    from netdsl.graph.builder import Value

Setting: TypeAlias = Any
"""A hashable, immutable setting: number, text, tuple of these, or a frozen Graph for a sub-graph node."""


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph.

    `path` is the use that made the node (`mlp/dense_1`), `span` its place in the `.net` text, `repeat` the
    iterations of `repeat` it stands in (outermost first), `of` the role of a derived node ("gradient",
    "update"), empty for what the model file says itself. None of these four changes what is computed.
    """

    operation: "Operation"
    settings: tuple[tuple[str, Setting], ...]
    shape: Shape
    dtype: DType = "float"
    span: Span | None = field(default=None, compare=False)
    path: str = field(default="", compare=False)
    repeat: tuple[int, ...] = field(default=(), compare=False)
    of: str = field(default="", compare=False)

    def setting(self, name: str, default: Setting = None) -> Setting:
        """Return a setting by name."""
        for key, value in self.settings:
            if key == name:
                return value
        return default


@dataclass(frozen=True, slots=True)
class Run:
    """What an evaluation knows besides the graph: rows, counters of the random generator, the leaves."""

    rows: int
    seed: int = 0
    step: int = 0
    scalars: Mapping[str, float] = field(default_factory=dict)
    leaves: Mapping[tuple[str, str], np.ndarray] = field(default_factory=dict)
    """Arrays by (operation name, leaf name): ("input", "image"), ("weight", "mlp/dense_1/w")."""


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation, defined in one place (`netdsl/operations`); compared by identity.

    `shape(operands, settings)` returns the shape and the dtype of the result, and raises ValueError with a
    sentence for a person when the operands do not fit. `evaluate(node, run, *arrays)` is its meaning in
    NumPy (float64 in, float64 out). `gradient(dy, y, *operands)` returns one Value, or None for no
    gradient, for each operand, in terms of other operations; None in its place says that nothing flows
    back (comparisons, argmax). `text` and `latex` are formats of the operands ("exp({0})", settings by
    name, `{operands}` for all of them); `binds` is how tightly an infix text binds (see graph/formula.py).
    `scalar` is the form of one element for the loop emitters ("exp32({0})"), empty where the operation is
    not element-wise. `expand(*operands, **settings)` says the same in simpler operations, for a target
    that has no kernel of its own for it. `corners` says where it is not smooth ("{0} = 0"), empty where it
    is; `pieces(node, y, *operands)` then numbers the smooth piece that each element lies on: a corner lies
    between two points with different numbers. What gives whole numbers, or yes and no, numbers itself.
    """

    name: str
    family: str
    shape: Callable[[Sequence[Node], Mapping[str, Setting]], tuple[Shape, DType]]
    evaluate: Callable[..., np.ndarray]
    gradient: "Callable[..., Sequence[Value | None]] | None"
    text: str
    latex: str
    scalar: str = ""
    corners: str = ""
    doc: str = ""
    expand: "Callable[..., Value] | None" = None
    binds: int = 10
    pieces: Callable[..., np.ndarray] | None = None

    def __repr__(self) -> str:
        return self.name

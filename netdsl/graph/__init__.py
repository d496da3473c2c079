"""The intermediate representation: operations as nodes of a networkx graph, and how one is built."""

from netdsl.graph.builder import Builder, Origin, Value, broadcast_shapes
from netdsl.graph.dump import dump, read
from netdsl.graph.evaluate import compute, evaluate, evaluate_updates
from netdsl.graph.formula import formula
from netdsl.graph.graph import Graph
from netdsl.graph.node import Node, Operation, Run, Setting
from netdsl.graph.pieces import has_pieces, pieces
from netdsl.graph.shape import (
    BATCH,
    DType,
    Precision,
    Shape,
    batches,
    count,
    example,
    is_batched,
    shape_text,
    sized,
)
from netdsl.graph.verify import verify

__all__ = [
    "BATCH",
    "Builder",
    "DType",
    "Graph",
    "Node",
    "Operation",
    "Origin",
    "Precision",
    "Run",
    "Setting",
    "Shape",
    "Value",
    "batches",
    "broadcast_shapes",
    "compute",
    "count",
    "dump",
    "evaluate",
    "evaluate_updates",
    "example",
    "formula",
    "has_pieces",
    "is_batched",
    "pieces",
    "read",
    "shape_text",
    "sized",
    "verify",
]

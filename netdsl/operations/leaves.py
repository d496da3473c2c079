"""The leaves: what comes from outside of the graph, and constants. And the language's `gradient(y, x)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from netdsl.graph import BATCH, DType, Node, Operation, Run, Setting, Shape, is_batched, sized
from netdsl.operations.define import KINDS, expect_count, expect_kind

Settings = Mapping[str, Setting]


def _input_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("input", operands, 0)
    kind: DType = settings.get("dtype", "float")
    if kind not in KINDS:
        raise ValueError(f"an input is float, int or bool, not {kind}")
    return settings["shape"], kind


def _kept_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("a leaf", operands, 0)
    if is_batched(settings["shape"]):
        raise ValueError(f"{settings['name']} is kept from step to step, and has no batch axis")
    return settings["shape"], "float"


def _named_meaning(node: Node, run: Run) -> np.ndarray:
    name = node.setting("name")
    array = run.leaves[node.operation.name, name]
    expected = sized(node.shape, run.rows)
    if array.shape != expected:
        raise ValueError(f"{node.operation.name} {name} has shape {array.shape}, not {expected}")
    return np.asarray(array)


def _scalar_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("scalar", operands, 0)
    return (), "float"


def _scalar_meaning(node: Node, run: Run) -> np.ndarray:
    known = {"rows": run.rows, "step": run.step, "t": run.step + 1, **run.scalars}
    return np.asarray(known[node.setting("name")], np.float64)


def _constant_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("constant", operands, 0)
    match settings["value"]:
        case bool():
            return (), "bool"
        case int():
            return (), "int"
        case float():
            return (), "float"
        case tuple() as numbers if numbers and all(isinstance(each, float) for each in numbers):
            return (len(numbers),), "float"
    raise ValueError(f"{settings['value']!r} is no constant")


def _constant_meaning(node: Node, run: Run) -> np.ndarray:
    return np.asarray(node.setting("value"))


def _iota_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("iota", operands, 0)
    return (settings["extent"],), "int"


def _iota_meaning(node: Node, run: Run) -> np.ndarray:
    extent = node.setting("extent")
    return np.arange(run.rows if extent == BATCH else extent)


def _gradient_of_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    expect_count("gradient", operands, 2)
    y, x = operands
    expect_kind("gradient", y, "float")
    expect_kind("gradient", x, "float")
    return x.shape, "float"


def _gradient_of_meaning(node: Node, run: Run, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    raise NotImplementedError("`differentiate` replaces gradient_of before anything is evaluated")


OPERATIONS = (
    Operation("input", "leaf", _input_shape, _named_meaning, None, "{name}", r"\mathrm{{{name}}}",
              doc="A field of the data."),
    Operation("weight", "leaf", _kept_shape, _named_meaning, None, "{name}", r"\mathrm{{{name}}}",
              doc="Something that is learned."),
    Operation("state", "leaf", _kept_shape, _named_meaning, None, "{name}", r"\mathrm{{{name}}}",
              doc="Something that is kept from step to step."),
    Operation("scalar", "leaf", _scalar_shape, _scalar_meaning, None, "{name}", r"\mathrm{{{name}}}",
              doc="A number that changes from step to step alone."),
    Operation("constant", "leaf", _constant_shape, _constant_meaning, None, "{value}", "{value}",
              doc="A number, or a vector of numbers."),
    Operation("iota", "leaf", _iota_shape, _iota_meaning, None, "0 .. {extent}", r"(0, 1, \ldots)",
              doc="The whole numbers from 0, so many; over the batch axis the number of the row."),
    Operation("gradient_of", "differential", _gradient_of_shape, _gradient_of_meaning, None,
              "gradient({0}, {1})", r"\frac{{\partial {0}}}{{\partial {1}}}",
              doc="The gradient of the sum of one value by another: `differentiate` works it out."),
)  # fmt: skip

"""A contraction as data, and what its kernels share: scratch memory, and the pass that adds pieces up."""

from __future__ import annotations

from dataclasses import dataclass

from netdsl.graph import Precision
from netdsl.kernels.cuda.addressing import Axis, Operand, address, decomposed, plain, volume
from netdsl.kernels.cuda.kernel import CudaKernel, Kind, make, text_of
from netdsl.program import count_of, symbol


@dataclass(frozen=True, slots=True)
class Contraction:
    """result[batch, rows, columns]: left[batch, rows, summed] right[batch, columns, summed], summed up.

    The axes of the result are named uniquely; its coordinates are plain. `finish` are lines that change `v`,
    the sum, before it is stored (`at` is its address), with parameters of their own.
    """

    family: str
    batch: tuple[Axis, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    summed: tuple[Axis, ...]
    left: Operand
    right: Operand
    result: Operand
    finish: tuple[str, ...] = ()
    finish_parameters: tuple[tuple[str, Kind], ...] = ()
    precision: Precision = "float32"

    @property
    def axes(self) -> tuple[Axis, ...]:
        """Return the axes of the result."""
        return (*self.batch, *self.rows, *self.columns)


def partial_sums(given: Contraction) -> Operand:
    """Return scratch memory, in the order of splits, batch, rows, columns."""
    strides, step = [], count_of(1)
    for axis in reversed(given.axes):
        strides.append((axis.name, step))
        step = step * axis.extent
    return plain("scratch", strides, step * symbol("split"))


def second_pass(given: Contraction, splits: int) -> CudaKernel:
    """Add the sums of all splits up, in order: one thread for each element of the result."""
    total = volume(given.axes)
    prefixes = {axis.name: "x_" for axis in given.axes}
    body = [
        "element = index(cuda.blockIdx.x * 256 + cuda.threadIdx.x)",
        f"if element < {text_of(total)}:",
        "    v = f32(0.0)",
        f"    for split in range({splits}):",
        f"        v += scratch[split * {text_of(total)} + element]",
        *(f"    {line}" for line in decomposed("element", given.axes, "x_")),
        f"    at = {address(given.result, prefixes)}",
        *(f"    {line}" for line in given.finish),
        f"    {given.result.name}[at] = v",
    ]
    parameters: dict[str, Kind] = {"scratch": "float", given.result.name: "float"}
    parameters.update(given.finish_parameters)
    return make(f"{given.family} sums", parameters, "\n".join(body), 256, ((total, 256),))

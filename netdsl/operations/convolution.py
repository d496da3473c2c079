"""Convolution and its two adjoints, each of which has the other two as gradients.

A convolution is linear in the value and in the kernel; the sum of dy * convolve(x, k) is linear in dy, x
and k alike, and the three operations are its derivatives by each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netdsl.graph import BATCH, DType, Node, Operation, Run, Setting, Shape, shape_text
from netdsl.operations.define import expect_count, expect_kind
from netdsl.operations.windows import Extents, Windows, expect_fit, expect_places, windows_of

if TYPE_CHECKING:
    from netdsl.graph import Value

Gradients = Sequence["Value | None"]
Settings = Mapping[str, Setting]


def _expect_two(name: str, operands: Sequence[Node]) -> tuple[Shape, Shape]:
    expect_count(name, operands, 2)
    for each in operands:
        expect_kind(name, each, "float")
    return operands[0].shape, operands[1].shape


def _expect_kernel(name: str, kernel: Shape, settings: Settings) -> Windows:
    """Check that a kernel is [*size, c/groups, out]; return its windows."""
    if len(kernel) < 3 or BATCH in kernel:
        raise ValueError(f"{name} takes a kernel [*size, in, out] that all examples share")
    groups: int = settings["groups"]
    if groups < 1 or kernel[-1] % groups:
        raise ValueError(f"{name} in {groups} groups cannot give {kernel[-1]} channels")
    return windows_of(name, kernel[:-2], settings)


def _convolve_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    x, kernel = _expect_two("convolve", operands)
    windows = _expect_kernel("convolve", kernel, settings)
    space = expect_places("convolve", x, len(windows.size))
    if x[-1] != kernel[-2] * settings["groups"]:
        raise ValueError(
            f"convolve in {settings['groups']} groups of {kernel[-2]} channels does not fit {shape_text(x)}"
        )
    return (x[0], *expect_fit("convolve", windows, space), kernel[-1]), "float"


def _input_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    dy, kernel = _expect_two("convolve_input", operands)
    windows = _expect_kernel("convolve_input", kernel, settings)
    _expect_result("convolve_input", windows, settings["space"], dy)
    if dy[-1] != kernel[-1]:
        raise ValueError(f"convolve_input takes {kernel[-1]} channels, not {shape_text(dy)}")
    return (dy[0], *settings["space"], kernel[-2] * settings["groups"]), "float"


def _kernel_shape(operands: Sequence[Node], settings: Settings) -> tuple[Shape, DType]:
    x, dy = _expect_two("convolve_kernel", operands)
    windows = windows_of("convolve_kernel", settings["size"], settings)
    space = expect_places("convolve_kernel", x, len(windows.size))
    _expect_result("convolve_kernel", windows, space, dy)
    if x[0] != dy[0]:
        raise ValueError(f"convolve_kernel takes as many of both, not {shape_text(x)} and {shape_text(dy)}")
    groups: int = settings["groups"]
    if groups < 1 or x[-1] % groups or dy[-1] % groups:
        raise ValueError(f"{x[-1]} and {dy[-1]} channels do not fall into {groups} groups")
    return (*settings["size"], x[-1] // groups, dy[-1]), "float"


def _expect_result(name: str, windows: Windows, space: Extents, dy: Shape) -> None:
    """Check that windows over a space give what dy is the gradient of."""
    counts = expect_places(name, dy, len(windows.size))
    if len(space) != len(counts) or expect_fit(name, windows, space) != counts:
        raise ValueError(f"{name}: the windows of {shape_text(space)} are not {shape_text(counts)}")


def _groups(x: np.ndarray, groups: int) -> np.ndarray:
    """Bring [..., groups * c] to [groups, rows, c]."""
    return np.moveaxis(x.reshape(-1, groups, x.shape[-1] // groups), 1, 0)


def _kernels(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Bring [..., c, groups * out] to [..., groups, c, out]."""
    return np.moveaxis(kernel.reshape(*kernel.shape[:-1], groups, -1), -2, -3)


def _joined(x: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Bring [groups, rows, c] back to a shape [..., groups * c]."""
    return np.moveaxis(x, 0, 1).reshape(shape)


def _convolve_meaning(node: Node, run: Run, x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    windows, groups = windows_of("convolve", kernel.shape[:-2], dict(node.settings)), node.setting("groups")
    counts = node.shape[1:-1]
    padded, kernels = windows.padded(x), _kernels(kernel, groups)
    total = np.zeros((groups, len(x) * int(np.prod(counts)), kernel.shape[-1] // groups), x.dtype)
    for part, tap in windows.taps(counts):
        total += _groups(padded[part], groups) @ kernels[tap]
    return _joined(total, (len(x), *counts, kernel.shape[-1]))


def _input_meaning(node: Node, run: Run, dy: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    settings = dict(node.settings)
    windows, groups = windows_of("convolve_input", kernel.shape[:-2], settings), settings["groups"]
    rows, kernels = _groups(dy, groups), _kernels(kernel, groups)
    total = np.zeros((len(dy), *windows.room(settings["space"]), node.shape[-1]), dy.dtype)
    for part, tap in windows.taps(dy.shape[1:-1]):
        share = rows @ np.swapaxes(kernels[tap], -1, -2)
        total[part] += _joined(share, (*dy.shape[:-1], node.shape[-1]))
    return windows.cropped(total, settings["space"])


def _kernel_meaning(node: Node, run: Run, x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    settings = dict(node.settings)
    windows, groups = windows_of("convolve_kernel", settings["size"], settings), settings["groups"]
    padded, rows = windows.padded(x), _groups(dy, groups)
    total = np.zeros(node.shape, x.dtype)
    for part, tap in windows.taps(dy.shape[1:-1]):
        share = np.swapaxes(_groups(padded[part], groups), -1, -2) @ rows
        total[tap] = np.moveaxis(share, 0, 1).reshape(node.shape[-2:])
    return total


def _geometry(y: Value) -> dict[str, Setting]:
    """Return the settings that the three operations share."""
    return {name: value for name, value in y.node.settings if name not in {"space", "size"}}


def _convolve_gradient(dy: Value, y: Value, x: Value, kernel: Value) -> Gradients:
    geometry = _geometry(y)
    return (
        dy.apply("convolve_input", kernel, space=x.shape[1:-1], **geometry),
        x.apply("convolve_kernel", dy, size=kernel.shape[:-2], **geometry),
    )


def _input_gradient(dx: Value, y: Value, dy: Value, kernel: Value) -> Gradients:
    geometry = _geometry(y)
    return (
        dx.apply("convolve", kernel, **geometry),
        dx.apply("convolve_kernel", dy, size=kernel.shape[:-2], **geometry),
    )


def _kernel_gradient(dk: Value, y: Value, x: Value, dy: Value) -> Gradients:
    geometry = _geometry(y)
    return (
        dy.apply("convolve_input", dk, space=x.shape[1:-1], **geometry),
        x.apply("convolve", dk, **geometry),
    )


OPERATIONS = (
    Operation("convolve", "convolution", _convolve_shape, _convolve_meaning, _convolve_gradient,
              "convolve({0}, {1})", r"\operatorname{{conv}}({0}, {1})",
              doc="Windows of [lead, *places, c], each times a kernel [*size, c/groups, out]: "
                  "a cross-correlation."),
    Operation("convolve_input", "convolution", _input_shape, _input_meaning, _input_gradient,
              "convolve_input({0}, {1})", r"\operatorname{{conv}}^\top({0}, {1})",
              doc="What windows of a convolution send back to the places they saw: its adjoint by the value, "
                  "the transposed convolution."),
    Operation("convolve_kernel", "convolution", _kernel_shape, _kernel_meaning, _kernel_gradient,
              "convolve_kernel({0}, {1})", r"\operatorname{{conv}}_k({0}, {1})",
              doc="What windows of a convolution send back to its kernel, summed over all of them: "
                  "its adjoint by the kernel."),
)  # fmt: skip

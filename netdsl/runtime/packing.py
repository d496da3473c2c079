"""Values row by row, as people have them, and as they lie in a buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.program import LANES, Buffer
from netdsl.program.layout import matrix, size, stride


def packed(value: NDArray[Any], buffer: Buffer) -> NDArray[Any]:
    """Return the contents of a buffer that holds a value."""
    content = np.zeros(size(buffer, 1), np.float32)
    if buffer.layout == "rows":
        content[: value.size] = value.ravel()
        return content
    height, width = matrix(buffer.shape, 1)
    step, panels = stride(buffer, 1), -(-width // LANES)
    padded = np.zeros((height, panels * LANES), np.float32)
    padded[:, :width] = value.reshape(height, width)
    view = content[: panels * step].reshape(panels, step)
    view[:, : height * LANES] = padded.reshape(height, panels, LANES).transpose(1, 0, 2).reshape(panels, -1)
    return content


def unpacked(content: NDArray[Any], buffer: Buffer) -> NDArray[np.float32]:
    """Return the value that a buffer holds, row-major."""
    height, width = matrix(buffer.shape, 1)
    if buffer.layout == "rows":
        return content[: height * width].reshape(buffer.shape).copy()
    step, panels = stride(buffer, 1), -(-width // LANES)
    view = content[: panels * step].reshape(panels, step)[:, : height * LANES]
    rows = view.reshape(panels, height, LANES).transpose(1, 0, 2).reshape(height, panels * LANES)
    return rows[:, :width].reshape(buffer.shape).copy()

"""Losses that are worth a kernel of their own."""

from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_int, float_bits
from netdsl.kernels.cpu.prelude import exp32, f32, log32, maximum32
from netdsl.kernels.cpu.turning import min16


@kernel
def softmax_cross_entropy(
    z: int,
    z_row: int,
    z_panel: int,
    labels: int,
    classes: int,
    loss: int,
    gradient: int,
    scale: int,
    first: int,
    last: int,
) -> None:
    """Compute -log softmax(z)[label] for the rows `first` to before `last`, and its scaled gradient by z.

    `scale` is the bits of that float32, 1/rows for a mean. The gradient lies as z does; columns of its last
    panel that are no class become 0.

    Shapes: z (rows, classes), row-major with `z_panel` 16 or in panels with `z_row` 16; labels (rows), int32;
    loss (rows).
    """
    label = at_int(labels)
    each = at(loss)
    factor = float_bits(scale)
    for r in range(first, last):
        row, slope = z + 4 * z_row * r, gradient + 4 * z_row * r
        top = at(row)[0]
        for p in range((classes + 15) >> 4):
            x = at(row + 4 * z_panel * p)
            for j in range(min16(classes - 16 * p)):
                top = maximum32(top, x[j])
        total = f32(0.0)
        for p in range((classes + 15) >> 4):
            x, e = at(row + 4 * z_panel * p), at(slope + 4 * z_panel * p)
            width = min16(classes - 16 * p)
            for j in range(width):
                e[j] = exp32(x[j] - top)
            for j in range(width):
                total += e[j]
        y = label[r]
        place = (y >> 4) * z_panel + (y & 15)
        each[r] = log32(total) + (top - at(row)[place])
        share = factor / total
        for p in range((classes + 15) >> 4):
            e = at(slope + 4 * z_panel * p)
            width = min16(classes - 16 * p)
            for j in range(width):
                e[j] = e[j] * share
            if z_row == 16:
                for j in range(width, 16):
                    e[j] = f32(0.0)
        at(slope)[place] -= factor

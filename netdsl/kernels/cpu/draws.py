"""Random draws written to memory: rows, or one panel of 16 columns.

`stream` is the hash of a stream's name; with the seed and the step, which stand in the context block, and an
element's place in row-major order it determines the element.
"""

from netdsl.kernels.cpu.context import FIRST_STEP, SEED, STEP
from netdsl.kernels.cpu.kernel import kernel
from netdsl.kernels.cpu.memory import at, at_long
from netdsl.kernels.cpu.philox import gaussian32, store_gaussians, store_uniforms, uniform32


@kernel
def draw_uniform(context: int, stream: int, target: int, first: int, last: int) -> None:
    """Draw the elements `first` to before `last` of a row-major value; `first` is a multiple of 4."""
    own = at_long(context)
    key, step = own[SEED] ^ stream, own[FIRST_STEP] + own[STEP]
    x = at(target)
    for block in range(first >> 2, last >> 2):
        store_uniforms(target, 4 * block, key, step, block)
    for index in range(last & -4, last):
        x[index] = uniform32(key, step, index)


@kernel
def draw_gaussian(context: int, stream: int, target: int, first: int, last: int) -> None:
    """Draw the elements `first` to before `last` of a row-major value; `first` is a multiple of 4."""
    own = at_long(context)
    key, step = own[SEED] ^ stream, own[FIRST_STEP] + own[STEP]
    x = at(target)
    for block in range(first >> 2, last >> 2):
        store_gaussians(target, 4 * block, key, step, block)
    for index in range(last & -4, last):
        x[index] = gaussian32(key, step, index)


@kernel
def draw_uniform_panel(
    context: int, stream: int, target: int, columns: int, column: int, first: int, last: int
) -> None:
    """Draw the rows `first` to before `last` of the panel that begins with `column`, of rows of `columns`.

    The row `first` lies at `target`. Where rows begin at a multiple of 4 a block serves four neighbors.
    """
    own = at_long(context)
    key, step = own[SEED] ^ stream, own[FIRST_STEP] + own[STEP]
    x = at(target)
    if columns & 3 == 0:
        for part in range(4 * (last - first)):
            block = (((first + (part >> 2)) * columns + column) >> 2) + (part & 3)
            store_uniforms(target, 4 * part, key, step, block)
    else:
        for r in range(first, last):
            for lane in range(16):
                x[(r - first) * 16 + lane] = uniform32(key, step, r * columns + column + lane)


@kernel
def draw_gaussian_panel(
    context: int, stream: int, target: int, columns: int, column: int, first: int, last: int
) -> None:
    """Draw the rows `first` to before `last` of the panel that begins with `column`, of rows of `columns`.

    The row `first` lies at `target`. Where rows begin at a multiple of 4 a block serves four neighbors.
    """
    own = at_long(context)
    key, step = own[SEED] ^ stream, own[FIRST_STEP] + own[STEP]
    x = at(target)
    if columns & 3 == 0:
        for part in range(4 * (last - first)):
            block = (((first + (part >> 2)) * columns + column) >> 2) + (part & 3)
            store_gaussians(target, 4 * part, key, step, block)
    else:
        for r in range(first, last):
            for lane in range(16):
                x[(r - first) * 16 + lane] = gaussian32(key, step, r * columns + column + lane)

"""Weight gradients whose shape changes on the way: a reshape moves elements in panels, in rows not."""

import numpy as np
import pytest

from netdsl.graph import BATCH, Builder, Shape, Value
from netdsl.operations import REGISTRY
from tests.lowering.running import compare

ROWS = 7
SHAPES: list[tuple[Shape, Shape]] = [
    ((1, 32), (32, 1)),
    ((32, 1), (1, 32)),
    ((4, 8), (8, 4)),
    ((2, 32), (32, 2)),
    ((48, 1), (3, 16)),
    ((16, 3), (3, 16)),
    ((32, 1), (32,)),
    ((1, 32), (32,)),
    ((6, 5), (30,)),
    ((4, 6), (2, 3, 4)),
]


@pytest.mark.parametrize("updates", [False, True])
@pytest.mark.parametrize(("given", "wanted"), SHAPES)
def test_a_gradient_in_another_shape_joins_one_of_that_shape(
    given: Shape, wanted: Shape, updates: bool
) -> None:
    builder = Builder(REGISTRY)
    rng = np.random.default_rng(0)
    fields: dict[str, np.ndarray] = {}

    def field(columns: int) -> Value:
        name = f"x{len(fields)}"
        fields[name] = rng.normal(size=(ROWS, columns)).astype(np.float32)
        return builder.apply("input", name=name, shape=(BATCH, columns))

    def gradient(rows: int, columns: int) -> Value:
        return field(rows).apply("matmul", field(columns), contract=((0, 0),), align=())

    first = gradient(*given).reshape(wanted)
    other = gradient(int(np.prod(wanted[:-1])), wanted[-1]).reshape(wanted)
    total = first + 2.0 * other
    if updates:
        w = builder.apply("weight", name="w", shape=wanted)
        builder.updates["w"] = w - 0.1 * total
    else:
        builder.outputs["total"] = total
    compare(builder.finish(), fields, ROWS)

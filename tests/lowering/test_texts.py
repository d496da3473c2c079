"""Generated kernels as a person reads them."""

from collections.abc import Callable

import pytest

from netdsl.graph import BATCH, Builder, Graph
from netdsl.operations import REGISTRY
from tests.lowering.running import program_of


def layer() -> Graph:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 20), dtype="float")
    w = builder.apply("weight", name="w", shape=(20, 128))
    z = x.apply("matmul", w, contract=((1, 0),), align=())
    keep = builder.apply("uniform", shape=z.shape, stream="net/dropout_1").pointwise("less", 0.9)
    builder.outputs["y"] = z.pointwise("maximum", 0.0) * keep.apply("cast", dtype="float") / 0.9
    return builder.finish()


def loss() -> Graph:
    builder = Builder(REGISTRY)
    z = builder.apply("input", name="z", shape=(BATCH, 10), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    builder.outputs["loss"] = -z.apply("log_softmax", axis=1).apply("pick", label)
    return builder.finish()


def momentum() -> Graph:
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=(50,))
    v = builder.apply("state", name="v", shape=(50,))
    moved = 0.95 * v - builder.apply("scalar", name="rate") * w
    builder.updates["v"], builder.updates["w"] = moved, w + moved
    return builder.finish()


def wide() -> Graph:
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, 6, 100), dtype="float")
    mean = x.sum((2,)) / 100.0
    builder.outputs["y"] = (x - mean).apply("transpose", axes=(0, 2, 1))
    return builder.finish()


TEXTS = {
    layer: """\
# max(x @ w, 0) * float(uniform() < 0.9) / 0.9
@kernel
def less_maximum_multiply_b7a0195d(count: int, b0_: int, b1_: int, numbers_: int, b2_: int) -> None:
    b0 = at(b0_)
    b1 = at(b1_)
    numbers = at(numbers_)
    n0 = numbers[0]
    b2 = at(b2_)
    for i in range(count):
        independent()
        x_1 = b0[i]
        maximum_2 = (x_1 if (x_1 > f32(0.0)) | (x_1 != x_1) else f32(0.0))
        x_3 = b1[i]
        less_4 = (x_3 < n0)
        cast_5 = float_of(less_4)
        multiply_6 = (maximum_2 * cast_5)
        divide_7 = (multiply_6 / n0)
        b2[i] = divide_7
""",
    loss: """\
# -pick(z - max(z, over=1) - log(sum(…, over=1)), label)
@kernel
def maximum_over_subtract_exp_e5162565(lo: int, hi: int, b0_: int, b1_: int, b2_: int) -> None:
    b0 = at(b0_)
    b1 = at_int(b1_)
    b2 = at(b2_)
    for r in range(lo, hi):
        maximum_over_1 = f32(-1e999)
        for i in range(10):
            x_2 = b0[i + 10*r]
            maximum_over_1 = maximum32(maximum_over_1, x_2)
        sum_3 = f32(0.0)
        for i in range(10):
            x_4 = b0[i + 10*r]
            subtract_5 = (x_4 - maximum_over_1)
            exp_6 = exp32(subtract_5)
            sum_3 = sum_3 + exp_6
        x_7 = b1[r]
        x_8 = b0[(0 if x_7 < 0 else (x_7 if x_7 < 10 else 9)) + 10*r]
        subtract_9 = (x_8 - maximum_over_1)
        log_10 = log32(sum_3)
        subtract_11 = (subtract_9 - log_10)
        negate_12 = (-subtract_11)
        b2[r] = negate_12
""",
    momentum: """\
# 0.95 * v - rate * w
# w + (0.95 * v - rate * w)
@kernel
def multiply_subtract_add_37e28a9b(count: int, numbers_: int, b0_: int, b1_: int) -> None:
    numbers = at(numbers_)
    n0 = numbers[0]
    b0 = at(b0_)
    n1 = numbers[1]
    b1 = at(b1_)
    for i in range(count):
        independent()
        x_1 = b0[i]
        multiply_2 = (n0 * x_1)
        x_3 = b1[i]
        multiply_4 = (n1 * x_3)
        subtract_5 = (multiply_2 - multiply_4)
        add_6 = (x_3 + subtract_5)
        b0[i] = subtract_5
        b1[i] = add_6
""",
    wide: """\
# transpose((x - sum(x, over=2) / 100), [0, 2, 1])
@kernel
def sum_divide_subtract_75d576b0(lo: int, hi: int, b0_: int, b1_: int, numbers_: int, b2_: int) -> None:
    b0 = at(b0_)
    b1 = at(b1_)
    numbers = at(numbers_)
    n0 = numbers[0]
    b2 = at(b2_)
    for r in range(lo, hi):
        for i0 in range(6):
            b1[i0] = sum_of(b0_ + 4*(100*i0 + 600*r), 100)
        for i0 in range(100):
            for i1 in range(6):
                independent()
                x_1 = b0[i0 + 100*i1 + 600*r]
                x_2 = b1[i1]
                divide_3 = (x_2 / n0)
                subtract_4 = (x_1 - divide_3)
                b2[6*i0 + i1 + 600*r] = subtract_4
""",
}


@pytest.mark.parametrize("graph", TEXTS)
def test_texts(graph: Callable[[], Graph]) -> None:
    kernels = [each for each in program_of(graph()).kernels.values() if each.name != "take_numbers"]
    texts = ("".join(f"# {line}\n" for line in each.about) + each.text for each in kernels if each.text)
    assert "\n".join(texts) == TEXTS[graph]

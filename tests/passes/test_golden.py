"""Passes, text in and text out."""

from collections.abc import Callable

import pytest

from netdsl.graph import Graph, dump, read
from netdsl.operations import REGISTRY
from netdsl.passes.deduplicate import deduplicate
from netdsl.passes.differentiate import differentiate
from netdsl.passes.prune import prune
from netdsl.passes.simplify import simplify
from netdsl.passes.specialize import specialize

DENSE = """\
%0 = input name="x" shape=[-1, 4] -> float [batch, 4]
%1 = weight name="w" shape=[4, 2] -> float [4, 2] | path="net/dense_1"
%2 = matmul %0 %1 align=[] contract=[[1, 0]] -> float [batch, 2] | path="net/dense_1"
%3 = constant value=0.0 -> float []
%4 = broadcast %3 shape=[-1, 2] -> float [batch, 2]
%5 = maximum %2 %4 -> float [batch, 2] | path="net/relu_1"
%6 = sum %5 axes=[0, 1] -> float [1, 1]
%7 = reshape %6 shape=[] -> float []
"""

DROPOUT = """\
%0 = input name="x" shape=[-1, 2] -> float [batch, 2]
%1 = uniform shape=[-1, 2] stream="net/dropout_1" -> float [batch, 2]
%2 = constant value=0.75 -> float []
%3 = broadcast %2 shape=[-1, 2] -> float [batch, 2]
%4 = less %1 %3 -> bool [batch, 2]
%5 = cast %4 dtype="float" -> float [batch, 2]
%6 = multiply %0 %5 -> float [batch, 2]
%7 = divide %6 %3 -> float [batch, 2]
%8 = scalar name="training" -> float []
%9 = constant value=0.0 -> float []
%10 = greater %8 %9 -> bool []
%11 = broadcast %10 shape=[-1, 2] -> bool [batch, 2]
%12 = where %11 %7 %0 -> float [batch, 2]
output "y" = %12
"""

CASES: dict[str, tuple[Callable[[Graph], Graph], str, str]] = {
    "differentiate": (
        lambda graph: differentiate(graph, "objective", ["w"]),
        DENSE + 'output "objective" = %7\n',
        DENSE
        + """\
%8 = constant value=1.0 -> float []
%9 = reshape %8 shape=[1, 1] -> float [1, 1] | of="gradient"
%10 = broadcast %9 shape=[-1, 2] -> float [batch, 2] | of="gradient"
%11 = greater %2 %4 -> bool [batch, 2] | path="net/relu_1" of="gradient"
%12 = constant value=0.0 -> float [] | path="net/relu_1" of="gradient"
%13 = broadcast %12 shape=[-1, 2] -> float [batch, 2] | path="net/relu_1" of="gradient"
%14 = where %11 %10 %13 -> float [batch, 2] | path="net/relu_1" of="gradient"
%15 = matmul %0 %14 align=[] contract=[[0, 0]] -> float [4, 2] | path="net/dense_1" of="gradient"
output "objective" = %7
output "gradient/w" = %15
""",
    ),
    "dropout in training": (
        lambda graph: simplify(specialize(graph, {"training": 1.0})),
        DROPOUT,
        """\
%0 = input name="x" shape=[-1, 2] -> float [batch, 2]
%1 = uniform shape=[-1, 2] stream="net/dropout_1" -> float [batch, 2]
%2 = constant value=0.75 -> float []
%3 = broadcast %2 shape=[-1, 2] -> float [batch, 2]
%4 = less %1 %3 -> bool [batch, 2]
%5 = cast %4 dtype="float" -> float [batch, 2]
%6 = multiply %0 %5 -> float [batch, 2]
%7 = constant value=1.3333333333333333 -> float []
%8 = broadcast %7 shape=[-1, 2] -> float [batch, 2]
%9 = multiply %6 %8 -> float [batch, 2]
output "y" = %9
""",
    ),
    "dropout in inference": (
        lambda graph: specialize(graph, {"training": 0.0}),
        DROPOUT,
        """\
%0 = input name="x" shape=[-1, 2] -> float [batch, 2]
output "y" = %0
""",
    ),
    "cross-entropy": (
        simplify,
        """\
%0 = input name="x" shape=[-1, 3] -> float [batch, 3]
%1 = input dtype="int" name="label" shape=[-1] -> int [batch]
%2 = one_hot %1 classes=3 -> float [batch, 3]
%3 = exp %0 -> float [batch, 3] | path="net/softmax_1"
%4 = sum %3 axes=[1] -> float [batch, 1] | path="net/softmax_1"
%5 = broadcast %4 shape=[-1, 3] -> float [batch, 3] | path="net/softmax_1"
%6 = divide %3 %5 -> float [batch, 3] | path="net/softmax_1"
%7 = log %6 -> float [batch, 3] | path="loss"
%8 = multiply %2 %7 -> float [batch, 3] | path="loss"
%9 = sum %8 axes=[1] -> float [batch, 1] | path="loss"
%10 = negate %9 -> float [batch, 1] | path="loss"
%11 = reshape %10 shape=[-1] -> float [batch] | path="loss"
output "loss" = %11
output "p" = %6
""",
        """\
%0 = input name="x" shape=[-1, 3] -> float [batch, 3]
%1 = input dtype="int" name="label" shape=[-1] -> int [batch]
%2 = softmax %0 axis=1 -> float [batch, 3] | path="net/softmax_1"
%3 = log_softmax %0 axis=1 -> float [batch, 3] | path="loss"
%4 = pick %3 %1 -> float [batch, 1] | path="loss"
%5 = negate %4 -> float [batch, 1] | path="loss"
%6 = reshape %5 shape=[-1] -> float [batch] | path="loss"
output "loss" = %6
output "p" = %2
""",
    ),
    "deduplicate": (
        deduplicate,
        """\
%0 = weight name="w" shape=[2] -> float [2] | path="first"
%1 = weight name="w" shape=[2] -> float [2] | path="second"
%2 = uniform shape=[2] stream="a" -> float [2]
%3 = uniform shape=[2] stream="b" -> float [2]
%4 = uniform shape=[2] stream="a" -> float [2]
%5 = add %0 %2 -> float [2]
%6 = add %4 %1 -> float [2]
%7 = subtract %3 %5 -> float [2]
%8 = subtract %6 %3 -> float [2]
output "a" = %7
output "b" = %8
""",
        """\
%0 = weight name="w" shape=[2] -> float [2] | path="first"
%1 = uniform shape=[2] stream="a" -> float [2]
%2 = uniform shape=[2] stream="b" -> float [2]
%3 = add %0 %1 -> float [2]
%4 = subtract %2 %3 -> float [2]
%5 = subtract %3 %2 -> float [2]
output "a" = %4
output "b" = %5
""",
    ),
    "prune": (
        lambda graph: prune(graph, ["kept"], []),
        """\
%0 = weight name="w" shape=[] -> float []
%1 = exp %0 -> float []
%2 = negate %0 -> float []
%3 = log %1 -> float []
output "kept" = %2
output "dropped" = %3
update "w" = %1
""",
        """\
%0 = weight name="w" shape=[] -> float []
%1 = negate %0 -> float []
output "kept" = %1
""",
    ),
}


@pytest.mark.parametrize(("change", "before", "after"), CASES.values(), ids=CASES)
def test_text_to_text(change: Callable[[Graph], Graph], before: str, after: str) -> None:
    assert dump(change(read(before, REGISTRY))) == after


def test_prune_keeps_everything_that_is_asked_for_unless_told() -> None:
    graph = read(CASES["prune"][1], REGISTRY)
    assert (set(prune(graph).outputs), set(prune(graph).updates)) == ({"kept", "dropped"}, {"w"})
    with pytest.raises(KeyError, match="nothing"):
        prune(graph, ["nothing"])

"""Every operation is whole: shape, meaning, text, LaTeX, gradient or none, scalar form, tests."""

import ast
from collections import Counter

import numpy as np
import pytest

from netdsl.graph import Builder, Operation, Run, dump, evaluate, formula, read, sized, verify
from netdsl.operations import REGISTRY
from tests.operations.cases import CASES, ROWS, Case, graph_of

WITHOUT_CASE = {"input", "weight", "state", "gradient_of"}
"""Leaves are in every test; the gradient is not evaluated."""

NO_GRADIENT = {
    *("sign", "floor", "ceil", "round", "stop_gradient", "argmax", "argmin", "one_hot", "argmax_pool"),
    "rank_over",
    *("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"),
    *("logical_and", "logical_or", "logical_not"),
}
PRELUDE = {
    *(
        "exp32",
        "log32",
        "log1p32",
        "tanh32",
        "sigmoid32",
        "softplus32",
        "sqrt32",
        "erf32",
        "sin32",
        "cos32",
        "arctan32",
    ),
    *("pow32", "floor32", "ceil32", "round32", "float_of", "int_of", "bool_of", "abs", "f32"),
}
"""What scalar forms may call, besides np.sqrt."""


@pytest.mark.parametrize("operation", REGISTRY.values(), ids=str)
def test_an_operation_says_all_about_itself(operation: Operation) -> None:
    assert operation.doc.endswith(".")
    assert operation.text
    assert operation.latex
    assert operation.family in {
        *(
            "leaf",
            "elementwise",
            "reduction",
            "linear",
            "movement",
            "random",
            "host",
            "differential",
            "scan",
            "lowered",
        ),
        *("convolution", "pooling"),
    }
    leafless = operation.family not in {"leaf", "random", "host", "differential", "lowered"}
    assert bool(operation.corners) == (operation.pieces is not None)
    assert (operation.gradient is None) == (operation.name in NO_GRADIENT or not leafless)


def test_every_operation_has_a_case() -> None:
    assert set(REGISTRY) - WITHOUT_CASE == {case.operation for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_evaluates_to_its_shape_and_kind(case: Case) -> None:
    graph = graph_of(case)
    verify(graph)
    node = graph[graph.outputs["y"]]
    for dtype in (np.float32, np.float64):
        value = evaluate(graph, case.run(case.arrays()), dtype=dtype)["y"]
        assert value.shape == sized(node.shape, ROWS)
        kinds = {"float": np.floating, "int": np.integer, "bool": np.bool_}
        assert np.issubdtype(value.dtype, kinds[node.dtype])
    assert dump(read(dump(graph), REGISTRY)) == dump(graph)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_reads_as_text_and_latex(case: Case) -> None:
    graph = graph_of(case)
    text = formula(graph, graph.outputs["y"])
    latex = formula(graph, graph.outputs["y"], latex=True)
    for written in (text, latex):
        assert written.strip()
        assert not set(written) & {"{", "}"} or written == latex
    assert Counter(latex)["{"] == Counter(latex)["}"]


@pytest.mark.parametrize(
    "operation", [each for each in REGISTRY.values() if each.family == "elementwise"], ids=str
)
def test_scalar_forms_are_expressions_that_the_prelude_knows(operation: Operation) -> None:
    tree = ast.parse(operation.scalar.format("a", "b", "c", dtype="float"), mode="eval")
    names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    assert names <= {"a", "b", "c", "np", *PRELUDE}
    constants = [each for each in ast.walk(tree) if isinstance(each, ast.Constant)]
    wrapped = [
        each.args[0]
        for each in ast.walk(tree)
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "f32"
    ]
    assert len(constants) == len(wrapped)


@pytest.mark.parametrize("case", [each for each in CASES if REGISTRY[each.operation].expand], ids=str)
def test_a_stable_form_equals_its_expansion(case: Case) -> None:
    builder = Builder(REGISTRY)
    value, operands = case.build(builder)
    expand = REGISTRY[case.operation].expand
    assert expand is not None
    builder.outputs["y"] = value
    builder.outputs["expanded"] = expand(*operands, **case.settings)
    found = evaluate(builder.finish(), case.run(case.arrays()))
    np.testing.assert_allclose(found["expanded"], found["y"], rtol=1e-12)


def test_gradient_of_is_never_evaluated() -> None:
    node = REGISTRY["gradient_of"]
    with pytest.raises(NotImplementedError, match="differentiate"):
        node.evaluate(None, Run(1), np.zeros(1), np.zeros(1))

"""Names: imports, what may be shadowed, what is told of names that nothing has or nothing uses."""

import pytest

from netdsl.diagnostics import DiagnosticError
from tests.semantics.bench import PLAIN, classifier, codes, experiment, files_of, told

PARTS = """
param width = 12
layer block(x: [n]; units = 3 * 4) = x -> dense(units) -> inner
layer inner(x) = x -> tanh
"""


def test_declarations_stand_in_any_order() -> None:
    text = classifier(PLAIN.replace("dense(10)", "dense(n) -> later -> dense(10)"))
    assert codes(text + "param n = m * 2\nparam m = 7\nlayer later(x) = x -> relu\n") == []


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ('import "parts.net"', "block"),
        ('import "parts.net" as p', "p.block"),
        ('import "parts.net" as p', "p.block(5)"),
    ],
)
def test_an_import_brings_its_declarations(line: str, use: str) -> None:
    text = line + classifier(PLAIN.replace("dense(10)", f"{use} -> dense(10)"))
    made = experiment(text, parts=PARTS)
    assert made.weights[0].path == "mlp/block_1/dense_1/w"


def test_a_param_of_an_import_stands_for_its_value() -> None:
    text = 'import "parts.net" as p' + classifier(
        PLAIN.replace("dense(10)", "dense(p.width) -> relu -> dense(10)")
    )
    assert experiment(text, parts=PARTS).weights[0].shape == (64, 12)


def test_an_imports_body_sees_its_own_file_and_the_library() -> None:
    before = 'import "parts.net"\nlayer inner(x) = 2 * x\n'
    text = before + classifier(PLAIN.replace("dense(10)", "block -> dense(10)"))
    graph = experiment(text, parts=PARTS).graph
    assert "tanh" in {graph[index].operation.name for index in graph}


def test_a_file_may_declare_what_the_library_has_and_the_library_keeps_its_own() -> None:
    before = "layer relu(x) = 3 * x\nlayer tripled(x) = x -> relu"
    graph = experiment(classifier(PLAIN.replace("dense(10)", "tripled -> dense(10)"), before=before)).graph
    assert "maximum" not in {
        graph[index].operation.name for index in graph if graph[index].path == "mlp/tripled_1"
    }


def test_two_imports_of_one_name_are_ambiguous_only_where_it_is_used() -> None:
    lines = 'import "a.net"\nimport "b.net"\n'
    a, b = "layer block(x) = x", "layer block(x) = 2 * x"
    assert codes(lines + classifier(PLAIN), a=a, b=b) == []
    used = classifier(PLAIN.replace("dense(10)", "block -> dense(10)"))
    assert set(codes(lines + used, a=a, b=b)) == {"E0104"}


def test_imports_in_a_circle_are_told() -> None:
    with pytest.raises(DiagnosticError, match=r"E0106.*a.net -> b.net -> a.net"):
        files_of('import "a.net"\n', a='import "b.net"\n', b='import "a.net"\n')


def test_a_mistake_in_an_import_is_told_with_those_beside_it() -> None:
    with pytest.raises(DiagnosticError) as error:
        files_of('import "a.net"\nparam x = 1\nparam x = 2\n', a="param = 3\n")
    assert {each.code for each in error.value.diagnostics} >= {"E0102"}
    assert len(error.value.diagnostics) == 2


def test_an_import_is_read_once() -> None:
    text = 'import "a.net"\nimport "b.net"\n' + classifier(PLAIN)
    shared = "layer common(x) = x"
    assert codes(text, a='import "c.net"\n', b='import "c.net"\n', c=shared) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("layer dense2(x) = x\nlayer dense2(x) = x", "E0102"),
        ("layer sum(x) = x", "E0103"),
        ("param pi = 3", "E0103"),
        ("layer last(x) = x", "E0103"),
        ("layer odd(x) = x -> rleu", "E0101"),
        ("layer odd(x) = x -> dense(unts=3)", "E0201"),
        ("layer odd(x) { a = x\na = 2 * x\nreturn a }", "E0110"),
        ("layer odd(x; x = 3) = x", "E0110"),
        ("loss odd(p, t) = p * fan_in", "E0111"),
        ("layer odd(x) = x -> m.dense(3)", "E0101"),
    ],
)
def test_names_are_checked_where_nothing_uses_a_definition(text: str, code: str) -> None:
    assert codes(classifier(PLAIN, before=text)) == [code]


def test_what_nothing_uses_is_a_warning_and_not_told_beside_mistakes() -> None:
    before = "param idle = 3\nlayer odd(x) {\n    y = x -> tanh\n    return x\n}"
    assert codes(classifier(PLAIN, before=before)) == ["W0101", "W0102"]
    assert codes(classifier(PLAIN.replace("flatten", "flaten"), before=before)) == ["E0101"]


def test_a_suggestion_comes_as_a_fix() -> None:
    (message,) = told(classifier(PLAIN.replace("flatten", "flaten")))
    assert message.fix is not None
    assert (message.fix.span.text, message.fix.replacement) == ("flaten", "flatten")


def test_a_block_is_no_value() -> None:
    assert codes(classifier(PLAIN.replace("10", "digits"))) == ["E0105"]


def test_a_name_may_be_that_of_a_special_elsewhere() -> None:
    assert (
        codes(classifier(PLAIN.replace("10", "t + w + g"), before="param t = 5\nparam w = 3\nparam g = 2"))
        == []
    )


def test_nesting_and_circles_are_told() -> None:
    before = "layer a(x) = x -> b\nlayer b(x) = x -> c\nlayer c(x) = x -> a"
    assert codes(classifier(PLAIN.replace("dense(10)", "a -> dense(10)"), before=before)) == ["E0112"]


TEN = """
param lr = 0.5 in 1e-4 .. 1e-1 log
param lr = 0.01

data digits {
    source = digits()
    split  = (train=70%, valid=50%)
}

layer block(x: [n]; units) = x -> dense(units=units, init=he) -> rleu

model mlp(image: [8, 8, 1]) {
    a = image -> dense(32)
    b = image -> flatten -> dense(0)
    e = image -> flatten -> dense(3, init=relu)
    c = image -> flatten -> reshape([5, 5])
    d = image -> flatten -> block(3, unit=3)
    return image -> flatten -> dense(12) -> softmax
}

train {
    model     = mlp
    data      = digits
    los       = cross_entropy
    optimizer = adam(lr, beta=0.9)
    epochs    = 3
    stop      = early(valid.loss, patience=3)
}
"""


def test_a_file_with_many_mistakes_has_them_told_in_one_run() -> None:
    with pytest.raises(DiagnosticError) as error:
        experiment(TEN.replace("param lr = 0.01\n", ""))
    found = {each.code for each in error.value.diagnostics}
    assert found >= {"E0206", "E0503", "E0205", "E0101", "E0312", "E0304", "E0201", "E0602", "E0207"}
    places = [(each.code, each.primary.span.start) for each in error.value.diagnostics if each.primary]
    assert len(places) == len(set(places))


def test_a_param_of_another_training_is_used() -> None:
    text = classifier(PLAIN, before="param slow = 0.1\nparam fast = 0.2", optimizer="sgd(slow)")
    start = text.index("train {")
    both = text.replace("train {", "train one {") + text[start:].replace("train {", "train two {").replace(
        "slow", "fast"
    )
    assert experiment(both, train="one").warnings == ()


def test_an_output_and_a_field_have_different_names() -> None:
    text = classifier(PLAIN).replace("mlp", "label")
    assert codes(text) == ["E0104"]


def test_every_node_knows_its_place_in_the_users_text() -> None:
    text = classifier(
        "    h = image -> flatten -> dense(12) -> relu\n    return h -> dense(10) -> softmax", metrics="f1"
    )
    made = experiment(text)
    assert made.whole is not None
    for graph in (made.graph, made.whole, *(rule.graph for rule in made.rules.values())):
        for index in graph:
            node = graph[index]
            assert node.operation.name == "input" or (
                node.span is not None and node.span.source.name == "main.net"
            )
    paths = {made.graph[index].path: made.graph[index].span for index in made.graph}
    span = paths["mlp/dense_1"]
    assert span is not None
    assert span.text == "dense(12)"
    assert {"mlp/flatten_1", "mlp/relu_1", "mlp/softmax_1", "loss"} <= set(paths)


def test_very_deep_nesting_is_told() -> None:
    layers = "\n".join(f"layer l{n}(x) = {'(' * 20}x -> l{n + 1}{')' * 20}" for n in range(39))
    text = classifier(PLAIN.replace("dense(10)", "l0 -> dense(10)"), before=layers + "\nlayer l39(x) = x")
    assert codes(text) in ([], ["E0404"])


def test_a_chain_of_definitions_is_too_deep_where_it_is() -> None:
    layers = "\n".join(f"layer l{n}(x) = x -> l{n + 1}" for n in range(300))
    text = classifier(PLAIN.replace("dense(10)", "l0 -> dense(10)"), before=layers + "\nlayer l300(x) = x")
    (found,) = told(text)
    assert found.code == "E0404"
    assert found.primary is not None
    assert found.primary.span.text == "l39"


def test_gradient_is_a_node_of_its_own() -> None:
    body = """
    x = image -> flatten
    s = sum(tanh(x))
    return gradient(s, x) -> dense(10) -> softmax
"""
    graph = experiment(classifier(body)).graph
    (node,) = [graph[index] for index in graph if graph[index].operation.name == "gradient_of"]
    assert node.shape == (-1, 64)

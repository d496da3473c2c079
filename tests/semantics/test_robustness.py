"""Whatever stands in a file, it is told or it is trained: no mistake of a user ever becomes a traceback."""

import random
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError, Source, Span
from netdsl.diagnostics.rendering import render
from netdsl.semantics import elaborate, load_files, plan_data
from netdsl.syntax import parse, tree
from tests.semantics.bench import DIGITS, TABLE, experiment, no_imports

MODELS = Path(__file__).resolve().parents[2] / "models"
FILES = [
    ("digits_mlp.net", DIGITS),
    ("own_kinds.net", DIGITS),
    ("ravine.net", None),
    ("linear_classifier.net", DIGITS),
]
HOUSES = """
data houses {
    source = csv("houses.csv", target=price)
    scale  = (x=zscore, price=log_range)
}
model net(x: [3]) = x -> dense(8) as stem -> batchnorm -> tanh -> dense(1)
train {
    model     = net
    data      = houses
    loss      = huber(delta=0.5) + 0.01 * l2(weights(stem))
    optimizer = momentum(lr=(stem=0.1, rest=plateau(warmup(0.1))))
    freeze    = [batchnorm_1]
    clip      = norm(1.0)
    epochs    = 3
    metrics   = (r2 = r2, off = rmse)
    stop      = [early(valid.off, patience=2 epochs), time(1 h)]
}
"""
OTHERS = (
    """
3 | 0.5 | -1 | 1e30 | [1, 2] | [[1], [2, 3]] | yes | 10 epochs | 5 steps | 3x3 | weights | adam | mse
label | image | x | w | g | training | x[0] | x[0 .. 1] | (a=1, b=2) | epoch | now | progress
logged(valid.loss) | gaussian(0, 1) | uniform(0, 1) | bernoulli(0.5, like=x) | one_hot(x, 3) | size(x)
last | batch | all | examples | image -> dense(3) | if x > 0 then 1 else 2 | if training then x else 0
not x | x == y | x @ x | sum(x, over=examples) | weight([3], he) | fit(x) | running(x, 0.9, 0)
concat(x, x) | reshape(x, [size(x)]) | mlp | cosine(0.1) | tanh | "t" | 1 .. 3 | 1 / 0 | 2^0.5
(-1)^0.5 | classes | batch_size | a.b | valid.loss | x -> repeat 2 { dense(3) } | gradient(x, x)
scan(x, x) | constant(training) | dense(x, 3) | relu(0) | normal | he(3) | net | price
minmax(over=all) | norm(x) | nothing
""".replace("\n", " | ")
    .strip(" |")
    .split(" | ")
)


def places(node: object) -> list[Span]:
    """Return where the expressions and settings of a tree stand."""
    if isinstance(node, tuple):
        return [span for each in node for span in places(each)]
    if not is_dataclass(node) or isinstance(node, (Source, Span, type)):
        return []
    own = [node.span] if isinstance(node, (tree.Expr, tree.Setting, tree.Tensor, tree.Pattern)) else []
    return own + [span for each in fields(node) for span in places(getattr(node, each.name))]


def mutated(text: str, choice: random.Random) -> str:
    """Put one thing in the place of another, once or a few times."""
    for _ in range(choice.choice([1, 1, 2, 3])):
        try:
            found = places(parse(Source("main.net", text)))
        except DiagnosticError:
            return text
        span = choice.choice(found)
        other = choice.choice([*OTHERS, *(each.text for each in found)])
        text = text[: span.start] + other + text[span.end :]
    return text


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_things_put_in_wrong_places_is_told_or_worked_out(seed: int) -> None:
    choice = random.Random(seed)
    cases = [((MODELS / name).read_text(encoding="utf-8"), schema) for name, schema in FILES]
    cases.append((HOUSES, TABLE))
    for _ in range(80):
        text, schema = choice.choice(cases)
        text = mutated(text, choice)
        try:
            files = load_files(Source("main.net", text), no_imports)
            plan_data(files, {}, None)
            told = elaborate(files, {}, None, schema).warnings
        except DiagnosticError as error:
            told = error.diagnostics
            assert told
        assert render(told) is not None


def test_the_files_that_are_put_out_of_order_are_right_themselves() -> None:
    for name, schema in FILES:
        files = load_files(Source(name, (MODELS / name).read_text(encoding="utf-8")), no_imports)
        assert elaborate(files, {}, None, schema).graph.outputs
    assert elaborate(load_files(Source("houses.net", HOUSES), no_imports), {}, None, TABLE).graph.outputs


def test_a_call_of_a_name_that_two_imports_declare_is_told() -> None:
    text = f'import "a.net"\nimport "b.net"\n{HOUSES}\nlayer unused(x) = x -> wide()'
    with pytest.raises(DiagnosticError) as caught:
        experiment(text, TABLE, a="layer wide(x) = x -> dense(8)", b="layer wide(x) = x -> dense(9)")
    assert "E0104" in [each.code for each in caught.value.diagnostics]


def test_a_schedule_with_memory_sets_one_number() -> None:
    text = HOUSES.replace("plateau(warmup(0.1))", "follow(0.1)")
    state = "state low = 0\n    low := logged(valid.loss)"
    text += f"schedule follow(base) {{\n    {state}\n    return [[base]] * low\n}}"
    with pytest.raises(DiagnosticError) as caught:
        experiment(text, TABLE)
    assert [each.message for each in caught.value.diagnostics] == [
        "`follow` sets one number, not a value of shape [1, 1]"
    ]

"""The names of weights, which checkpoints, `weights(…)`, `freeze` and rates by part rely on."""

from tests.semantics.bench import DIGITS, PLAIN, classifier, codes, experiment


def paths(body: str, before: str = "") -> list[str]:
    return [each.path for each in experiment(classifier(body, before=before), DIGITS).weights]


def test_a_use_is_numbered_by_its_layer_in_its_body() -> None:
    body = "    return image -> flatten -> dense(20) -> relu -> dense(10) -> softmax"
    assert paths(body) == ["mlp/dense_1/w", "mlp/dense_1/b", "mlp/dense_2/w", "mlp/dense_2/b"]


def test_a_label_names_a_use_and_the_others_go_on_counting() -> None:
    body = (
        "    return image -> flatten -> dense(20, bias=no) as stem -> relu -> dense(10, bias=no) -> softmax"
    )
    assert paths(body) == ["mlp/stem/w", "mlp/dense_2/w"]


def test_a_binding_names_a_chain_that_is_one_use() -> None:
    body = """
    x = image -> flatten
    first = x -> dense(20, bias=no)
    second = dense(first -> relu, 20, bias=no)
    third = second -> relu -> dense(20, bias=no)
    fourth = (third -> dense(10, bias=no))
    return fourth -> softmax
"""
    assert paths(body) == ["mlp/first/w", "mlp/second/w", "mlp/dense_3/w", "mlp/fourth/w"]


def test_a_label_goes_before_a_binding() -> None:
    body = """
    x = image -> flatten
    h = x -> dense(10, bias=no) as head
    return h -> softmax
"""
    assert paths(body) == ["mlp/head/w"]


def test_repeat_adds_no_step_and_goes_on_counting() -> None:
    body = """
    h = image -> flatten -> repeat n in [30, 20] { dense(n, bias=no) -> relu }
    return h -> dense(10, bias=no) -> softmax
"""
    made = experiment(classifier(body), DIGITS)
    assert [each.path for each in made.weights] == ["mlp/dense_1/w", "mlp/dense_2/w", "mlp/dense_3/w"]
    marks = {made.graph[index].path: made.graph[index].repeat for index in made.graph}
    assert marks["mlp/dense_1"] == (0,)
    assert marks["mlp/dense_2"] == (1,)
    assert marks["mlp/dense_3"] == ()


def test_uses_inside_uses_make_longer_paths() -> None:
    before = "layer block(x: [n]; units = 20) = x -> dense(units, bias=no) -> relu"
    body = "    return image -> flatten -> block -> block(30) as wide -> dense(10, bias=no) -> softmax"
    assert paths(body, before) == ["mlp/block_1/dense_1/w", "mlp/wide/dense_1/w", "mlp/dense_1/w"]


def test_a_compile_time_branch_names_its_weight_by_the_binding() -> None:
    body = "    return image -> flatten -> dense(10) -> softmax"
    assert "mlp/dense_1/b" in paths(body)
    assert "mlp/dense_1/b" not in paths(body.replace("dense(10)", "dense(10, bias=no)"))


def test_a_model_in_a_model_keeps_its_path_and_shares_its_weights() -> None:
    before = "model encoder(x: [n]) = x -> dense(12, bias=no) -> relu"
    body = """
    x = image -> flatten
    a = encoder(x)
    b = (x * 2) -> encoder as again
    return concat(a, b) -> dense(10, bias=no) -> softmax
"""
    assert paths(body, before) == ["encoder/dense_1/w", "mlp/dense_1/w"]


def test_two_calls_of_a_model_draw_their_own_random_numbers() -> None:
    before = "model encoder(x: [n]) = x -> dropout(50%)"
    body = """
    x = image -> flatten
    a = encoder(x)
    b = encoder(x)
    return concat(a, b) -> dense(10) -> softmax
"""
    graph = experiment(classifier(body, before=before), DIGITS).graph
    streams = {graph[index].setting("stream") for index in graph if graph[index].operation.name == "uniform"}
    assert streams == {"encoder/dropout_1/uniform_1", "encoder#2/dropout_1/uniform_1"}


def test_a_model_of_another_file_has_its_own_name() -> None:
    text = 'import "parts.net" as p\n' + classifier(
        "    return image -> flatten -> p.encoder -> dense(10, bias=no) -> softmax"
    )
    made = experiment(text, parts="model encoder(x: [n]) = x -> dense(8, bias=no)\n")
    assert [each.path for each in made.weights] == ["encoder/dense_1/w", "mlp/dense_1/w"]


def test_a_weight_and_a_use_of_one_name_clash() -> None:
    body = """
    x = image -> flatten
    w = weight([64, 10], he)
    h = x -> dense(10) as w
    return (h + x @ w) -> softmax
"""
    assert codes(classifier(body)) == ["E0108"]


def test_a_label_in_a_repeat_would_name_several() -> None:
    body = "    return image -> flatten -> repeat 2 { dense(10) as same -> relu } -> softmax"
    assert codes(classifier(body)) == ["E0108"]


def test_two_models_of_one_name_never_mix() -> None:
    text = 'import "parts.net" as p\n' + classifier(PLAIN.replace("dense(10)", "p.mlp -> relu -> dense(10)"))
    told = codes(text, parts="model mlp(x: [n]) = x -> dense(8)\n")
    assert told == ["E0108"]

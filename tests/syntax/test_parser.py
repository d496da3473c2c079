"""What a text means: every construct of the language, by its tree."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from netdsl.diagnostics import DiagnosticError, Source, Span
from netdsl.syntax import parse, tree

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("models/*.net"), *ROOT.glob("netdsl/library/*.net")])


def parsed(text: str) -> tree.File:
    return parse(Source("given.net", text))


def only(text: str) -> Any:
    (declaration,) = parsed(text).declarations
    return declaration


def value(text: str) -> tree.Expr:
    """The tree of an expression or chain."""
    return only(f"layer f(x) = {text}\n").body[0].value  # type: ignore[no-any-return]


def shown(node: Any) -> str:
    """An expression with a bracket around each operation."""
    match node:
        case tree.Number(number, _, unit):
            return f"{number!r}{'' if unit is None else ':' + unit}"
        case tree.Extent(sides):
            return "x".join(map(str, sides))
        case tree.Text(text):
            return repr(text)
        case tree.Flag(flag):
            return "yes" if flag else "no"
        case tree.Path():
            return node.text
        case tree.Unary(sign, operand):
            return f"({sign} {shown(operand)})"
        case tree.Binary(sign, left, right):
            return f"({shown(left)} {sign} {shown(right)})"
        case tree.Range(low, high):
            return f"({shown(low)} .. {shown(high)})"
        case tree.Group(inner):
            return shown(inner)
        case tree.Condition(test, then, otherwise):
            return f"(if {shown(test)} then {shown(then)} else {shown(otherwise)})"
        case tree.Subscript(path, items):
            return f"{path.text}[{', '.join(map(shown, items))}]"
        case tree.Call(callee, positional, named):
            return f"{callee.text}({', '.join(map(shown, (*positional, *named)))})"
        case tree.Member(call, name):
            return f"{shown(call)}.{name.text}"
        case tree.Named(name, inner):
            return f"{name.text}={shown(inner)}"
        case tree.List(items):
            return f"[{', '.join(map(shown, items))}]"
        case tree.Record(items):
            return f"({', '.join(map(shown, items))})"
        case tree.Chain(head, label, stages):
            return " -> ".join([shown(head) + as_label(label), *(shown(stage) for stage in stages)])
        case tree.Stage(step, label):
            return shown(step) + as_label(label)
        case tree.Repeat(count, names, values, stages):
            times = shown(count) if count else f"{'|'.join(name.text for name in names)} in {shown(values)}"
            return f"repeat {times} {{{' -> '.join(map(shown, stages))}}}"
    raise AssertionError(node)


def as_label(label: tree.Name | None) -> str:
    return f" as {label.text}" if label else ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("-x^2", "(- (x ^ 2))"),
        ("2^-x^2", "(2 ^ (- (x ^ 2)))"),
        ("a^b^c", "(a ^ (b ^ c))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b * c @ d", "(((a / b) * c) @ d)"),
        ("a + b * -c", "(a + (b * (- c)))"),
        ("-a * b", "((- a) * b)"),
        ("- - a", "(- (- a))"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("not a == b and c or d", "(((not (a == b)) and c) or d)"),
        ("not not a", "(not (not a))"),
        ("a or b and c", "(a or (b and c))"),
        ("a + 1 .. b * 2", "((a + 1) .. (b * 2))"),
        ("(a + b) * c", "((a + b) * c)"),
        ("0 <= x", "(0 <= x)"),
        ("x[0]^2 + x[0 .. 3, 1]", "((x[0] ^ 2) + x[(0 .. 3), 1])"),
        ("f(a, b, c=d, e=1)", "f(a, b, c=d, e=1)"),
        ("f()", "f()"),
        ("f(a,)", "f(a)"),
        ("m.dense(3)", "m.dense(3)"),
        ("kfold(5).loss", "kfold(5).loss"),
        ("[]", "[]"),
        ("[1, [2, 3],]", "[1, [2, 3]]"),
        ("(a=1, b=x -> f,)", "(a=1, b=x -> f)"),
        ("(a=1)", "(a=1)"),
        ("if a then b else c", "(if a then b else c)"),
        ("if a then b -> f else c -> g", "(if a then b -> f else c -> g)"),
        ("if a then b else if c then d else e", "(if a then b else (if c then d else e))"),
        ("(if a then b else c) -> f", "(if a then b else c) -> f"),
        ("a -> f -> g(3)", "a -> f -> g(3)"),
        ("a + b -> f", "(a + b) -> f"),
        ("a as b", "a as b"),
        ("a as b -> f as c -> g(1) as d", "a as b -> f as c -> g(1) as d"),
        ("x -> repeat 3 { f }", "x -> repeat 3 {f}"),
        ("x -> repeat depth { f -> g(2) as h } as k", "x -> repeat depth {f -> g(2) as h} as k"),
        ("x -> repeat (2 * n) { f }", "x -> repeat (2 * n) {f}"),
        ("x -> repeat n in [1, 2] { f(n) }", "x -> repeat n in [1, 2] {f(n)}"),
        ("x -> repeat n in 1 .. 3 { f(n) }", "x -> repeat n in (1 .. 3) {f(n)}"),
        ("x -> repeat (n, p) in [[1, 2]] { f(n) }", "x -> repeat n|p in [[1, 2]] {f(n)}"),
        ("x -> repeat 2 { repeat 3 { f } -> g }", "x -> repeat 2 {repeat 3 {f} -> g}"),
        ("yes", "yes"),
        ("f(bias=no)", "f(bias=no)"),
        ('"a # b"', "'a # b'"),
        ('"c:\\data"', "'c:\\\\data'"),
        ("3x3", "3x3"),
        ("3x3x12", "3x3x12"),
        ("λ * β1 + Éa", "((λ * β1) + Éa)"),
    ],
)
def test_an_expression(text: str, wanted: str) -> None:
    assert shown(value(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("3", 3), ("0.5", 0.5), ("1e-3", 1e-3), ("1E+3", 1000.0), ("10%", 0.1), ("99.9%", 0.999),
        ("50k", 50_000), ("1.5k", 1500.0), ("2M", 2_000_000), ("5%", 0.05), ("1e2%", 1.0), ("0.07", 0.07),
        ("2e3k", 2e6), ("7%", 0.07),
    ],
)  # fmt: skip
def test_a_number(text: str, wanted: int | float) -> None:
    node = value(text)
    assert isinstance(node, tree.Number)
    assert (node.value, type(node.value), node.text) == (wanted, type(wanted), text)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("10 epochs", "epochs"), ("1 epoch", "epochs"), ("5k steps", "steps"), ("1 step", "steps"),
        ("15 deg", "deg"), ("2 px", "px"), ("30 s", "s"), ("30 min", "min"), ("2 h", "h"),
    ],
)  # fmt: skip
def test_a_unit(text: str, unit: str) -> None:
    node = value(text)
    assert isinstance(node, tree.Number)
    assert node.unit == unit


def test_words_of_sections_and_units_are_names_elsewhere() -> None:
    text = "layer f(data, train, step; s = 1, min = 2) = data + train.batch * min(s, 0) - epochs + state"
    assert isinstance(only(text), tree.Definition)
    lines = ["model = mlp", "data = mnist", "loss = mse", "state = 2", "s = 3", "min = min(1 min, s)"]
    section = only("train {" + "\n".join(lines) + "}")
    names = [field.name.text for field in section.fields]
    assert names == ["model", "data", "loss", "state", "s", "min"]
    assert only("layer layer(layer) = layer").name.text == "layer"


def test_state_is_a_statement_and_a_name() -> None:
    body = only(
        "optimizer o(w, g) {\n state v = 0\n state state = 1\n state = v\n state := 2\n v := state\n}"
    ).body
    assert [type(each).__name__ for each in body] == ["State", "State", "Bind", "Update", "Update"]


def test_letters_that_look_alike_are_one_letter() -> None:
    assert value("\u00b5") == value("\u03bc")


def test_a_signature() -> None:
    tensors = "x: [..space, c], y: [.., 3, n], z: []"
    node = only(f"layer conv({tensors}; filters, pad = 0 in [same, 0 .. 1k], act in [f],) = x")
    x, y, z = node.tensors
    assert isinstance(x.pattern.extents[0], tree.Rest)
    assert x.pattern.extents[0].name is not None
    assert x.pattern.extents[0].name.text == "space"
    assert y.pattern.extents[0].name is None
    assert y.pattern.extents[1].value == 3
    assert z.pattern.extents == ()
    filters, pad, act = node.settings
    assert (filters.default, filters.domain) == (None, None)
    assert (shown(pad.default), shown(pad.domain)) == ("0", "[same, (0 .. 1000)]")
    assert (act.default, shown(act.domain)) == (None, "[f]")
    assert only("initializer zeros = 0").tensors == ()
    assert len(only("initializer constant(; value = 0) = value").settings) == 1
    assert only("model m() = 1").kind == "model"


def test_a_param() -> None:
    node = only("param lr = 0.01 in 1e-4 .. 1e-1 log")
    assert (shown(node.default), shown(node.domain), node.scale.text) == ("0.01", "(0.0001 .. 0.1)", "log")
    assert only("param act = relu in [relu, tanh]").scale is None
    assert only("param hidden = [512, 256]").domain is None
    assert shown(only("param p = 5 epochs in 1 epoch .. 9 epochs").domain) == "(1:epochs .. 9:epochs)"


def test_imports() -> None:
    assert only('import "a/b.net"').alias is None
    assert only('import "b.net" as m').alias.text == "m"


def test_sections() -> None:
    node = only("search wide grid(points=5) { over = [a, train.lr]\n minimize = kfold(5).loss }")
    assert (node.kind, node.name.text, shown(node.method)) == ("search", "wide", "grid(points=5)")
    assert [shown(field.value) for field in node.fields] == ["[a, train.lr]", "kfold(5).loss"]
    assert only("evaluate kfold(5) {}").name is None
    assert only("train {}").method is None
    assert only("data d {}").name.text == "d"


LAYOUTS = {
    "after an operator": "a +\n  b *\n\n  # remark\n  c",
    "before an arrow": "a\n   -> f\n # remark\n\n   -> g",
    "after an arrow": "a ->\n f",
    "before else": "if a then b\n  # remark\n  else c",
    "after then and else": "if a then\n b else\n c",
    "after and, or, not": "a and\n b or\n not\n c",
    "after a comparison": "a ==\n b",
    "in parentheses": "(\na\n+ b\n)",
    "in a list": "[\n1,\n\n2\n,\n]",
    "in a call": "f(a\n, # remark\nb=\n2)",
    "in a subscript": "x[\n0\n]",
    "in a repeat": "x -> repeat n in\n [1] {\n f\n -> g\n }",
    "around a range": "1 ..\n 2",
    "a comment with brackets": "a + # ( [ {\n b",
    "windows": "a +\r\n b\r\n  -> f",
}


@pytest.mark.parametrize("text", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_a_line_goes_on(text: str) -> None:
    joined = " ".join(line.split("#")[0] for line in text.splitlines())
    assert value(text) == value(joined)


@pytest.mark.parametrize("end", ["", "\n", "\n\n  \n", "  # remark", "\t\r\n"])
def test_a_file_ends_anyhow(end: str) -> None:
    assert len(parsed("param a = 1\nlayer f(x) { return x }" + end).declarations) == 2


@pytest.mark.parametrize("text", ["", "\n", "# only a remark", "\ufeff", "  \n\t\n"])
def test_an_empty_file(text: str) -> None:
    assert parsed(text).declarations == ()


def test_byte_order_mark_and_windows_lines() -> None:
    plain = "# remark\nlayer f(x) {\n    y = x\n    return y\n}\n"
    windows = "\ufeff" + plain.replace("\n", "\r\n")
    assert parsed(windows) == parsed(plain)
    assert parsed(windows).declarations[0].span.line == 2


def test_a_body_in_one_line_and_a_brace_behind_a_value() -> None:
    one = only("layer f(x) { return x }")
    assert one == only("layer f(x) {\nreturn x\n}")
    assert not one.short
    assert only("layer f(x) = x").short


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_span_covers_its_text(path: Path) -> None:
    """The span of each node is inside of that of its parent, and its text parses to the same where it can."""
    source = Source(path.name, path.read_text(encoding="utf-8"))
    stack: list[tuple[Any, Span]] = [(each, each.span) for each in parse(source).declarations]
    seen = 0
    while stack:
        node, around = stack.pop()
        seen += 1
        assert around.start <= node.span.start < node.span.end <= around.end
        if isinstance(node, tree.Name | tree.Number | tree.Path):
            assert node.span.text.startswith(node.text)
        if isinstance(node, tree.Binary):
            assert node.operator_span.text == node.operator
            assert node.left.span.end <= node.operator_span.start < node.right.span.start
        for field in fields(node):
            inner = getattr(node, field.name)
            for child in inner if isinstance(inner, tuple) else [inner]:
                if hasattr(child, "span"):
                    stack.append((child, node.span))
    assert seen > 3


@pytest.mark.parametrize(
    "text", ["layer f(x) = x x", "layer f(x) = thenx elsey", "layer f(x) = if a thenx else b"]
)
def test_what_is_not_of_the_language(text: str) -> None:
    with pytest.raises(DiagnosticError):
        parsed(text)

"""Files that parse: derived from the grammar at random, or put together from what the library has."""

from collections import defaultdict
from functools import cache
from random import Random

from lark.grammar import Rule

from netdsl.diagnostics import Source
from netdsl.resources import resource_names, resource_text
from netdsl.syntax import parse, tables, tree
from netdsl.syntax.words import DEFINITIONS
from tests.fuzz.corpus import NUMBERS

DEEPEST = 14
NAMES = ("x", "w", "g", "h", "y", "n", "c", "mlp", "lr", "image", "label", "stem", "a", "b", "state")


@cache
def rules() -> dict[str, list[Rule]]:
    """Return the rules of the grammar by what they make."""
    found: dict[str, list[Rule]] = defaultdict(list)
    for rule in tables.parser().rules:
        found[rule.origin.name].append(rule)
    return found


@cache
def library() -> dict[str, list[tree.Definition]]:
    """Return the definitions of the library by kind."""
    found: dict[str, list[tree.Definition]] = {kind: [] for kind in DEFINITIONS}
    for name in resource_names("library", ".net"):
        for each in parse(Source(name, resource_text(f"library/{name}"))).declarations:
            if isinstance(each, tree.Definition):
                found[each.kind].append(each)
    return found


def derived(draws: Random) -> str:
    """Return a sentence of the grammar: it parses, and mostly means nothing."""
    return " ".join(_derive("_declaration", draws, 0) for _ in range(draws.randrange(1, 5)))


def _derive(symbol: str, draws: Random, depth: int) -> str:
    choices = rules()[symbol]
    if depth > DEEPEST:
        choices = sorted(choices, key=lambda rule: len(rule.expansion))[: max(1, len(choices) // 3)]
    if depth > 3 * DEEPEST:
        choices = choices[:1]
    parts = draws.choice(choices).expansion
    return " ".join(
        _token(each.name, draws) if each.is_term else _derive(each.name, draws, depth + 1) for each in parts
    )


def _token(name: str, draws: Random) -> str:
    match name:
        case "NAME":
            kinds = library()
            pool = (*NAMES, *(each.name.text for each in draws.choice(list(kinds.values())) or ()))
            return draws.choice(pool)
        case "NUMBER":
            return draws.choice(("0", "1", "2", "3", "0.5", "10%", "1e-3", "50k"))
        case "EXTENT":
            return "3x3"
        case "TEXT":
            return draws.choice(('"a.net"', '""', '"x"'))
        case "COMPARE":
            return draws.choice(("==", "<", ">=", "!="))
        case "_NL":
            return "\n"
        case "_ARROW":
            return "->"
        case "_ELSE":
            return "else"
    pattern = next(each.pattern for each in tables.parser().terminals if each.name == name)
    return str(pattern.value)


# ---- networks -----------------------------------------------------------------------------------


def network(draws: Random) -> str:
    """Return a whole training, of what the library has: about one in three has no mistake."""
    data, shape, classes = draws.choice(DATA)
    wild = draws.random() < 0.4
    chain = " -> ".join(["x", *(_stage(draws, wild) for _ in range(draws.randrange(1, 5)))])
    scale = f"    scale = {_use(draws, 'scaler', wild)}\n" if draws.random() < 0.3 else ""
    outputs = draws.choice((2, 3, 10)) if wild else classes
    shape = draws.choice((shape, "[n]", "[3]", "[.., c]")) if wild else shape
    odd = ("epochs = 0", "epochs = 1.5", "steps = 10 epochs")
    length = draws.choice(odd if wild else ("epochs = 2", "steps = 3"))
    fields = [
        f"    loss = {_use(draws, 'loss', wild) if wild else 'cross_entropy'}{_penalty(draws, wild)}",
        f"    optimizer = {_use(draws, 'optimizer', wild)}",
        f"    {length}",
        f"    batch = {draws.choice((*NUMBERS, 'all')) if wild else 32}",
        f"    metrics = [{_use(draws, 'metric', wild) if wild else 'accuracy'}]",
    ]
    draws.shuffle(fields)
    train = "\n".join(fields)
    return (
        f"param rate = 0.01 in 1e-4 .. 1 log\ndata d {{\n    source = {data}\n{scale}}}\n"
        f"model m(x: {shape}) {{\n    h = {chain}\n"
        f"    return h -> flatten -> dense({outputs}) -> softmax\n}}\n"
        f"train {{\n{train}\n}}\n"
    )


DATA = (
    ("digits()", "[8, 8, 1]", 10),
    ("moons(n=100)", "[2]", 2),
    ("mnist()", "[28, 28, 1]", 10),
    ("blobs(n=100, classes=3)", "[2]", 3),
)


def _stage(draws: Random, wild: bool) -> str:
    kind = draws.randrange(8)
    if kind == 0:
        times = draws.choice(("2", "3", "n in [8, 4]", *(("0", "1000000000") if wild else ())))
        return f"repeat {times} {{ {_stage(draws, wild)} }}"
    label = f" as {draws.choice(NAMES)}" if draws.random() < 0.1 else ""
    plain = draws.choice(("tanh", "flatten", "dense(8)", "relu", "dropout(10%)", "batchnorm"))
    return (_use(draws, "layer", wild) if kind < (6 if wild else 3) else plain) + label


def _use(draws: Random, kind: str, wild: bool) -> str:
    each = draws.choice(library()[kind])
    given = []
    for setting in each.settings:
        if setting.default is None or draws.random() < 0.2:
            default = setting.default.span.text if setting.default is not None else "3"
            odd = (*NUMBERS, "8", "4", "yes", "relu", "he", "rate", "same", "[2, 3]")
            value = draws.choice((*odd, default)) if wild else default
            given.append(f"{setting.name.text}={value}")
    return f"{each.name.text}({', '.join(given)})" if given or draws.random() < 0.3 else each.name.text


def _penalty(draws: Random, wild: bool) -> str:
    if draws.random() > 0.3:
        return ""
    penalty = _use(draws, "penalty", wild) if wild else draws.choice(("l1(weights)", "l2(weights)"))
    return f" + {draws.choice(NUMBERS) if wild else 0.01} * {penalty}"

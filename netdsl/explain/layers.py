"""The layers of a model: its graph seen from afar, all operations of a use as one."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from netdsl.diagnostics import Span
from netdsl.graph import Graph, Shape, count, example
from netdsl.lazy_dataclass import dataclass, replace
from netdsl.semantics.experiment import Experiment, Output

LayerKind: TypeAlias = Literal["input", "scaling", "layer", "formula", "unscaling", "output"]
_Key: TypeAlias = tuple[LayerKind, str]

_REPEATS_WORTH_FOLDING = 3
_STATEMENT = re.compile(r"\n\s*(?:return\b|\w+\s*=(?!=))\s*")


@dataclass(frozen=True, slots=True)
class Layer:
    """An input, an output, a use of a layer, or a formula that stands in the model or in an opened block.

    `path` is that of the use, or of the block that a formula stands in; `shape` is that of one example,
    `parameters` what is trained, `kept` what is only remembered (moving averages). `times` tells how many
    equal repeats in a row this one stands for; `members` are the nodes of the graph.
    """

    kind: LayerKind
    path: str
    title: str
    shape: Shape
    parameters: int = 0
    kept: int = 0
    repeat: tuple[int, ...] = ()
    times: int = 1
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class LayerGraph:
    """Layers in the order in which values flow, and the edges between them by position."""

    layers: tuple[Layer, ...]
    edges: tuple[tuple[int, int], ...]

    def before(self, index: int) -> tuple[int, ...]:
        """Return the layers that feed one."""
        return tuple(source for source, target in self.edges if target == index)

    def after(self, index: int) -> tuple[int, ...]:
        """Return the layers that one feeds."""
        return tuple(target for source, target in self.edges if source == index)


def layers_of(experiment: Experiment, *, depth: int = 1, fold: bool = True) -> LayerGraph:
    """Return the layers of an experiment's model, uses being opened `depth` levels deep.

    With `fold`, three or more equal iterations of a `repeat` in a row become one layer with `times`.
    """
    graph = experiment.graph
    keys = _Keys(graph, experiment.model, depth).assign()
    order = _ordered(keys)
    layers = [_layer(experiment, key, [n for n in keys if keys[n] == key]) for key in order]
    position = {key: index for index, key in enumerate(order)}
    edges = dict.fromkeys(
        (position[keys[source]], position[keys[target]])
        for target in keys
        for source in graph.operands(target)
        if keys[source] != keys[target]
    )
    for output in experiment.outputs:
        node = graph.outputs[f"output/{output.name}"]
        edges[position[keys[node]], len(layers)] = None
        layers.append(Layer("output", output.name, _output_title(output, experiment.model), output.shape))
    whole = LayerGraph(tuple(layers), tuple(edges))
    return _folded(whole) if fold else whole


def _output_title(output: Output, model: str) -> str:
    """Return what an output is called: a model's only one has no name but the target it is compared with."""
    if output.name == model:
        return output.field or output.name
    return f"{output.name} → {output.field}" if output.field not in (None, output.name) else output.name


class _Keys:
    """Says for each node that an output needs which layer it belongs to."""

    def __init__(self, graph: Graph, model: str, depth: int) -> None:
        self.graph, self.model, self.depth = graph, model, depth
        self.keys: dict[int, _Key] = {}
        self.blocks = {
            "/".join(opened[:count])
            for node in graph
            for opened in [self._opened(graph[node].path).split("/")]
            for count in range(1, len(opened))
        }
        self.level: dict[int, int] = {}

    def assign(self) -> dict[int, _Key]:
        needed = _ancestors(self.graph, "output/")
        scaled = _scaled(self.graph)
        flowing = _flowing(self.graph, needed)
        computed = [n for n in sorted(needed) if n in flowing or self._is_of_layer(n, scaled)]
        for index in computed:
            self._place(index, scaled)
        for index in sorted(needed - set(computed), reverse=True):
            self.keys[index] = self._of_leaf(index, needed)
        return self.keys

    def _is_of_layer(self, index: int, scaled: Mapping[int, str]) -> bool:
        """Tell whether a node that comes from no input has a place of its own. Other such nodes (a constant,
        a weight of the model itself, a figure that a target is scaled by) stand where they are used."""
        path = self.graph[index].path
        inside = "/" in path and self._opened(path) not in self.blocks
        return bool(self.graph.operands(index)) and inside and index not in scaled

    def _place(self, index: int, scaled: Mapping[int, str]) -> None:
        node = self.graph[index]
        before = [each for each in self.graph.operands(index) if each in self.keys]
        key: _Key
        if node.operation.name == "input":
            key = ("input", str(node.setting("name")))
        elif index in scaled:
            key = ("scaling", scaled[index])
        elif node.operation.name == "one_hot" and self.keys[before[0]][0] == "input":
            key = self.keys[before[0]]  # how a category reads
        elif not node.path:
            key = ("unscaling", "")
        else:
            path = self._opened(node.path)
            inside = path == self.model or path in self.blocks
            key = self._formula(path, before) if inside else ("layer", path)
        self.keys[index] = key
        self.level[index] = max((self._level_after(each, key) for each in before), default=0)

    def _opened(self, path: str) -> str:
        """Return a path as far as it is opened; those of other models than the one drawn are shorter."""
        steps = path.split("/")
        return "/".join(steps[: self.depth + (steps[0] == self.model)])

    def _formula(self, path: str, before: Sequence[int]) -> _Key:
        """Name a formula by how deep it stands, so that a value never flows back into the same box."""
        deepest = 0
        for each in before:
            kind, name = self.keys[each]
            same = kind == "formula" and name.rpartition("@")[0] == path
            deepest = max(deepest, int(name.rpartition("@")[2]) if same else self.level[each] + 1)
        return ("formula", f"{path}@{deepest}")

    def _level_after(self, index: int, key: _Key) -> int:
        return self.level[index] + (self.keys[index] != key)

    def _of_leaf(self, index: int, needed: set[int]) -> _Key:
        users = (self.keys[each] for each in self.graph.users(index) if each in needed)
        return next(users, ("formula", f"{self.model}@0"))


def _ancestors(graph: Graph, prefix: str) -> set[int]:
    roots = [node for name, node in graph.outputs.items() if name.startswith(prefix)]
    return set(graph.ancestors(roots))


def _flowing(graph: Graph, needed: set[int]) -> set[int]:
    """Return what comes from an input; without inputs, all that is computed."""
    inputs = {index for index in needed if graph[index].operation.name == "input"}
    flowing = set(inputs)
    for index in sorted(needed):
        operands = graph.operands(index)
        if flowing.intersection(operands) or (not inputs and operands):
            flowing.add(index)
    return flowing


def _scaled(graph: Graph) -> dict[int, str]:
    """Return the nodes that scale a field, with its name: those it is made of, but for the field itself."""
    return {
        index: name.removeprefix("prepared/")
        for name, root in graph.outputs.items()
        if name.startswith("prepared/")
        for index in graph.ancestors([root])
    }


def _ordered(keys: Mapping[int, _Key]) -> list[_Key]:
    """Return each layer once, by the last of its nodes: all that feeds it comes before."""
    last: dict[_Key, int] = {}
    for index, key in keys.items():
        last[key] = max(index, last.get(key, -1))
    return sorted(last, key=lambda key: last[key])


def _layer(experiment: Experiment, key: _Key, members: list[int]) -> Layer:
    graph = experiment.graph
    kind, name = key
    inside = set(members)
    leaving = [n for n in sorted(members) if set(graph.users(n)) - inside or n in graph.outputs.values()]
    end = leaving[-1] if leaving else max(members)
    names = {graph[n].setting("name") for n in members if graph[n].operation.name in ("weight", "state")}
    held = [weight for weight in experiment.weights if weight.path in names]
    return Layer(
        kind,
        name.rpartition("@")[0] if kind == "formula" else name,
        _title(experiment, key, members, end),
        example(graph[end].shape),
        sum(count(each.shape) for each in held if each.is_parameter),
        sum(count(each.shape) for each in held if each.kind in ("running", "fitted")),
        next((graph[n].repeat for n in sorted(members) if graph[n].repeat), ()),
        members=tuple(sorted(members)),
    )


def _title(experiment: Experiment, key: _Key, members: Iterable[int], end: int) -> str:
    graph, (kind, path) = experiment.graph, key
    name = path.removeprefix(f"{experiment.model}/")
    match kind:
        case "formula" if not name.startswith(f"{experiment.model}@"):
            return f"{name.rpartition('@')[0]}/{_telling(graph, members, end)}"
        case "formula" | "scaling" | "unscaling":
            text = formula_text(graph[n].span for n in members if graph.operands(n))
            return f"undo {text}" if kind == "unscaling" else text
        case _:
            return name


def _telling(graph: Graph, members: Iterable[int], end: int) -> str:
    """Return the operation that tells what a formula of a block does: the scan, or the last that computes."""
    names = [graph[n].operation.name for n in sorted(members) if graph.operands(n)]
    moves = {"reshape", "transpose", "broadcast", "slice"}
    kept = [name for name in names if name not in moves] or [graph[end].operation.name]
    return "scan" if "scan" in kept else kept[-1]


def formula_text(spans: Iterable[Span | None], limit: int = 48) -> str:
    """Return the `.net` text that some nodes were made of, on one line, cut where it is long."""
    known = [each for each in spans if each is not None]
    if not known:
        return "formula"
    source = known[0].source
    here = [each for each in known if each.source is source]
    start, end = min(each.start for each in here), max(each.end for each in here)
    begin = _begin(source.text, start)
    text = source.text[begin : _end(source.text, begin, end)]
    text = re.sub(r"#[^\n]*", " ", text)
    if statements := list(_STATEMENT.finditer(text)):
        text = "… " + text[statements[-1].end() :]  # the last says what comes out
    text = " ".join(text.split()).removeprefix("return ")
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _begin(text: str, start: int) -> int:
    """Return where the expression begins that a place is inside of; the place may be an operator's alone."""
    depth = 0
    while start > 0 and not (
        depth == 0 and (text[start - 1] in "=,{\n([" or text[start - 2 : start] == "->")
    ):
        start -= 1
        depth += (text[start] in ")]") - (text[start] in "([")
    return start


def _end(text: str, begin: int, end: int) -> int:
    """Return where an expression ends, of which a part is known."""
    known = text[begin:end]
    depth = sum(known.count(each) for each in "([") - sum(known.count(each) for each in ")]")
    while end < len(text) and not (depth == 0 and (text[end] in ",}\n)]#" or text[end : end + 2] == "->")):
        depth += (text[end] in "([") - (text[end] in ")]")
        end += 1
    return end


# ---- folding of repeats -----------------------------------------------------------------------


def _folded(whole: LayerGraph) -> LayerGraph:
    stands_for = list(range(len(whole.layers)))
    layers = list(whole.layers)
    for run in _runs(whole.layers):
        first, last = run[0], run[-1]
        for iteration in run[1:]:
            for position, index in enumerate(iteration):
                stands_for[index] = first[position]
        for index, final in zip(first, last, strict=True):
            title = f"{layers[index].title} … {layers[final].title}"
            layers[index] = replace(layers[index], times=len(run), title=title)
    return _merged(layers, whole.edges, stands_for)


def _merged(
    layers: Sequence[Layer], edges: Iterable[tuple[int, int]], stands_for: Sequence[int]
) -> LayerGraph:
    kept = sorted(set(stands_for))
    position = {index: new for new, index in enumerate(kept)}
    new = dict.fromkeys((position[stands_for[a]], position[stands_for[b]]) for a, b in edges)
    forward = tuple((a, b) for a, b in new if a < b)
    return LayerGraph(tuple(layers[index] for index in kept), forward)


def _runs(layers: Sequence[Layer]) -> Iterator[list[list[int]]]:
    """Yield the runs of equal iterations: for each the positions of its layers."""
    for repeat in _repeats(layers):
        run: list[list[int]] = []
        for iteration in repeat:
            if run and _signature(layers, iteration) == _signature(layers, run[0]):
                run.append(iteration)
                continue
            if len(run) >= _REPEATS_WORTH_FOLDING:
                yield run
            run = [iteration]
        if len(run) >= _REPEATS_WORTH_FOLDING:
            yield run


def _repeats(layers: Sequence[Layer]) -> Iterator[list[list[int]]]:
    """Yield each `repeat` as its iterations. A number that falls begins another repeat."""
    current: list[list[int]] = []
    number = -1
    for index, layer in enumerate(layers):
        now = layer.repeat[0] if layer.repeat else -1
        if now < number or (now == -1 and current):
            if current:
                yield current
            current = []
        if now > (number if current else -1):
            current.append([])
        if now >= 0:
            current[-1].append(index)
        number = now
    if current:
        yield current


def _signature(layers: Sequence[Layer], iteration: Iterable[int]) -> tuple[tuple[str, Shape, int], ...]:
    return tuple(
        (re.sub(r"_\d+$", "", layers[each].title), layers[each].shape, layers[each].parameters)
        for each in iteration
    )

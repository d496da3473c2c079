"""The picture of a graph's operations: forward, gradients and updates told apart by color."""

from collections.abc import Iterator, Sequence
from typing import Final

from netdsl.explain import dot
from netdsl.explain.layers import formula_text
from netdsl.graph import Graph, Node, shape_text

_LEAVES: Final = {"input", "weight", "state", "scalar", "constant", "iota", "uniform", "gaussian"}
_FILL: Final = {"": "#eaf1fa", "gradient": "#fdeedd", "update": "#e4f4e8"}
_LINE: Final = {"": "#3f74b8", "gradient": "#c9771b", "update": "#3c8f58"}
_MEANING: Final = {"": "forward", "gradient": "backward", "update": "update"}
_QUIET: Final = "#66727f"


def operation_diagram(graph: Graph, name: str) -> str:
    """Return the DOT text of the operations of a graph, those of one use in a frame.

    Single numbers stand inside the operation that uses them; a broadcast is not drawn, since the shapes
    at both ends of its edge tell it.
    """
    inline = {index for index in graph if _number(graph, index) is not None}
    shown = [n for n in graph if n not in inline and graph[n].operation.name != "broadcast"]
    lines = [
        "graph " + dot.attributes(_graph_style(graph, name)),
        "node " + dot.attributes({"shape": "box", "fontname": dot.FONT, "fontsize": "11", "height": "0.3"}),
        "edge " + dot.attributes({"color": "#8a97a5", "arrowsize": "0.55", "fontsize": "9"}),
        *_frames(graph, shown),
        *_edges(graph, shown, inline),
        *_roots(graph),
    ]
    return dot.digraph(name, lines)


def _graph_style(graph: Graph, name: str) -> dict[str, str]:
    roles = [role for role in _FILL if any(graph[index].of == role for index in graph)]
    legend = "   ".join(f'<FONT COLOR="{_LINE[role]}">■ {_MEANING[role]}</FONT>' for role in roles)
    return {
        "rankdir": "TB",
        "nodesep": "0.2",
        "ranksep": "0.25",
        "pad": "0.2",
        "bgcolor": "white",
        "fontname": dot.FONT,
        "labelloc": "t",
        "label": dot.Markup(f"<B>{dot.label(name)}</B>    {legend}"),
    }


def _source(graph: Graph, index: int) -> int:
    """Return the value that a broadcast, or several, spread; any other node itself."""
    while graph[index].operation.name == "broadcast":
        (index,) = graph.operands(index)
    return index


def _number(graph: Graph, index: int) -> float | None:
    node = graph[_source(graph, index)]
    return node.setting("value") if node.operation.name == "constant" and not node.shape else None


def _frames(graph: Graph, shown: list[int]) -> Iterator[str]:
    """Yield the nodes: those of one use and one role in a frame of their own."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index in shown:
        groups.setdefault((graph[index].path, graph[index].of), []).append(index)
    for number, ((path, role), members) in enumerate(groups.items()):
        if not path:
            yield from (_node(graph, index) for index in members)
            continue
        title = dot.Markup(
            f'<FONT POINT-SIZE="10" COLOR="{_LINE.get(role, _QUIET)}">{dot.label(path)}</FONT>'
        )
        style = {"label": title, "style": "rounded", "color": "#c9d2db", "labeljust": "l", "margin": "8"}
        yield f"subgraph cluster_{number} {{"
        yield f"  graph {dot.attributes(style)}"
        yield from (f"  {_node(graph, index)}" for index in members)
        yield "}"


def _node(graph: Graph, index: int) -> str:
    node = graph[index]
    leaf = node.operation.name in _LEAVES
    style = {
        "label": _label(graph, index),
        "style": "filled" if leaf else "filled,rounded",
        "fillcolor": "#ffffff" if leaf else _FILL.get(node.of, "#ffffff"),
        "color": _LINE.get(node.of, _QUIET),
        "tooltip": formula_text([node.span], limit=200),
    }
    return f"n{index} {dot.attributes(style)}"


def _label(graph: Graph, index: int) -> dot.Markup:
    node = graph[index]
    title = node.operation.name
    if title in ("input", "weight", "state", "scalar"):
        title = str(node.setting("name")).rsplit("/", 1)[-1]
    numbers = [_number(graph, each) for each in graph.operands(index)]
    if any(each is not None for each in numbers):
        title = _text(node, ["·" if each is None else f"{each:.6g}" for each in numbers])
    strong = f"<B>{dot.label(title)}</B>"
    return dot.Markup(f'{strong}<BR/><FONT POINT-SIZE="9" COLOR="{_QUIET}">{shape_text(node.shape)}</FONT>')


def _text(node: Node, operands: Sequence[str]) -> str:
    """Write an operation as the language does, its operands given as text."""
    return node.operation.text.format(*operands, operands=", ".join(operands), **dict(node.settings))


def _edges(graph: Graph, shown: list[int], inline: set[int]) -> Iterator[str]:
    for index in shown:
        for each in graph.operands(index):
            if each not in inline:
                yield f"n{_source(graph, each)} -> n{index}"


def _roots(graph: Graph) -> Iterator[str]:
    """Yield what the graph is asked for, outputs and the new values of weights, as rounded ends."""
    for kind, roots in (("output", graph.outputs), ("update", graph.updates)):
        for number, (name, index) in enumerate(roots.items()):
            style = {
                "label": name if kind == "output" else f"{name} :=",
                "shape": "plaintext",
                "fontname": dot.FONT,
                "fontcolor": _LINE["update"] if kind == "update" else "#1f2933",
            }
            yield f"{kind}{number} {dot.attributes(style)}"
            yield f"n{_source(graph, index)} -> {kind}{number} {dot.attributes({'style': 'dashed'})}"

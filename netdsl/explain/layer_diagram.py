"""The picture of a model: its layers with shapes and numbers of parameters, values flowing down."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from netdsl.explain import dot
from netdsl.explain.layers import Layer, LayerGraph, layers_of
from netdsl.graph import count, shape_text
from netdsl.lazy_dataclass import dataclass
from netdsl.semantics.experiment import Experiment

_INK, _QUIET, _LINE = "#1f2933", "#66727f", "#8a97a5"
_COLORS = {
    "input": ("#eef1f4", "#8a97a5"),
    "scaling": ("#f6f7f9", "#aab4bf"),
    "unscaling": ("#f6f7f9", "#aab4bf"),
    "weights": ("#dfeaf8", "#3f74b8"),
    "plain": ("#ffffff", "#9fb3c8"),
    "formula": ("#fdf3e1", "#c98a1b"),
    "output": ("#e1f3e6", "#3c8f58"),
}
_COLUMNS = (150, 84, 92)
"""Widths of title, shape and parameters, in points: boxes of one picture are of one width."""
_LETTERS = 25
"""How many letters of a title stand in one line."""


@dataclass(frozen=True, slots=True)
class _Box:
    """Layers that are drawn as the rows of one box: each but the first only takes the value from above.

    `block` is the opened block that they stand in, as the steps that lead to it.
    """

    rows: tuple[int, ...]
    block: tuple[str, ...] = ()


def layer_diagram(experiment: Experiment, *, depth: int = 1, fold: bool = True) -> str:
    """Return the DOT text of a model's layers.

    `depth` is how many levels of blocks are opened; `fold` draws equal repeats in a row once.
    """
    whole = layers_of(experiment, depth=depth, fold=fold)
    boxes = list(_boxes(whole, experiment.model))
    home = {row: number for number, box in enumerate(boxes) for row in box.rows}
    lines = [
        "graph " + dot.attributes(_graph_style(experiment, whole)),
        "node " + dot.attributes({"shape": "plain", "fontname": dot.FONT, "fontcolor": _INK}),
        "edge " + dot.attributes(_edge_style()),
        *_nodes(
            {
                f"n{n} " + dot.attributes({"label": _table(whole, box)}): box.block
                for n, box in enumerate(boxes)
            }
        ),
    ]
    edges = [(home[a], home[b]) for a, b in whole.edges if home[a] != home[b]]
    for source, target in edges:
        straight = " [weight=4]" if _is_main(source, target, edges) else ""
        lines.append(f"n{source} -> n{target}{straight}")
    return dot.digraph(experiment.model, lines)


def _is_main(source: int, target: int, edges: Sequence[tuple[int, int]]) -> bool:
    """Tell whether all else that leaves the source or enters the target goes around this edge.

    It is straight then, and what goes around it bends. Where branches part or meet, no edge is straighter.
    """
    leaving = [b for a, b in edges if a == source and b != target]
    entering = [a for a, b in edges if b == target and a != source]
    below = {target}
    for a, b in sorted(edges):
        if a in below:
            below.add(b)
    above = {source}
    for a, b in sorted(edges, reverse=True):
        if b in above:
            above.add(a)
    return all(each in below for each in leaving) and all(each in above for each in entering)


def _nodes(nodes: Mapping[str, tuple[str, ...]], depth: int = 0) -> Iterator[str]:
    """Yield the statements of nodes, those of an opened block in a frame with its name."""
    names = dict.fromkeys(block[depth] for block in nodes.values() if len(block) > depth)
    yield from (statement for statement, block in nodes.items() if len(block) == depth)
    for name in names:
        inside = {text: block for text, block in nodes.items() if len(block) > depth and block[depth] == name}
        path = "/".join(next(iter(inside.values()))[: depth + 1])
        yield f"subgraph {dot.quoted(f'cluster {path}')} {{"
        style = {"label": name, "labeljust": "l", "style": "rounded", "color": _LINE, "fontsize": "12"}
        yield "  graph " + dot.attributes({**style, "margin": "10", "penwidth": "1"})
        yield from (f"  {line}" for line in _nodes(inside, depth + 1))
        yield "}"


def _graph_style(experiment: Experiment, whole: LayerGraph) -> dict[str, str]:
    total = sum(layer.parameters * layer.times for layer in whole.layers)
    caption = f'<B>{dot.label(experiment.model)}</B>  <FONT COLOR="{_QUIET}">{total:,} parameters</FONT>'
    return {
        "rankdir": "TB",
        "nodesep": "0.35",
        "ranksep": "0.28",
        "pad": "0.2",
        "bgcolor": "white",
        "fontname": dot.FONT,
        "fontsize": "15",
        "fontcolor": _INK,
        "labelloc": "t",
        "label": dot.Markup(f'<FONT POINT-SIZE="15">{caption}</FONT>'),
    }


def _edge_style() -> dict[str, str]:
    return {"color": _LINE, "arrowsize": "0.6", "penwidth": "1.2"}


def _boxes(whole: LayerGraph, model: str) -> Iterator[_Box]:
    """Yield boxes from top to bottom, a layer without parameters joining the one it follows."""
    done: set[int] = set()
    for index in range(len(whole.layers)):
        if index not in done:
            block = _block(whole.layers[index], model)
            rows = tuple(_chain(whole, index, model))
            done.update(rows)
            yield _Box(rows, block)


def _block(layer: Layer, model: str) -> tuple[str, ...]:
    """Return the opened block that a layer stands in."""
    steps = layer.path.split("/") if layer.kind in ("layer", "formula") else []
    inside = steps[1:] if steps[:1] == [model] else steps
    return tuple(inside if layer.kind == "formula" else inside[:-1])


def _chain(whole: LayerGraph, index: int, model: str) -> Iterator[int]:
    yield index
    block = _block(whole.layers[index], model)
    while (following := _joined(whole, index)) is not None and _block(
        whole.layers[following], model
    ) == block:
        yield following
        index = following


def _joined(whole: LayerGraph, index: int) -> int | None:
    """Return the layer that is drawn in the same box as this one, right below it."""
    after = whole.after(index)
    if len(after) != 1 or len(whole.before(after[0])) != 1:
        return None
    this, following = whole.layers[index], whole.layers[after[0]]
    alike = this.kind == following.kind == "layer" and this.times == following.times
    same = this.shape == following.shape and following.parameters == following.kept == 0
    return after[0] if alike and same else None


def _table(whole: LayerGraph, box: _Box) -> dot.Markup:
    layers = [whole.layers[index] for index in box.rows]
    fill, line = _COLORS[_look(layers)]
    times = layers[0].times
    rows = "".join(_row(layer, box.block, first=position == 0) for position, layer in enumerate(layers))
    if times > 1:
        rows += f'<TR><TD COLSPAN="3" ALIGN="RIGHT"><FONT POINT-SIZE="12"><B>× {times}</B></FONT></TD></TR>'
    return dot.Markup(
        f'<TABLE BORDER="{2 if times > 1 else 1}" CELLBORDER="0" CELLSPACING="0" CELLPADDING="4" '
        f'STYLE="ROUNDED" COLOR="{line}" BGCOLOR="{fill}">{rows}</TABLE>'
    )


def _look(layers: Sequence[Layer]) -> str:
    kind = layers[0].kind
    if kind != "layer":
        return kind
    return "weights" if any(layer.parameters for layer in layers) else "plain"


def _row(layer: Layer, block: tuple[str, ...], *, first: bool) -> str:
    title = _in_lines(layer.title.replace("/".join((*block, "")), "") if block else layer.title)
    strong = first and layer.kind != "formula"
    # Bold letters stand a little higher: a bold blank in each cell keeps them all on one line.
    blank = "<B> </B>" if strong else ""
    cells = [
        f"<B>{title}</B>" if strong else title,
        f'{blank}<FONT COLOR="{_QUIET}">{dot.label(_shape(layer))}</FONT>',
        blank + (f"{layer.parameters:,}" if layer.parameters else " "),
    ]
    return "<TR>" + "".join(map(_cell, cells, _COLUMNS, ("LEFT", "RIGHT", "RIGHT"))) + "</TR>"


def _in_lines(title: str) -> str:
    """Return a title as markup, in several lines where it is long."""
    lines = textwrap.wrap(title, _LETTERS) or [title]
    ends = '<BR ALIGN="LEFT"/>'
    return dot.label(lines[0]) if len(lines) == 1 else "".join(dot.label(line) + ends for line in lines)


def _cell(content: str, width: int, align: str) -> str:
    return f'<TD ALIGN="{align}" WIDTH="{width}"><FONT POINT-SIZE="12">{content}</FONT></TD>'


def _shape(layer: Layer) -> str:
    return shape_text(layer.shape) if count(layer.shape) != 1 or layer.shape else "number"

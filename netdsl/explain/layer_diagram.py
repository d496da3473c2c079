"""The picture of a model: its layers with shapes and numbers of parameters, values flowing down."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netdsl.explain import dot
from netdsl.explain.layers import Layer, LayerGraph, layers_of
from netdsl.graph import count, shape_text
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


@dataclass(frozen=True, slots=True)
class _Box:
    """Layers that are drawn as the rows of one box: each but the first only takes the value from above."""

    rows: tuple[int, ...]


def layer_diagram(experiment: Experiment, *, depth: int = 1, fold: bool = True) -> str:
    """Return the DOT text of a model's layers.

    `depth` is how many levels of blocks are opened; `fold` draws equal repeats in a row once.
    """
    whole = layers_of(experiment, depth=depth, fold=fold)
    boxes = list(_boxes(whole))
    home = {row: number for number, box in enumerate(boxes) for row in box.rows}
    lines = [
        "graph " + dot.attributes(_graph_style(experiment, whole)),
        "node " + dot.attributes({"shape": "plain", "fontname": dot.FONT, "fontcolor": _INK}),
        "edge " + dot.attributes(_edge_style()),
        *(f"n{n} " + dot.attributes({"label": _table(whole, box)}) for n, box in enumerate(boxes)),
    ]
    for source, target in whole.edges:
        if home[source] != home[target]:
            lines.append(f"n{home[source]} -> n{home[target]}")
    return dot.digraph(experiment.model, lines)


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


def _boxes(whole: LayerGraph) -> Iterator[_Box]:
    """Yield boxes from top to bottom, a layer without parameters joining the one it follows."""
    done: set[int] = set()
    for index in range(len(whole.layers)):
        if index not in done:
            rows = tuple(_chain(whole, index))
            done.update(rows)
            yield _Box(rows)


def _chain(whole: LayerGraph, index: int) -> Iterator[int]:
    yield index
    while (following := _joined(whole, index)) is not None:
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
    rows = "".join(_row(layer, first=position == 0) for position, layer in enumerate(layers))
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


def _row(layer: Layer, *, first: bool) -> str:
    title = dot.label(layer.title)
    strong = first and layer.kind != "formula"
    # Bold letters stand a little higher: a bold blank in each cell keeps them all on one line.
    blank = "<B> </B>" if strong else ""
    cells = [
        f"<B>{title}</B>" if strong else title,
        f'{blank}<FONT COLOR="{_QUIET}">{dot.label(_shape(layer))}</FONT>',
        blank + (f"{layer.parameters:,}" if layer.parameters else " "),
    ]
    return "<TR>" + "".join(map(_cell, cells, _COLUMNS, ("LEFT", "RIGHT", "RIGHT"))) + "</TR>"


def _cell(content: str, width: int, align: str) -> str:
    return f'<TD ALIGN="{align}" WIDTH="{width}"><FONT POINT-SIZE="12">{content}</FONT></TD>'


def _shape(layer: Layer) -> str:
    return shape_text(layer.shape) if count(layer.shape) != 1 or layer.shape else "number"

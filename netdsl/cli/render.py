"""`netdsl render`: draws a network."""

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from netdsl.cli.mistakes import print_diagnostics
from netdsl.cli.options import Parser, add_experiment, add_format, command_parser, options_of, whole
from netdsl.files import write_atomic

if TYPE_CHECKING:
    from netdsl.explain.drawing import PictureKind

KINDS: Final = ("svg", "png", "pdf", "dot")


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "render",
        "Draw a network: its layers with shapes and numbers of parameters, or the operations of its graph. "
        "Of a run's folder: the learning curves, as SVG.",
        "  netdsl render digits.net --out digits.svg\n  netdsl render digits.net --graph --backward\n"
        "  netdsl render runs/digits-1 --figure accuracy",
    )
    add_experiment(result)
    result.add_argument(
        "--out", type=Path, metavar="FILE", help="where to; its ending is the kind (FILE.svg)"
    )
    result.add_argument("--kind", choices=KINDS, help="the kind of the picture (svg)")
    result.add_argument(
        "--depth", type=whole, default=1, metavar="N", help="levels of blocks that are opened (1)"
    )
    result.add_argument("--unfold", action="store_true", help="draw each layer of a repeat")
    result.add_argument("--graph", action="store_true", help="the operations instead of the layers")
    result.add_argument("--backward", action="store_true", help="with --graph: forward and backward together")
    result.add_argument("--figure", default="loss", metavar="NAME", help="of a run: what is drawn (loss)")
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Draw, and write the picture."""
    from netdsl.explain.drawing import draw

    if arguments.file.is_dir():
        return _curves(arguments)
    if arguments.backward and not arguments.graph:
        parser().error("--backward needs --graph: layers have no backward pass of their own")
    kind = _kind(arguments)
    drawing = draw(_text(arguments), kind)
    if drawing.warning is not None:
        print_diagnostics([drawing.warning], arguments.format)
    name = f"{arguments.file.stem}-graph" if arguments.graph else arguments.file.stem
    out = (arguments.out or Path(name)).with_suffix(f".{drawing.kind}")
    if arguments.out is not None and str(arguments.out) == "-":
        sys.stdout.buffer.write(drawing.content)
    else:
        write_atomic(out, drawing.content)
        print(out)
    return 0


def _curves(arguments: Namespace) -> int:
    from netdsl.explain.curves import curves
    from netdsl.training.store import HISTORY, read_history

    folder = Path(arguments.file)
    title = f"{folder.name}: {arguments.figure}"
    drawn = curves(read_history(folder / HISTORY), arguments.figure, title)
    out = (arguments.out or Path(folder.name)).with_suffix(".svg")
    write_atomic(out, drawn.encode())
    print(out)
    return 0


def _text(arguments: Namespace) -> str:
    from netdsl.run.opening import open_file

    experiment = open_file(arguments.file, options_of(arguments)).experiment
    if not arguments.graph:
        from netdsl.explain.layer_diagram import layer_diagram

        return layer_diagram(experiment, depth=arguments.depth, fold=not arguments.unfold)
    from netdsl.explain.operation_diagram import operation_diagram

    if not arguments.backward:
        return operation_diagram(experiment.graph, experiment.model)
    from netdsl.compiler import compile_experiment

    return operation_diagram(compile_experiment(experiment).graphs["differentiated"], experiment.model)


def _kind(arguments: Namespace) -> "PictureKind":
    ending = arguments.out.suffix.removeprefix(".") if arguments.out is not None else ""
    wanted = arguments.kind or ending
    return next((each for each in KINDS if each == wanted), "svg")

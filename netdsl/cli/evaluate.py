"""`netdsl evaluate`: measures a trained network."""

import json
from argparse import Namespace
from pathlib import Path

from netdsl.cli.figures import figures_table
from netdsl.cli.options import (
    Parser,
    add_data,
    add_format,
    add_json,
    add_machine,
    command_parser,
    options_of,
)


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "evaluate",
        "Measure the weights of a run, or of a weights file, on its data.",
        "  netdsl evaluate runs/digits-1 --part test",
    )
    result.add_argument("weights", metavar="RUN", type=Path, help="the folder of a run, or a weights file")
    result.add_argument("--part", choices=("train", "valid", "test"), help="one part only (all)")
    result.add_argument(
        "--folder", type=Path, metavar="DIR", help="where the data files of the .net file are"
    )
    add_data(result)
    add_machine(result)
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Measure, and print a line for each part."""
    from netdsl.run.evaluation import evaluate_weights
    from netdsl.training.records import plain_figures
    from netdsl.training.signals import Signals

    with Signals() as signals:
        measured = evaluate_weights(
            arguments.weights, arguments.part, options_of(arguments), signals, folder=arguments.folder
        )
    if arguments.json:
        parts = {name: plain_figures(each) for name, each in measured.parts.items()}
        print(json.dumps({"event": "result", **parts, "weights": str(arguments.weights)}))
    else:
        print(figures_table(measured.parts, measured.figures))
    return 0

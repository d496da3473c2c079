"""`netdsl show`: lists what is in a model, a run, or a weights file."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np

from netdsl.cli.options import Parser, add_experiment, add_format, add_json, command_parser, options_of, whole


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "show",
        "List the layers of a .net file with their shapes and parameters, or the weights of a run or file.",
        "  netdsl show digits.net\n  netdsl show runs/digits-1",
    )
    add_experiment(result)
    result.add_argument(
        "--depth", type=whole, default=1, metavar="N", help="levels of blocks that are opened (1)"
    )
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Print the table."""
    width = shutil.get_terminal_size((100, 24)).columns
    if arguments.file.suffix == ".net":
        return _model(arguments, width)
    return _weights(arguments, width)


def _model(arguments: Namespace, width: int) -> int:
    from netdsl.explain.summary import summary
    from netdsl.run.opening import open_file

    experiment = open_file(arguments.file, options_of(arguments)).experiment
    if not arguments.json:
        print(summary(experiment, width=width, depth=arguments.depth), end="")
        return 0
    for each in experiment.weights:
        record = {"event": "weight", "name": each.path, "shape": list(each.shape), "kind": each.kind}
        print(json.dumps({**record, "frozen": each.frozen}))
    return 0


def _weights(arguments: Namespace, width: int) -> int:
    from netdsl.explain.summary import weights_table
    from netdsl.run.checkpoint import weights_file
    from netdsl.training.checkpoints import load_checkpoint

    path: Path = weights_file(arguments.file)
    checkpoint = load_checkpoint(path)
    if arguments.json:
        for name, value in sorted(checkpoint.values.items()):
            print(json.dumps({"event": "weight", "name": name, **_numbers(np.asarray(value, np.float64))}))
        return 0
    assert checkpoint.origin is not None
    manifest, counters = checkpoint.origin.manifest, checkpoint.counters
    print(
        f"{path}: `{manifest['model']}` of {manifest['file']}, epoch {counters.epoch}, step {counters.step}\n"
    )
    kept = {name: value for name, value in checkpoint.values.items() if "@" not in name}
    print(weights_table(kept, width=width), end="")
    return 0


def _numbers(value: np.ndarray) -> dict[str, object]:
    if not value.size:
        return {"shape": list(value.shape)}
    least, mean, most = float(value.min()), float(value.mean()), float(value.max())
    return {"shape": list(value.shape), "least": least, "mean": mean, "most": most}

"""`netdsl predict`: applies a trained network to new rows."""

import csv
import io
import json
import math
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from netdsl.cli.options import (
    Parser,
    add_format,
    add_json,
    add_machine,
    command_parser,
    options_of,
)
from netdsl.files import write_atomic

if TYPE_CHECKING:
    from netdsl.run.prediction import Predictions


def parser() -> Parser:
    """Return the parser of the command's arguments."""
    result = command_parser(
        "predict",
        "Apply the weights of a run to new rows in the units of the data; the predictions are a table.\n"
        "A label is told by its name, with a column `label=class` for the score of each class.",
        "  netdsl predict runs/iris-1 new.csv --out out.csv\n  cat new.csv | netdsl predict runs/iris-1 -",
    )
    result.add_argument("weights", metavar="RUN", type=Path, help="the folder of a run, or a weights file")
    result.add_argument("rows", metavar="FILE", help="rows: .csv, .npy, .npz or IDX; - is CSV on stdin")
    result.add_argument("--out", type=Path, metavar="FILE.csv", help="where to, in place of stdout")
    result.add_argument("--separator", metavar="C", help="what stands between the cells of the CSV (a comma)")
    add_machine(result)
    add_json(result)
    add_format(result)
    return result


def run(arguments: Namespace) -> int:
    """Predict, and write the table."""
    from netdsl.run.prediction import predict_rows

    rows = None if arguments.rows == "-" else Path(arguments.rows)
    separator = arguments.separator
    if separator is not None and (len(separator) != 1 or separator in '"\r\n'):
        parser().error("argument --separator: it is one character, such as ;")
    found = predict_rows(arguments.weights, rows, options_of(arguments), separator)
    text = _json(found) if arguments.json else _csv(found)
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        write_atomic(arguments.out, text.encode())
        print(f"{arguments.out}: {len(found)} rows", file=sys.stderr)
    return 0


def _csv(found: "Predictions") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(found.columns)
    for row in found.rows():
        writer.writerow(f"{each:.7g}" if isinstance(each, float) else each for each in row.values())
    return text.getvalue()


def _json(found: "Predictions") -> str:
    lines = []
    for row in found.rows():
        values = {
            name: None if isinstance(each, float) and not math.isfinite(each) else each
            for name, each in row.items()
        }
        lines.append(json.dumps({"event": "prediction", **values}) + "\n")
    return "".join(lines)

"""The script that writes the sentences, as a module, and what nets make of them."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdsl.run.net import Net

MODELS = Path(__file__).resolve().parents[2] / "models"


def script() -> ModuleType:
    """Load `models/make_sentences.py`, which is no part of a package."""
    name = "make_sentences"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, MODELS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def right_where_decided(net: Net, rows: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Return the share of next characters that a net writes right, of those that the grammar decides.

    "decided" are all of these, "agreement" those for which the number of a noun further back is needed.
    """
    schema = net.experiment.schema
    field = schema.field("characters") if schema else None
    assert field is not None
    right = net(rows["characters"]).argmax(axis=-1) == rows["next"]
    windows = ["".join(field.classes[code] for code in row) for row in rows["characters"]]
    far, near = (
        np.array([[len(each) == 1 for each in script().choices(w, agreement=agreement)] for w in windows])
        for agreement in (True, False)
    )
    return {"decided": float(right[far].mean()), "agreement": float(right[far & ~near].mean())}

"""The gallery shows every model as it is."""

import importlib.util
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import ModuleType

import pytest

from netdsl.explain.layers import layers_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options

ROOT = Path(__file__).resolve().parents[2]
TEXT = "{http://www.w3.org/2000/svg}text"


def script() -> ModuleType:
    """Load `docs/gallery.py`, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module
    spec.loader.exec_module(module)
    return module


gallery = script()


def test_the_page_is_what_the_script_writes() -> None:
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == gallery.page(), (
        "run `python docs/gallery.py`"
    )


def test_every_model_is_on_the_page_once() -> None:
    page = gallery.page()
    for path in (ROOT / "models").glob("*.net"):
        assert page.count(f"[{path.stem}](../models/{path.name})") == 1


def test_there_are_no_other_pictures() -> None:
    assert {path.stem for path in (ROOT / "docs" / "models").iterdir()} == set(gallery.shown())


@pytest.mark.parametrize("name", gallery.shown())
def test_a_picture_is_of_its_model(name: str) -> None:
    """By its texts: the lines of a drawing differ a little from one Graphviz to another."""
    drawn = ET.parse(ROOT / "docs" / "models" / f"{name}.svg")
    texts = [" ".join((each.text or "").split()) for each in drawn.iter(TEXT)]
    whole = " ".join(texts)
    experiment = open_file(ROOT / "models" / f"{name}.net", Options()).experiment
    layers = layers_of(experiment, depth=gallery.OPENED.get(name, 1)).layers
    for layer in layers:
        assert layer.title in whole or layer.title.rpartition("/")[2] in texts, "run `python docs/gallery.py`"
        assert not layer.parameters or f"{layer.parameters:,}" in texts
    assert f"{sum(layer.parameters * layer.times for layer in layers):,} parameters" in texts

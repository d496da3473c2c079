"""The README shows the model that its command trains, and the picture of that model."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from netdsl.diagnostics import Source
from netdsl.explain.layers import layers_of
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.syntax import parse

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "digits_mlp.net"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_model_that_its_command_trains() -> None:
    (shown,) = re.findall(r"```net\n(.*?)```", README, flags=re.DOTALL)
    assert "models/digits_mlp.net" in README
    shown_file, file = (parse(Source(name, text)) for name, text in (("a", shown), ("b", MODEL.read_text())))
    assert shown_file.declarations == file.declarations


def test_the_picture_in_the_readme_is_of_that_model() -> None:
    (name,) = re.findall(r"!\[.*?\]\((.*?\.svg)\)", README)
    texts = {
        (each.text or "").strip() for each in ET.parse(ROOT / name).iter("{http://www.w3.org/2000/svg}text")
    }
    layers = layers_of(open_file(MODEL, Options()).experiment).layers
    for layer in layers:
        assert layer.title in texts
        assert not layer.parameters or f"{layer.parameters:,}" in texts
    assert f"{sum(layer.parameters for layer in layers):,} parameters" in texts

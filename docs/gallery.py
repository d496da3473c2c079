"""Write models.md, the gallery of the models that come with netdsl, and its pictures.

With --text the page alone is written.

    python docs/gallery.py

Pictures need Graphviz, and the data of all models, in NETDSL_DATA_DIR.
"""

import sys
from pathlib import Path

from netdsl.resources import resource_names, resource_text

FOLDER = Path(__file__).resolve().parent
PICTURES = FOLDER / "models"

GALLERY: dict[str, tuple[str, ...]] = {
    "From a weighted sum to a network": (
        "perceptron",
        "logistic_regression",
        "linear_classifier",
        "linear_stack",
        "two_layer",
        "digits_mlp",
        "deep",
    ),
    "Images": (
        "lenet_digits",
        "lenet",
        "lenet_fashion",
        "cifar_cnn",
        "residual_digits",
        "resnet20",
        "separable_digits",
        "norms",
    ),
    "Signals, texts and other sequences": ("signal_conv", "addition_lstm", "lstm_text", "transformer"),
    "Other shapes": ("two_inputs", "two_heads", "penguins", "autoencoder", "siamese", "gradient_penalty"),
    "Functions without data": ("ravine", "saddle", "long_valley"),
}
"""The models that are shown, by heading. All others are listed."""

OPENED = {"residual_digits": 2, "transformer": 2}
"""Models whose blocks are drawn opened, with the levels."""

WITHOUT_PICTURE = GALLERY["Functions without data"]


def page() -> str:
    """Return the text of the gallery."""
    parts = [
        "# The models\n",
        "These files come with netdsl: `netdsl new NAME` copies one, `netdsl train NAME.net` trains it,\n"
        "`netdsl render NAME.net` draws its picture. What they reach stands in [Results](results.md).\n",
    ]
    for heading, names in GALLERY.items():
        parts += [f"## {heading}\n", *(_entry(name) for name in names)]
    parts += ["## More\n", _others()]
    return "\n".join(parts)


def shown() -> tuple[str, ...]:
    """Return the names of the models of which there is a picture."""
    return tuple(name for names in GALLERY.values() for name in names if name not in WITHOUT_PICTURE)


def teaching(name: str) -> tuple[str, str]:
    """Return the comment at the head of a model: its first line, and the rest."""
    head = resource_text(f"models/{name}.net").split("\n\n", 1)[0]
    first, *rest = (line.removeprefix("#").strip() for line in head.splitlines())
    return first, "\n".join(rest)


def _entry(name: str) -> str:
    first, rest = teaching(name)
    picture = "" if name in WITHOUT_PICTURE else f"\n![{name}](models/{name}.svg)\n"
    return f"### [{name}](../models/{name}.net)\n\n{first}\n{rest}\n{picture}"


def _others() -> str:
    known = {name for names in GALLERY.values() for name in names}
    names = [name.removesuffix(".net") for name in resource_names("models", ".net")]
    rows = [
        f"| [{name}](../models/{name}.net) | {teaching(name)[0]} |" for name in names if name not in known
    ]
    return "\n".join(["| model | |", "| --- | --- |", *rows, ""])


def draw_all(names: tuple[str, ...]) -> None:
    """Write the picture of each model."""
    from netdsl.explain.drawing import draw
    from netdsl.explain.layer_diagram import layer_diagram
    from netdsl.run.opening import open_file
    from netdsl.run.options import Options

    PICTURES.mkdir(exist_ok=True)
    for name in names:
        experiment = open_file(FOLDER.parent / "models" / f"{name}.net", Options()).experiment
        drawing = draw(layer_diagram(experiment, depth=OPENED.get(name, 1)), "svg")
        if drawing.warning is not None:
            raise SystemExit(f"{drawing.warning.message}: {drawing.warning.help}")
        path = PICTURES / f"{name}.svg"
        if not path.exists() or path.read_bytes() != drawing.content:
            path.write_bytes(drawing.content)
            print(f"wrote {path.relative_to(FOLDER)}")


def main() -> None:
    """Write the page and its pictures."""
    (FOLDER / "models.md").write_text(page(), encoding="utf-8")
    if "--text" not in sys.argv[1:]:
        draw_all(shown())


if __name__ == "__main__":
    main()

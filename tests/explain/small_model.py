"""A model made by hand, node for node as the language would: what `explain` is tested with."""

from collections.abc import Sequence

from netdsl.diagnostics import Source, Span
from netdsl.graph import BATCH, Builder, Origin, Value
from netdsl.operations import REGISTRY
from netdsl.semantics.experiment import Experiment, Figure, Output, TrainingPlan, UpdateRule, Weight

TEXT = """model mlp(image: [4]) =
    image -> repeat n in [3, 3, 3] { dense(n) -> relu } -> dense(2) -> softmax
"""
SOURCE = Source("mlp.net", TEXT)


def place(text: str) -> Span:
    start = TEXT.index(text)
    return Span(SOURCE, start, start + len(text))


class Model:
    """Builds the graph of an mlp, a use at a time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.builder = Builder(REGISTRY)
        self.weights: list[Weight] = []

    def kept(self, path: str, shape: tuple[int, ...]) -> Value:
        start = Builder(REGISTRY)
        start.outputs["value"] = start.constant(0.0).broadcast(shape)
        kind = "weight" if path.endswith("w") else "offset"
        self.weights.append(Weight(path, shape, kind, start.finish(), place("dense(n)")))  # type: ignore[arg-type]
        return self.builder.apply("weight", name=path, shape=shape)

    def dense(self, x: Value, name: str, units: int, repeat: tuple[int, ...] = ()) -> Value:
        with self.builder.within(Origin(place("dense(n)"), f"{self.name}/{name}", repeat)):
            w = self.kept(f"{self.name}/{name}/w", (x.shape[-1], units))
            b = self.kept(f"{self.name}/{name}/b", (units,))
            return self.builder.apply("matmul", x, w, contract=((1, 0),), align=()) + b

    def relu(self, x: Value, name: str, repeat: tuple[int, ...] = ()) -> Value:
        with self.builder.within(Origin(place("relu"), f"{self.name}/{name}", repeat)):
            return x.pointwise("maximum", 0.0)

    def softmax(self, x: Value, name: str) -> Value:
        with self.builder.within(Origin(place("softmax"), f"{self.name}/{name}")):
            e = x.apply("exp")
            return e / e.sum([1])


def small_experiment(widths: Sequence[int] = (3, 3, 3), model: str = "mlp") -> Experiment:
    """Return an mlp of four inputs and two classes, with a hidden layer for each width."""
    made = Model(model)
    with made.builder.within(Origin(place("image"), model)):
        x = made.builder.apply("input", name="image", shape=(BATCH, 4))
    for number, units in enumerate(widths):
        x = made.dense(x, f"dense_{number + 1}", units, (number,))
        x = made.relu(x, f"relu_{number + 1}", (number,))
    x = made.softmax(made.dense(x, f"dense_{len(widths) + 1}", 2), "softmax_1")
    made.builder.outputs["output/label"] = x
    rule = Builder(REGISTRY)
    rule.updates["w"] = rule.apply("weight", name="w", shape=())
    update = UpdateRule(rule.finish(), {"m": 0.0, "v": 0.0})
    return Experiment(
        name="train",
        model=model,
        graph=made.builder.finish(),
        whole=None,
        weights=tuple(made.weights),
        rules={each.path: update for each in made.weights},
        schedules=(),
        clip=None,
        clip_at=0.0,
        inputs=("image",),
        targets=("label",),
        outputs=(Output("label", (2,), "label", ("cat", "dog")),),
        figures=(Figure("loss", "example", "lower"),),
        training=TrainingPlan("train", 4, 1, "epochs", 0),
        schema=None,
        data=None,
    )

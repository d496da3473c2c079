"""Small experiments made by hand, for the tests of the compiler."""

from collections.abc import Mapping

from netdsl.graph import BATCH, Builder, Graph
from netdsl.operations import REGISTRY
from netdsl.semantics.experiment import Experiment, TrainingPlan, UpdateRule, Weight


def sgd(rate: float = 0.1) -> UpdateRule:
    """Return gradient descent for weights of any shape (its graph is of numbers)."""
    return rule_of((), rate)


def rule_of(shape: tuple[int, ...], rate: float = 0.1) -> UpdateRule:
    """Return w - rate * g for weights of a shape."""
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=shape)
    g = builder.apply("input", name="g", shape=shape, dtype="float")
    builder.updates["w"] = w - rate * g
    return UpdateRule(builder.finish(), {})


def adam(shape: tuple[int, ...], rate: float = 0.01) -> UpdateRule:
    """Return Adam for weights of a shape."""
    builder = Builder(REGISTRY)
    w = builder.apply("weight", name="w", shape=shape)
    g = builder.apply("input", name="g", shape=shape, dtype="float")
    t = builder.apply("scalar", name="t")
    m, v = (builder.apply("state", name=name, shape=shape) for name in ("m", "v"))
    m_new = 0.9 * m + (1 - 0.9) * g
    v_new = 0.999 * v + (1 - 0.999) * (g * g)
    corrected = m_new / (1.0 - builder.constant(0.9).pointwise("power", t))
    spread = (v_new / (1.0 - builder.constant(0.999).pointwise("power", t))).apply("sqrt")
    builder.updates["m"], builder.updates["v"] = m_new, v_new
    builder.updates["w"] = w - rate * corrected / (spread + 1e-8)
    return UpdateRule(builder.finish(), {"m": 0.0, "v": 0.0})


def zeros(shape: tuple[int, ...]) -> Graph:
    """Return a weight's start."""
    builder = Builder(REGISTRY)
    builder.outputs["value"] = builder.constant(0.0).broadcast(shape)
    return builder.finish()


def experiment_of(
    graph: Graph, rules: Mapping[str, UpdateRule], clip: float | None = None, whole: Graph | None = None
) -> Experiment:
    """Return an experiment around a graph."""
    weights = tuple(
        Weight(path, graph[index].shape, "weight", zeros(graph[index].shape), None)
        for path, index in graph.leaves("weight").items()
    )
    return Experiment(
        name="test",
        model="mlp",
        graph=graph,
        whole=whole,
        weights=weights,
        rules=rules,
        schedules=(),
        clip="norm" if clip is not None else None,
        clip_at=clip or 0.0,
        inputs=tuple(name for name, index in graph.leaves("input").items() if graph[index].dtype == "float"),
        targets=("label",),
        outputs=(),
        figures=(),
        training=TrainingPlan("train", 16, 1, "epochs", 1),
        schema=None,
        data=None,
    )


def classifier(
    inputs: int = 20,
    hidden: tuple[int, ...] = (33, 16),
    classes: int = 10,
    drop: float = 0.1,
    penalty: float = 1e-3,
) -> Graph:
    """Return a network of dense layers with relu and dropout, a softmax, cross-entropy and an L1 penalty."""
    builder = Builder(REGISTRY)
    x = builder.apply("input", name="x", shape=(BATCH, inputs), dtype="float")
    label = builder.apply("input", name="label", shape=(BATCH,), dtype="int")
    training = builder.apply("scalar", name="training")
    h = x * 0.5
    builder.outputs["prepared/x"] = h
    weights = []
    for number, units in enumerate((*hidden, classes)):
        w = builder.apply("weight", name=f"mlp/dense_{number + 1}/w", shape=(h.shape[1], units))
        b = builder.apply("weight", name=f"mlp/dense_{number + 1}/b", shape=(units,))
        weights.append(w)
        h = h.apply("matmul", w, contract=((1, 0),), align=()) + b
        if number < len(hidden):
            h = h.pointwise("maximum", 0.0)
            keep = builder.apply("uniform", shape=h.shape, stream=f"mlp/dropout_{number + 1}/bernoulli")
            mask = keep.pointwise("less", 1 - drop).apply("cast", dtype="float")
            kept = h * mask / (1 - drop)
            h = training.pointwise("greater", 0.0).pointwise("where", kept, h) if drop else h
    powers = (h - h.apply("maximum_over", axis=1).apply("stop_gradient")).apply("exp")
    p = powers / powers.sum((1,))
    builder.outputs["output/digit"] = p
    target = label.apply("one_hot", classes=classes)
    builder.outputs["loss"] = -(target * p.apply("log")).sum((1,)).reshape((BATCH,))
    best = p.apply("argmax", axis=1).reshape((BATCH,))
    builder.outputs["figure/accuracy"] = best.apply("equal", label).apply("cast", dtype="float")
    if penalty:
        sums = [w.apply("abs").sum((0, 1)).reshape(()) for w in weights]
        builder.outputs["penalty"] = penalty * sum(sums[1:], sums[0])
    return builder.finish()

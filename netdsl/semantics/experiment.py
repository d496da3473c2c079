"""What a `.net` file says, worked out: frozen data that the compiler, the data and the trainer read."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from netdsl.diagnostics import Span
from netdsl.graph import Graph, Precision
from netdsl.lazy_dataclass import dataclass, field
from netdsl.semantics.schema import Schema

WeightKind: TypeAlias = Literal["weight", "offset", "gain", "running", "fitted"]
Measure: TypeAlias = Literal["epochs", "steps"]


# ---- data -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """A source as written: `csv("f.csv", target=price)`. Values are numbers, texts, flags, names as text,
    tuples of these, and dicts for records."""

    name: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    span: Span
    spans: Mapping[str, Span]
    """Where each argument stands: by name, or by position as text ("0")."""


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The size of each part: a number of rows (int) or a share (float); and how rows are drawn."""

    sizes: Mapping[str, int | float]
    stratified: bool = False
    seed: int = 0
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class DataPlan:
    """A `data` block, before any file is opened. `scale` is only told from an absent one here: scalers are
    formulas, which the experiment's graph has."""

    name: str
    source: SourcePlan
    split: SplitPlan | None
    missing: Literal["error", "drop", "mean", "category"]
    balance: float | None
    span: Span
    pairs: int | None = None
    """How many pairs of examples each is the first of; None for single examples."""


# ---- model, loss, optimizer -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Weight:
    """Something that is kept from step to step under a path: a weight, offset, gain, moving average, or a
    figure that a scaler fitted.

    `initial` is a graph without inputs whose output "value" is the start; for a fitted figure its inputs
    are data fields, the batch being all training rows.
    """

    path: str
    shape: tuple[int, ...]
    kind: WeightKind
    initial: Graph
    span: Span | None
    frozen: bool = False

    @property
    def is_parameter(self) -> bool:
        """Tell whether it is learned, and not measured."""
        return self.kind in ("weight", "offset", "gain")


@dataclass(frozen=True, slots=True)
class UpdateRule:
    """An optimizer's formula for one weight.

    Leaves of `graph`: `weight` "w", `input` "g" (the gradient, of the weight's shape), `scalar` "t", "step",
    "epoch", …, and `state` leaves by the names that the formula gives them. Its updates are "w" and those
    states. `states` maps the name of each state to its starting value.
    """

    graph: Graph
    states: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule with memory, `logged(valid.loss)`: evaluated at the end of each epoch.

    Leaves of `graph`: `scalar`s for the figures it asks for ("valid.loss") and for `states`; its updates
    are the states, its output "value" is what the scalar `name` holds until the next epoch's end.
    """

    name: str
    graph: Graph
    states: Mapping[str, float]
    start: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that is told for each part: the loss, the objective, or a metric.

    A figure of kind "example" is the output "figure/<name>" of the experiment's graph, one number an
    example, averaged. One of kind "whole" is the output "figure/<name>" of `whole`, whose inputs have the
    names of the experiment's outputs and of the data's fields, the batch being the whole part. It is a number
    (shape []) or a table. `classes` are the names of the rows and columns of a confusion matrix.
    """

    name: str
    kind: Literal["example", "whole"]
    better: Literal["lower", "higher", "neither"]
    shape: tuple[int, ...] = ()
    span: Span | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """An output of the model: the graph's output "output/<name>"; `classes` where its last axis is a score or
    probability for each class of a label."""

    name: str
    shape: tuple[int, ...]
    field: str | None = None
    """The target that the loss compares it with, if there is exactly one."""
    classes: tuple[str, ...] = ()


# ---- training ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """`early(valid.loss, patience=10 epochs, restore=best)`."""

    part: str
    figure: str
    patience: int
    minimum_change: float = 0.0
    restore: Literal["best", "last"] = "best"
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class TargetStop:
    """`target(valid.accuracy, 99%)`."""

    part: str
    figure: str
    value: float
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class TimeStop:
    """`time(2 h)`, in seconds."""

    seconds: float
    span: Span | None = None


Stop: TypeAlias = EarlyStop | TargetStop | TimeStop


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A `train` block's settings, but for what is in the graph. `batch` None is all rows.

    `precision` is what the factors of products and convolutions are rounded to, on devices that can.
    """

    name: str
    batch: int | None
    length: int
    measure: Measure
    seed: int
    stops: tuple[Stop, ...] = ()
    start: str | None = None
    start_span: Span | None = None
    span: Span | None = None
    precision: Precision = "float32"
    precision_span: Span | None = None


@dataclass(frozen=True, slots=True)
class Resolved:
    """One `param` or field as it was used: its value as text, and whether the command line gave it."""

    name: str
    value: str
    overridden: bool


@dataclass(frozen=True, slots=True, eq=False)
class Experiment:
    """One training, ready to be compiled.

    Outputs of `graph`: "output/<name>" for each of `outputs` (in raw units), "loss" (one number an example,
    or shape [] for a model without inputs), "penalty" (shape [], absent without penalties),
    "figure/<name>", and "prepared/<field>" for each scaled field (which depends on `input` leaves and
    fitted `state` leaves alone). Its updates are the moving averages of `running`. The scalar leaf
    "training" is 1 or 0; the compiler specializes it. Input leaves are the data's fields by name, raw;
    labels are of dtype "int".
    """

    name: str
    model: str
    graph: Graph
    whole: Graph | None
    weights: tuple[Weight, ...]
    rules: Mapping[str, UpdateRule]
    """By the path of each weight that is trained."""
    schedules: tuple[ScheduleState, ...]
    clip: Literal["value", "norm"] | None
    clip_at: float
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    outputs: tuple[Output, ...]
    figures: tuple[Figure, ...]
    training: TrainingPlan
    schema: Schema | None
    data: DataPlan | None
    resolved: tuple[Resolved, ...] = ()
    optimizer: str = ""
    loss: str = ""
    warnings: tuple[Any, ...] = field(default=())
    rate: Graph | None = None
    """What is told as the learning rate: over scalar leaves alone, its output "value" is the optimizer's
    setting `lr` (of the rest, where it differs by part). None where the optimizer has no such setting."""

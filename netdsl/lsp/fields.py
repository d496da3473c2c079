"""What the fields of blocks are for, in a line each."""

from collections.abc import Mapping
from typing import Final

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "data": {
        "source": 'where the examples come from: `digits()`, `csv("f.csv", target=price)`, …',
        "split": "the rows of each part, as shares or numbers: `(train=80%, valid=10%, test=10%)`; also "
        "`stratified=yes` and `seed=1`",
        "scale": "how inputs are scaled, fitted on the training rows: `zscore`, `divide(255)`, or by column, "
        "`(age=zscore)`",
        "missing": "what is done about missing cells: `drop`, `mean` or `category`; else one is an error",
        "balance": "`oversample(1.0)`: each class is drawn until it has that share of the largest",
        "pairs": "`4`: pairs of examples, four for each, with inputs `first` and `second` and the target "
        "`same`",
    },
    "train": {
        "model": "the model that is trained; need not be named where there is one",
        "data": "the data block; need not be named where there is one",
        "augment": "how training examples are varied",
        "loss": "what is minimized: losses and penalties, added",
        "optimizer": "how weights are changed: `adam(0.001)`, `momentum(lr=cosine(0.1))`",
        "batch": "examples in a step (32); `all` is batch gradient descent",
        "epochs": "how often the whole train part is gone through",
        "steps": "how many steps are made, in place of `epochs`",
        "clip": "how gradients are kept small: `norm(1.0)` or `value(0.5)`",
        "precision": "what factors of products and convolutions are rounded to on a CUDA device: `tf32` or "
        "`bf16`; `float32` (none)",
        "freeze": "parts of the model that stay as they are: `[stem]`",
        "start": "a weights file to begin with",
        "stop": "when to end early: `early(valid.loss, patience=10 epochs)`, `target(valid.accuracy, 99%)`, "
        "`time(2 h)`",
        "metrics": "what is told of each part besides the loss: `[accuracy, f1]`",
        "seed": "what all random draws follow from (1)",
    },
    "search": {
        "train": "the train block that is run again and again",
        "over": "what is varied: params, or fields such as `train.batch`",
        "maximize": "the figure that is to be high: `valid.accuracy`",
        "minimize": "the figure that is to be low: `valid.loss`",
        "prune": "when a trial is given up early: `median()`",
        "seed": "what the choice of trials follows from",
    },
    "evaluate": {
        "train": "the train block that is run for each fold or seed",
        "metrics": "what is told",
        "models": "the trainings of an ensemble",
        "seed": "the first seed",
        "stratified": "whether each fold has the classes in their shares",
    },
}

PRECISIONS: Final[Mapping[str, str]] = {
    "float32": "24 bits of a factor",
    "tf32": "11 bits of a factor",
    "bf16": "8 bits of a factor",
}
"""The words of `precision`, each with how many bits of a factor are left."""

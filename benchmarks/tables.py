"""Compare the models of small tables with scikit-learn's on the same rows.

    python benchmarks/tables.py [--data-dir DIR] [MODEL ...]

Each `.net` file is trained as it stands. scikit-learn fits its linear model and its multi-layer perceptron on
the train part, scaled by its own StandardScaler, and both are measured on the test part: R² for a number,
accuracy for a class. scikit-learn comes with the extra [parity].
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import netdsl
from netdsl.run.opening import open_file
from netdsl.run.options import Options

MODELS = Path(__file__).parents[1] / "models"
REGRESSIONS = "diabetes", "housing", "auto_mpg"
CLASSIFICATIONS = "breast_cancer", "iris", "wine", "adult"


@dataclass(frozen=True)
class Scores:
    """A figure of the test part, R² or accuracy, by who made it."""

    netdsl: float
    linear: float
    perceptron: float


def scores(name: str, data_dir: Path | None = None) -> Scores:
    """Train a model of models/ and scikit-learn's two, and measure them on the test part."""
    file = MODELS / f"{name}.net"
    run = netdsl.train(file, data_dir=data_dir, run_dir=None, style="quiet")
    x, t, x_test, t_test = rows(file, data_dir)
    if name in REGRESSIONS:
        linear: Any = LinearRegression()
        perceptron: Any = MLPRegressor(
            hidden_layer_sizes=(64, 32), max_iter=1000, early_stopping=len(x) > 1000, random_state=1
        )
        center, spread = t.mean(), t.std()
        t, t_test, figure = (t - center) / spread, (t_test - center) / spread, "r2"
    else:
        linear = LogisticRegression(max_iter=2000)
        perceptron = MLPClassifier(
            hidden_layer_sizes=(64, 32), max_iter=1000, early_stopping=len(x) > 1000, random_state=1
        )
        figure = "accuracy"
    found = [
        make_pipeline(StandardScaler(), each).fit(x, t).score(x_test, t_test) for each in (linear, perceptron)
    ]
    return Scores(float(run.figures["test"][figure]), *map(float, found))


def rows(file: Path, data_dir: Path | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs and targets of the train part and of the test part, in raw units."""
    opened = open_file(file, Options(data_dir=data_dir))
    assert opened.dataset is not None
    target = next(each.name for each in opened.dataset.schema.fields if each.target)
    train, test = opened.dataset.part("train"), opened.dataset.part("test")
    return train["x"], train[target].ravel(), test["x"], test[target].ravel()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("models", nargs="*", default=[*REGRESSIONS, *CLASSIFICATIONS])
    given = parser.parse_args()
    print(f"{'test part':<16}{'figure':<10}{'netdsl':>10}{'linear':>10}{'MLP':>10}")
    for name in given.models:
        found = scores(name, given.data_dir)
        figure = "R²" if name in REGRESSIONS else "accuracy"
        print(f"{name:<16}{figure:<10}{found.netdsl:>10.4f}{found.linear:>10.4f}{found.perceptron:>10.4f}")


if __name__ == "__main__":
    main()

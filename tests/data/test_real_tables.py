import hashlib

import numpy as np
import pytest

from tests.data.plans import DATA, needs_data, opened, plan, source, split

pytestmark = needs_data


def test_the_files_are_those_of_the_list() -> None:
    for line in (DATA / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split(maxsplit=1)
        path = DATA / name.strip().removeprefix("./")
        if path.suffix == ".csv":
            assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("file", "label", "rows", "width", "counts"),
    [
        ("iris", "species", 150, 4, [50, 50, 50]),
        ("wine", "target", 178, 13, [59, 71, 48]),
        ("winequality-red", "quality", 1599, 11, [10, 53, 681, 638, 199, 18]),
        ("breast-cancer-wisconsin-diagnostic", "target", 569, 30, [212, 357]),
        ("digits-8x8", "digit", 1797, 64, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]),
        ("adult-train-5000", "income", 4462, None, None),
    ],
)
def test_tables_of_classes(
    file: str, label: str, rows: int, width: int | None, counts: list[int] | None
) -> None:
    missing = "drop" if file.startswith("adult") else "error"
    data = opened(plan(source("csv", f"tabular/{file}.csv", label=label), missing=missing))  # type: ignore[arg-type]
    part = data.part("train")
    if counts is not None:
        assert len(part[label]) == rows
        assert part["x"].shape == (rows, width)
        assert np.bincount(part[label]).tolist() == counts
    assert data.schema.field(label).target  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("file", "target", "rows", "mean"),
    [
        ("diabetes", "progression", 442, 152.1335),
        ("auto-mpg", "mpg", 398, 23.5146),
        ("california-housing", "median_house_value", 20_640, 206_855.82),
    ],
)
def test_tables_of_numbers(file: str, target: str, rows: int, mean: float) -> None:
    data = opened(plan(source("csv", f"tabular/{file}.csv", target=target), missing="mean"))
    part = data.part("train")
    assert part[target].shape == (rows,)
    assert part[target].mean(dtype=np.float64) == pytest.approx(mean, rel=1e-5)
    assert np.isfinite(part["x"]).all()


def test_the_census_with_its_test_part() -> None:
    census = source(
        "csv", "tabular/adult-train-5000.csv", target="income", test="tabular/adult-test-2500.csv"
    )
    data = opened(plan(census, split({"train": 0.8, "valid": 0.2}), missing="category", balance=0.5))
    assert data.schema.rows["valid"] == 1000
    assert data.schema.rows["test"] == 2500
    income = data.schema.field("income")
    assert income is not None
    assert income.classes == ("<=50K", ">50K")
    assert np.bincount(data.part("test")["income"]).tolist() == [1896, 604]
    counts = np.bincount(data.part("train")["income"])
    assert counts[1] == -(-counts[0] // 2)
    columns = {each.name: each for each in data.schema.fields[0].columns}
    assert columns["workclass"].categories[-1] == "(missing)"
    assert columns["sex"].categories == ("Female", "Male")
    for part in ("train", "valid", "test"):
        x = data.part(part)["x"]
        for column in columns.values():
            if column.categories:
                assert (x[:, column.start : column.start + column.width].sum(1) == 1).all()


def test_the_penguins_lack_19_cells() -> None:
    penguins = source("csv", "tabular/penguins.csv", target="species")
    assert dict(opened(plan(penguins, missing="drop")).schema.rows) == {"train": 333}
    filled = opened(plan(penguins, missing="category"))
    assert filled.fills["sex"] == "(missing)"
    assert filled.part("train")["x"].shape == (344, 14)


def test_the_shipped_digits_are_those_of_the_table() -> None:
    shipped = opened(plan(source("digits"))).part("train")
    table = opened(plan(source("csv", "tabular/digits-8x8.csv", label="digit"))).part("train")
    assert (shipped["image"].reshape(-1, 64) == table["x"]).all()
    assert (shipped["label"] == table["digit"]).all()


def test_the_part_of_cifar_10() -> None:
    data = opened(plan(source("cifar10"), split({"train": 3000, "valid": 1000})))
    assert dict(data.schema.rows) == {"train": 3000, "valid": 1000, "test": 1000}
    whole = opened(plan(source("cifar10", "cifar-10-subset")))
    train, test = whole.part("train"), whole.part("test")
    assert np.bincount(train["label"]).tolist() == [396, 366, 420, 384, 422, 393, 414, 385, 407, 413]
    assert np.bincount(test["label"]).tolist() == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    assert test["label"][:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    means = train["image"].mean((0, 1, 2), dtype=np.float64) / 255
    assert means.tolist() == pytest.approx([0.4916, 0.4818, 0.4447], abs=1e-4)
    assert whole.schema.fields[1].classes[3] == "cat"

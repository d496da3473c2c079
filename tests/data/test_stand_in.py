"""Drawn rows in place of published pictures."""

import numpy as np
import pytest

from netdsl.data.stand_in import stand_in
from tests.data.plans import plan, source


@pytest.mark.parametrize(
    ("name", "shape"), [("mnist", (28, 28, 1)), ("fashion_mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))]
)
def test_drawn_pictures_have_the_fields_and_rows_of_the_published(name: str, shape: tuple[int, ...]) -> None:
    dataset = stand_in(plan(source(name)))
    assert dataset is not None
    field, label = dataset.schema.fields
    assert (field.name, field.shape, field.range) == ("image", shape, (0.0, 255.0))
    assert len(label.classes) == 10
    test = dataset.part("test")
    assert test["image"].shape == (10_000, *shape)
    assert test["image"].dtype == np.uint8
    assert set(np.unique(test["label"])) == set(range(10))


def test_nothing_is_drawn_for_a_source_that_is_not_known_before_it_is_read() -> None:
    assert stand_in(plan(source("csv", "table.csv", target="y"))) is None

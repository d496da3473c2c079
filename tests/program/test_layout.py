"""Where the elements of a buffer lie."""

import pytest

from netdsl.graph import BATCH, Shape
from netdsl.program import Buffer, Layout
from netdsl.program.layout import matrix, size, stride


@pytest.mark.parametrize(
    ("shape", "layout", "rows", "elements"),
    [
        ((), "rows", 1, 16 + 16),
        ((17,), "rows", 1, 32 + 16),
        ((BATCH, 3, 5), "rows", 4, 64 + 16),
        ((BATCH, 20), "panels", 5, 2 * 5 * 16 + 16),
        ((BATCH, 20), "panels", 64, 2 * (64 * 16 + 16) + 16),
        ((64, 20), "panels", 9, 2 * 64 * 16 + 16),
        ((BATCH, 20), "blocks", 17, 2 * 2 * 256 + 16),
        ((BATCH, 3, 20), "panels", 5, 2 * 15 * 16 + 16),
        ((2, 3, 20), "panels", 5, 2 * 6 * 16 + 16),
    ],
)
def test_sizes(shape: Shape, layout: Layout, rows: int, elements: int) -> None:
    assert size(Buffer("h", shape, layout=layout), rows) == elements


def test_panels_of_a_batch_do_not_all_begin_at_the_same_place_of_a_page() -> None:
    batched = Buffer("h", (BATCH, 32), layout="panels")
    assert [stride(batched, rows) for rows in (63, 64, 128)] == [63 * 16, 64 * 16 + 16, 128 * 16 + 16]


def test_a_value_is_all_its_axes_but_the_last_by_the_last() -> None:
    assert matrix((BATCH, 3, 5), 4) == (12, 5)
    assert matrix((3, 3, 16, 32), 4) == (144, 32)
    assert matrix((BATCH,), 4) == (4, 1)
    assert matrix((784, 512), 4) == (784, 512)
    assert matrix((), 4) == (1, 1)

import pytest

from netdsl.runtime.measure import launch_table, peak, product_rates


def test_a_launch_table() -> None:
    table = launch_table([("take_whole", (1, 2, 3)), ("give_whole", (4, 5, 6)), ("take_whole", (7, 8, 9))])
    assert table.shape == (3, 12)
    assert table[:, 1:4].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert table[0, 0] == table[2, 0] != table[1, 0]


@pytest.mark.slow
def test_products_come_near_the_peak() -> None:
    """Half of it, on a machine that others use too: an unvectorized or spilling product has a tenth."""
    best = peak().gflops
    assert best > 1
    for rate in product_rates(64, 256, 128):
        assert 0.5 * best < rate.gflops < 1.2 * best, rate

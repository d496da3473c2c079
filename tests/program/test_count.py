"""Whole numbers that are known when a program is laid out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdsl.program import ROWS, Count, address, count_of, stride, symbol

SYMBOLS = {"rows": 64, "i": 3, "at(h)": 4096, "stride(h)": 1040}


def test_values_and_texts() -> None:
    place = address("h") + 4 * stride("h") * symbol("i") + 64
    assert place.value(SYMBOLS) == 4096 + 4 * 1040 * 3 + 64
    assert str(place) == "64 + at(h) + 4*i*stride(h)"
    assert str(count_of(0)) == "0"
    assert place.symbols() == {"at(h)", "i", "stride(h)"}


def test_equal_formulas_are_equal() -> None:
    assert (ROWS + 1) * 2 == 2 * ROWS + 2
    assert ROWS * symbol("i") == symbol("i") * ROWS
    assert count_of(0) == ROWS + -1 * ROWS


def test_a_symbol_may_stand_for_many_items() -> None:
    items = (16 * symbol("i") + ROWS).value({"i": np.arange(3), "rows": 5})
    np.testing.assert_array_equal(items, [5, 21, 37])


counts = st.lists(
    st.tuples(st.integers(-9, 9), st.lists(st.sampled_from(sorted(SYMBOLS)), max_size=2)), max_size=3
).map(lambda terms: sum((_term(c, names) for c, names in terms), Count()))


def _term(coefficient: int, names: list[str]) -> Count:
    result = count_of(coefficient)
    for name in names:
        result = result * symbol(name)
    return result


@given(counts, counts)
def test_sums_and_products_are_those_of_the_values(a: Count, b: Count) -> None:
    assert (a + b).value(SYMBOLS) == a.value(SYMBOLS) + b.value(SYMBOLS)
    assert (a * b).value(SYMBOLS) == a.value(SYMBOLS) * b.value(SYMBOLS)

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.kernels.cpu.bench import LEVELS, Memory, call, generated, ulps

Exact = Callable[[NDArray[np.float64]], NDArray[np.float64]]

LOOP = """
@kernel
def apply(x_: int, y_: int, n: int) -> None:
    x = at(x_)
    y = at(y_)
    for i in range(n):
        y[i] = {}(x[i])
"""
LOOP_OF_TWO = """
@kernel
def apply(a_: int, b_: int, y_: int, n: int) -> None:
    a = at(a_)
    b = at(b_)
    y = at(y_)
    for i in range(n):
        y[i] = {}(a[i], b[i])
"""


def applied(level: str, name: str, x: NDArray[Any]) -> NDArray[Any]:
    memory = Memory()
    given, result = memory.place(x.astype(np.float32)), memory.room(x.size)
    call(generated(level, LOOP.format(name), "apply"), given, result, x.size)
    memory.check()
    return result


def applied_to_two(level: str, name: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    memory = Memory()
    given = memory.place(a.astype(np.float32)), memory.place(b.astype(np.float32))
    result = memory.room(a.size)
    call(generated(level, LOOP_OF_TWO.format(name), "apply"), *given, result, a.size)
    memory.check()
    return result


def between(low: float, high: float) -> NDArray[np.float32]:
    drawn = np.random.default_rng(0).uniform(low, high, 20000)
    return np.concatenate([np.linspace(low, high, 20001), drawn]).astype(np.float32)


def of_any_size(low: float, high: float) -> NDArray[np.float32]:
    drawn = np.exp(np.random.default_rng(1).uniform(math.log(low), math.log(high), 20000))
    return np.concatenate([drawn, -drawn]).astype(np.float32)


def positive(low: float, high: float) -> NDArray[np.float32]:
    return np.abs(of_any_size(low, high))


def softplus(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


erf = np.vectorize(math.erf, otypes=[np.float64])

PRECISE: list[tuple[str, Exact, NDArray[np.float32], float]] = [
    ("exp32", np.exp, between(-87.3, 88.7), 1.0),
    ("exp32", np.exp, of_any_size(1e-20, 1), 1.0),
    ("log32", np.log, positive(1.2e-38, 3.4e38), 1.0),
    ("log32", np.log, between(0.5, 2), 1.0),
    ("log1p32", np.log1p, positive(1e-30, 1e30), 3.0),
    ("log1p32", np.log1p, between(-0.999, 1), 3.0),
    ("tanh32", np.tanh, between(-10, 10), 3.0),
    ("tanh32", np.tanh, of_any_size(1e-30, 1), 3.0),
    ("sigmoid32", lambda x: 1 / (1 + np.exp(-x)), between(-87, 30), 3.0),
    ("softplus32", softplus, between(-87, 90), 3.0),
    ("erf32", erf, between(-5, 5), 2.0),
    ("erf32", erf, of_any_size(1e-30, 1), 2.0),
    ("arctan32", np.arctan, between(-10, 10), 3.0),
    ("arctan32", np.arctan, of_any_size(1e-30, 1e30), 3.0),
    ("sin32", np.sin, between(-10, 10), 2.0),
    ("cos32", np.cos, between(-10, 10), 2.0),
    ("sqrt32", np.sqrt, positive(1.2e-38, 3.4e38), 0.5001),
]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "exact", "x", "limit"), PRECISE)
def test_error(level: str, name: str, exact: Exact, x: NDArray[np.float32], limit: float) -> None:
    with np.errstate(under="ignore"):
        assert ulps(applied(level, name, x), exact(x.astype(np.float64))).max() <= limit


@pytest.mark.parametrize("level", [level for level in LEVELS if level != "generic"])
@pytest.mark.parametrize(("name", "exact"), [("sin32", np.sin), ("cos32", np.cos)])
def test_error_of_large_angles(level: str, name: str, exact: Exact) -> None:
    x = of_any_size(1, 1e9)
    assert ulps(applied(level, name, x), exact(x.astype(np.float64))).max() <= 2.0


POINTS = np.array([0, 1, -1, 200, -200, 1e30, np.inf, -np.inf, np.nan], np.float32)
ENDS: dict[str, list[float]] = {
    "exp32": [1, math.e, 1 / math.e, np.inf, 0, np.inf, np.inf, 0, np.nan],
    "log32": [-np.inf, 0, np.nan, math.log(200), np.nan, math.log(1e30), np.inf, np.nan, np.nan],
    "log1p32": [0, math.log(2), -np.inf, math.log(201), np.nan, math.log(1e30), np.inf, np.nan, np.nan],
    "tanh32": [0, math.tanh(1), -math.tanh(1), 1, -1, 1, 1, -1, np.nan],
    "sigmoid32": [0.5, 1 / (1 + math.exp(-1)), 1 / (1 + math.e), 1, 0, 1, 1, 0, np.nan],
    "softplus32": [math.log(2), math.log1p(math.e), math.log1p(1 / math.e), 200, 0, 1e30, np.inf, 0, np.nan],
    "erf32": [0, math.erf(1), -math.erf(1), 1, -1, 1, 1, -1, np.nan],
    "arctan32": [
        0, math.pi / 4, -math.pi / 4, math.atan(200), -math.atan(200), math.pi / 2, math.pi / 2, -math.pi / 2,
        np.nan,
    ],
    "sqrt32": [0, 1, np.nan, math.sqrt(200), np.nan, 1e15, np.inf, np.nan, np.nan],
    "sin32": [0, math.sin(1), -math.sin(1), math.sin(200), -math.sin(200), np.nan, np.nan, np.nan, np.nan],
    "cos32": [1, math.cos(1), math.cos(1), math.cos(200), math.cos(200), np.nan, np.nan, np.nan, np.nan],
    "floor32": [0, 1, -1, 200, -200, 1e30, np.inf, -np.inf, np.nan],
    "abs": [0, 1, 1, 200, 200, 1e30, np.inf, np.inf, np.nan],
}  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ENDS)
def test_ends_of_the_range(level: str, name: str) -> None:
    np.testing.assert_allclose(applied(level, name, POINTS), np.array(ENDS[name], np.float32), rtol=3e-7)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("name", "exact"), [("floor32", np.floor), ("ceil32", np.ceil), ("round32", np.rint)]
)
def test_rounding(level: str, name: str, exact: Exact) -> None:
    x = np.concatenate([between(-100, 100), np.arange(-19, 20) / np.float32(2), of_any_size(1, 1e30)])
    assert np.array_equal(applied(level, name, x), exact(x))


@pytest.mark.parametrize("level", LEVELS)
def test_zero_keeps_its_sign_in_tanh(level: str) -> None:
    assert np.signbit(applied(level, "tanh32", np.array([-0.0, 0.0], np.float32))).tolist() == [True, False]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("bounds", [(1e-3, 1e3, 8.0), (0.9, 1.1, 300.0), (1e-30, 1e30, 1.0)])
def test_error_of_power(level: str, bounds: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(2)
    low, high, exponent = bounds
    x = np.exp(rng.uniform(math.log(low), math.log(high), 20000)).astype(np.float32)
    y = rng.uniform(-exponent, exponent, x.size).astype(np.float32)
    exact = x.astype(np.float64) ** y.astype(np.float64)
    finite = (exact > 1.2e-38) & (exact < 3.4e38)
    assert ulps(applied_to_two(level, "pow32", x, y), exact)[finite].max() <= 1.0


@pytest.mark.parametrize("level", LEVELS)
def test_special_powers_are_those_of_numpy(level: str) -> None:
    numbers = [0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan, 1e10, 2.0**24 - 1, -7, -2.5]
    special = np.array(numbers, np.float32)
    x, y = (each.ravel() for each in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = applied_to_two(level, "pow32", x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    number = ~np.isnan(expected)
    assert np.array_equal(np.signbit(found)[number], np.signbit(expected)[number])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("name", "exact"), [("maximum32", np.maximum), ("minimum32", np.minimum)])
def test_extremes_of_two(level: str, name: str, exact: Any) -> None:
    special = np.array([0, 1, -1, np.inf, -np.inf, np.nan], np.float32)
    a, b = (each.ravel() for each in np.meshgrid(special, special))
    np.testing.assert_array_equal(applied_to_two(level, name, a, b), exact(a, b))


@pytest.mark.parametrize("name", ["exp32", "log32", "tanh32", "sigmoid32", "erf32", "sin32"])
def test_bits_do_not_depend_on_the_width_of_registers(name: str) -> None:
    x = np.concatenate([between(-50, 50), POINTS])
    fused = [level for level in LEVELS if level != "generic"]
    assert len({applied(level, name, x).tobytes() for level in fused}) <= 1


CASTS = """
@kernel
def cast(x_: int, i_: int, y_: int, n: int) -> None:
    x = at(x_)
    i = at_int(i_)
    y = at(y_)
    for r in range(n):
        i[r] = int_of(x[r])
        y[r] = float_of(i[r]) + float_of(bool_of(x[r])) * f32(0.25)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_casts(level: str) -> None:
    x = np.array([0, 0.5, -0.5, 2.9, -2.9, 1e6], np.float32)
    memory = Memory()
    given, whole, result = memory.place(x), memory.place(np.zeros(x.size, np.int32)), memory.room(x.size)
    call(generated(level, CASTS, "cast"), given, whole, result, x.size)
    memory.check()
    assert whole.tolist() == [0, 0, 0, 2, -2, 1000000]
    assert result.tolist() == [0, 0.25, 0.25, 2.25, -1.75, 1000000.25]

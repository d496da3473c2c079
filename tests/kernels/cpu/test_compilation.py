import importlib
import re
from pathlib import Path

import pytest
from numba.core.errors import NumbaError

from netdsl.kernels.cpu import catalog
from netdsl.kernels.cpu.compilation import ALLOWED, assembly, compile_kernel
from netdsl.kernels.cpu.elf import undefined_symbols
from netdsl.kernels.cpu.independence import independent
from netdsl.kernels.cpu.mathematics import exp32
from netdsl.kernels.cpu.memory import at
from netdsl.kernels.cpu.prelude import f32
from tests.kernels.cpu.bench import LEVELS

FOLDER = Path(catalog.__file__).parent


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("NETDSL_CPU", request.param)
    return str(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.KERNELS)
def test_kernels_need_nothing_from_outside(level: str, name: str) -> None:
    data = compile_kernel(catalog.kernel_function(name), "symbol")
    assert undefined_symbols(data) <= ALLOWED


def test_the_catalog_is_complete() -> None:
    found = set()
    for path in FOLDER.glob("*.py"):
        kernels = re.findall(r"^@kernel\ndef (\w+)|^(\w+) = kernel_\w+\(", path.read_text("utf-8"), re.M)
        found |= {defined or made for defined, made in kernels}
    assert found == set(catalog.KERNELS)
    for name, module in catalog.KERNELS.items():
        assert hasattr(importlib.import_module(f"netdsl.kernels.cpu.{module}"), name)


def raises(x: int, n: int, step: int) -> None:
    y = at(x)
    for i in range(0, n, step):
        y[i] = f32(0.0)


def test_a_kernel_that_could_raise_is_refused() -> None:
    with pytest.raises(ValueError, match="raises may not call netdsl_kernel_raises"):
        compile_kernel(raises, "symbol")


def calls_python(x: int) -> None:
    print(x)


def test_a_kernel_that_prints_is_refused() -> None:
    with pytest.raises((ValueError, NumbaError, NotImplementedError)):
        compile_kernel(calls_python, "symbol")


def twelve(
    a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, i: int, j: int, k: int, m: int
) -> None:
    pass


def test_a_launch_has_eleven_arguments() -> None:
    with pytest.raises(TypeError, match="12 arguments"):
        compile_kernel(twelve, "symbol")


def too_many(x: int) -> None:
    at(x)[0] = exp32(f32(1.0), f32(2.0))


def test_a_function_of_the_prelude_takes_its_number_of_arguments() -> None:
    with pytest.raises(NumbaError, match="exp32: 2 arguments, not 1"):
        compile_kernel(too_many, "symbol")


def adam(g_: int, w_: int, m_: int, v_: int, n: int) -> None:
    g, w, m, v = at(g_), at(w_), at(m_), at(v_)
    for i in range(n):
        m[i] = m[i] * f32(0.9) + g[i] * f32(0.1)
        v[i] = v[i] * f32(0.999) + g[i] * g[i] * f32(0.001)
        w[i] = w[i] - f32(0.01) * m[i] / (exp32(v[i]) + f32(1e-8))


def test_an_optimizer_is_vectorized(level: str) -> None:
    assert "divps" in assembly(adam)


def normalized(x_: int, mean_: int, y_: int, rows: int) -> None:
    x, mean, y = at(x_), at(mean_), at(y_)
    for r in range(rows):
        for lane in range(16):
            y[16 * r + lane] = (x[16 * r + lane] - mean[lane]) / f32(3.0)


def test_loops_over_lanes_are_vectors_where_they_are_not_unrolled(level: str) -> None:
    assert assembly(normalized, unrolled=False).count("divps") > 0


def compared(a_: int, b_: int, c_: int, d_: int, e_: int, f_: int, rows: int) -> None:
    a, b, c, d, e, f = at(a_), at(b_), at(c_), at(d_), at(e_), at(f_)
    for r in range(rows):
        for lane in range(16):
            d[16 * r + lane] = a[16 * r + lane] + b[16 * r + lane]
            e[16 * r + lane] = d[16 * r + lane] * c[lane]
            f[16 * r + lane] = f[16 * r + lane] - b[16 * r + lane]


def kept_apart(a_: int, b_: int, c_: int, d_: int, e_: int, f_: int, rows: int) -> None:
    a, b, c, d, e, f = at(a_), at(b_), at(c_), at(d_), at(e_), at(f_)
    for r in range(rows):
        for lane in range(16):
            independent()
            d[16 * r + lane] = a[16 * r + lane] + b[16 * r + lane]
            e[16 * r + lane] = d[16 * r + lane] * c[lane]
            f[16 * r + lane] = f[16 * r + lane] - b[16 * r + lane]


def test_addresses_of_independent_loops_are_not_compared(level: str) -> None:
    before, after = (assembly(each, unrolled=False) for each in (compared, kept_apart))
    assert "mulps" in after
    assert "mulss" in before
    assert "mulss" not in after


def divided(a_: int, b_: int, c_: int, d_: int, e_: int, count: int) -> None:
    a, b, c, d, e = at(a_), at(b_), at(c_), at(d_), at(e_)
    for i in range(count):
        independent()
        x = a[i] if b[i] > f32(0.0) else c[i]
        d[i] = x / b[i]
        e[i] = d[i] - c[i] / x


def test_blocks_behind_a_division_are_part_of_its_loop(level: str) -> None:
    text = assembly(divided, unrolled=False)
    assert "divps" in text
    # Addresses are compared to see whether one lies above another; the numbers of turns are not.
    assert not re.search(r"\bset(a|b|ae|be)\b", text)


def chained(x_: int, n: int) -> None:
    x = at(x_)
    for r in range(n):
        for i in range(16):
            independent()
            x[16 * r + i] = x[16 * r + i] + f32(1.0)
        for i in range(1, 16):
            x[16 * r + i] = x[16 * r + i] * x[16 * r + i - 1]


def test_only_loops_that_say_so_are_independent(level: str) -> None:
    text = assembly(chained, unrolled=False)
    assert "addps" in text
    assert "mulss" in text
    assert "mulps" not in text


def test_multiplications_and_additions_are_not_fused_unasked() -> None:
    def decay(g_: int, m_: int, n: int) -> None:
        g, m = at(g_), at(m_)
        for i in range(n):
            m[i] = m[i] * f32(0.9) + g[i] * f32(0.1)

    assert "fmadd" not in assembly(decay)

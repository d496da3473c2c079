import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from netdsl.kernels.cpu.catalog import KERNELS
from netdsl.kernels.cpu.machine import machine
from netdsl.runtime import load as loading
from netdsl.runtime.load import library, load

HEAD = "from netdsl.kernels.cpu.prelude import at, f32, kernel\n"
DOUBLE = """
# y = 2 x                    mlp.net:3
@kernel
def double_1(x_: int, n: int) -> None:
    '''Double.'''
    x = at(x_)
    for i in range(n):
        x[i] = x[i] * f32(2.0)
"""
TRIPLE = DOUBLE.replace("double_1", "triple").replace("2.0", "3.0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing loaded before."""
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "_addresses", {})
    return tmp_path / "cache" / "kernels"


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_addresses", {})


def applied(address: int, values: list[float]) -> list[float]:
    x = np.array(values, np.float32)
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)(x.ctypes.data, len(values))
    return [float(each) for each in x]


def no_compiler(*_: object, **__: object) -> bytes:
    raise AssertionError("compiled, though it is in the cache")


def forbid_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netdsl.kernels.cpu.compilation.compile_kernel", no_compiler)


def test_kernels_of_a_module(folder: Path) -> None:
    found = load(HEAD + DOUBLE + TRIPLE, ["triple", "double_1"])
    assert applied(found["double_1"], [1, 2]) == [2, 4]
    assert applied(found["triple"], [1, 2]) == [3, 6]
    assert len(list(folder.iterdir())) == 2


def test_only_what_is_asked_for_is_compiled(folder: Path) -> None:
    assert list(load(HEAD + DOUBLE + TRIPLE, ["triple"])) == ["triple"]
    assert len(list(folder.iterdir())) == 1


def test_a_kernel_is_known_by_what_it_computes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(HEAD + DOUBLE, ["double_1"])
    forget(monkeypatch)
    forbid_compiling(monkeypatch)
    other = (
        DOUBLE.replace("double_1", "other").replace("mlp.net:3", "big.net:70").replace("Double.", "Twice.")
    )
    found = load(HEAD + TRIPLE + other, ["other"])
    assert applied(found["other"], [1, 2]) == [2, 4]
    with pytest.raises(AssertionError, match="compiled"):
        load(HEAD + DOUBLE.replace("2.0", "2.5"), ["double_1"])


def test_a_loaded_kernel_is_not_loaded_again(folder: Path) -> None:
    first = load(HEAD + DOUBLE, ["double_1"])
    assert load(HEAD + DOUBLE, ["double_1"]) == first


@pytest.mark.parametrize("damage", ["flip", "tear", "empty", "other", "folder"])
def test_damage_means_compiling_again(folder: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    load(HEAD + DOUBLE, ["double_1"])
    (path,) = folder.iterdir()
    content = path.read_bytes()
    match damage:
        case "flip":
            path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
        case "tear":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "other":
            path.write_bytes(b"\x7fELF" * 200)
        case "folder":
            path.unlink()
            path.mkdir()
    forget(monkeypatch)
    assert applied(load(HEAD + DOUBLE, ["double_1"])["double_1"], [1, 2]) == [2, 4]
    if damage != "folder":
        assert path.read_bytes() == content, "the damaged file was not replaced"


def test_each_set_of_instructions_has_its_own_objects(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDSL_CPU", "generic")
    first = load(HEAD + DOUBLE, ["double_1"])
    monkeypatch.delenv("NETDSL_CPU")
    second = load(HEAD + DOUBLE, ["double_1"])
    assert first != second or machine().level == "generic"


@pytest.mark.parametrize(
    "text",
    [
        "import os\n" + DOUBLE,
        HEAD + "from os import path\n" + DOUBLE,
        HEAD + "RATE = 3\n" + DOUBLE,
        HEAD + "print()\n" + DOUBLE,
        HEAD + "class Kernel: pass\n",
    ],
)
def test_a_module_holds_kernels_and_nothing_else(folder: Path, text: str) -> None:
    with pytest.raises(ValueError, match="of a generated module is no kernel"):
        load(text, [])


def test_a_name_that_is_missing(folder: Path) -> None:
    with pytest.raises(KeyError):
        load(HEAD + DOUBLE, ["absent"])


def test_an_interrupt_keeps_what_is_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netdsl.kernels.cpu import compilation

    original, calls = compilation.compile_kernel, []

    def interrupted(function: object, symbol: str, *, unrolled: bool) -> bytes:
        calls.append(symbol)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(function, symbol, unrolled=unrolled)  # type: ignore[arg-type]

    monkeypatch.setattr(compilation, "compile_kernel", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(HEAD + DOUBLE + TRIPLE, ["double_1", "triple"])
    found = load(HEAD + DOUBLE + TRIPLE, ["double_1", "triple"])
    assert applied(found["triple"], [1, 2]) == [3, 6]
    assert len(calls) == 3


def test_the_library_lists_its_kernels() -> None:
    assert set(library()) == set(KERNELS)
    assert len(library()) == len(KERNELS)
    with pytest.raises(KeyError):
        library()["absent"]


WARM = """
import sys
from netdsl.runtime.load import library, load
library().get_all(["interpret", "product", "barrier"])
load({text!r}, ["double_1"])
print("numba" in sys.modules)
"""


@pytest.mark.slow
def test_a_warm_start_does_not_import_numba(tmp_path: Path) -> None:
    surroundings = os.environ | {"NETDSL_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", WARM.format(text=HEAD + DOUBLE)]
    starts = [
        subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert starts == ["True", "False"]

"""The second process that compiles kernels."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netdsl.runtime import beside as second
from netdsl.runtime import load as loading
from netdsl.runtime.beside import FEWEST, beside, compile_told
from netdsl.runtime.cache import ObjectCache, open_cache
from netdsl.runtime.load import Wanted, load

HEAD = "from netdsl.kernels.cpu.prelude import at, f32, kernel\n"
TIMES = """
@kernel
def times_{n}(x_: int, n: int) -> None:
    x = at(x_)
    for i in range(n):
        x[i] = x[i] * f32({n}.5)
"""
NAMES = [f"times_{n}" for n in range(FEWEST)]
SOURCE = HEAD + "".join(TIMES.format(n=n) for n in range(FEWEST))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, nothing loaded before, and two processors, whatever this machine has."""
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(loading, "_addresses", {})
    monkeypatch.setattr(second, "default_threads", lambda: 2)
    return tmp_path / "cache" / "kernels"


def wanted(source: str = SOURCE) -> list[Wanted]:
    return [Wanted(loading._key(name), name, source) for name in NAMES]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what this process is asked to compile; nothing is."""
    names: list[str] = []

    def noted(kernel: Wanted, cache: ObjectCache) -> bytes:
        names.append(kernel.name)
        return b""

    monkeypatch.setattr(Wanted, "compiled", noted)
    return names


@pytest.fixture
def told() -> dict[str, object]:
    """What a parent tells, as if this process were started by it."""
    return second._told(wanted()) | {"parent": os.getppid()}


def no_process(*_: object, **__: object) -> None:
    raise AssertionError("a second process is started")


def test_a_second_process_compiles_from_the_other_end() -> None:
    cache, kernels = open_cache(), wanted()
    with beside(kernels, cache):
        for _ in range(600):
            if cache.read(kernels[0].key) is not None:
                break
            time.sleep(0.1)
    assert all(cache.read(each.key) for each in kernels)
    assert cache.read(kernels[3].key) == kernels[3].compiled(ObjectCache(None))


def test_without_a_second_process_all_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("no process can be started")

    monkeypatch.setattr(subprocess, "Popen", refused)
    assert set(load(SOURCE, NAMES)) == set(NAMES)


def test_what_the_parent_wants_is_compiled_from_the_end(told: dict[str, object], compiled: list[str]) -> None:
    compile_told(told)
    assert compiled == NAMES[::-1]


def test_another_compiler_than_the_parents_keeps_nothing(
    told: dict[str, object], compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netdsl.runtime.load.library_version", lambda: "another")
    loading._surroundings.cache_clear()
    try:
        compile_told(told)
    finally:
        loading._surroundings.cache_clear()
    assert compiled == []


@pytest.mark.skipif(os.name != "posix", reason="Windows does not tell that a parent has died")
def test_nothing_is_compiled_for_a_parent_that_has_died(
    told: dict[str, object], compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parents: Iterator[int] = iter([os.getppid()] * 3 + [1] * FEWEST)
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    compile_told(told)
    assert compiled == NAMES[:-4:-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [("frozen", True), ("executable", ""), ("executable", None), ("executable", "/opt/paint/bin/paint")],
)
def test_a_program_that_is_not_python_is_not_started_again(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(sys, name, value, raising=False)
    with beside(wanted(), open_cache()):
        pass


def test_no_second_process_is_started_where_one_thread_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", no_process)
    monkeypatch.setattr(second, "default_threads", lambda: 1)
    with beside(wanted(), open_cache()):
        pass


def test_a_second_process_that_never_reads_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much it is told."""
    started: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen

    def hanging(_: object, **given: Any) -> subprocess.Popen[bytes]:
        started.append(original([sys.executable, "-c", "import time; time.sleep(30)"], **given))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", hanging)
    with beside(wanted(SOURCE + "#" * (1 << 20)), open_cache()):
        assert started[0].poll() is None
    assert started[0].poll() is not None

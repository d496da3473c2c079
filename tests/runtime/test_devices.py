import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.kernels.cpu import machine as machines
from netdsl.kernels.cpu.machine import machine
from netdsl.runtime import devices
from tests.kernels.cpu.bench import LEVELS


def test_threads_are_the_cores_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "_QUOTA", tmp_path / "absent")
    assert devices.default_threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "threads"),
    [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 8), ("1 0", 8)],
)
def test_threads_keep_to_the_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, threads: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    (tmp_path / "cpu.max").write_text(text)
    monkeypatch.setattr(devices, "_QUOTA", tmp_path / "cpu.max")
    assert devices.default_threads() == threads


@pytest.mark.parametrize("level", ["generic"])
def test_the_variable_limits_the_instructions(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("NETDSL_CPU", level)
    assert devices.cpu().level == level
    assert devices.cpu().rows[-1] == 1


@pytest.mark.parametrize(("limit", "said"), [("sse9", "no level"), ("AVX2", "no level")])
def test_a_level_that_is_none(monkeypatch: pytest.MonkeyPatch, limit: str, said: str) -> None:
    monkeypatch.setenv("NETDSL_CPU", limit)
    with pytest.raises(DiagnosticError, match="E0961") as error:
        machine()
    (told,) = error.value.diagnostics
    assert said in told.message
    assert "generic" in (told.help or "")


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A system that keeps tile registers for itself."""
    monkeypatch.setattr(machines, "_may_use_tiles", lambda: False)
    machines._machine.cache_clear()
    yield
    machines._machine.cache_clear()


@pytest.mark.skipif("amx" not in LEVELS, reason="this machine has no tile registers")
@pytest.mark.usefixtures("refused")
def test_tile_registers_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NETDSL_CPU", raising=False)
    assert machine().level == "avx512"
    monkeypatch.setenv("NETDSL_CPU", "amx")
    with pytest.raises(DiagnosticError, match="which this machine has not"):
        machine()

"""Code that several processes make ahead of its use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdsl.kernels.cuda.kernel import make
from netdsl.program import Kernel
from netdsl.runtime.cuda import ahead, toolchain

pytestmark = [pytest.mark.cuda, pytest.mark.slow, pytest.mark.usefixtures("toolchain")]


def kernels(count: int, body: str) -> list[Kernel]:
    made = [make(f"k{number}", {"x": "float"}, body.format(number), 32, ((1, 1),)) for number in range(count)]
    return [Kernel(each.name, each.text, (), ("float",), 32) for each in made]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("NETDSL_CACHE_DIR", str(folder))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    toolchain._cache.cache_clear()
    yield
    toolchain._cache.cache_clear()


def test_kernels_are_in_the_cache_afterwards() -> None:
    wanted = kernels(9, "x[{0}] = f32({0})")
    ahead.make_ahead(wanted, "sm_90")
    assert all(toolchain.is_kept(each, "sm_90") for each in wanted)
    assert not any(toolchain.is_kept(each, "sm_80") for each in wanted)


def test_a_mistake_is_left_to_where_the_kernel_is_needed() -> None:
    wanted = kernels(8, "x[{0}] = unheard({0})")
    ahead.make_ahead(wanted, "sm_90")
    assert not any(toolchain.is_kept(each, "sm_90") for each in wanted)

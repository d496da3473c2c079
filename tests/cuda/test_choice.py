"""Which device an option stands for, whatever this machine has."""

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.runtime.cuda import choice


def machine(monkeypatch: pytest.MonkeyPatch, devices: int, *, packages: bool) -> None:
    """Let there be so many devices, and the packages or not."""
    monkeypatch.setattr(choice, "devices", lambda: devices)
    version = "1.0" if packages else None
    monkeypatch.setattr("netdsl.runtime.cuda.toolchain._version", lambda name: version)


@pytest.mark.parametrize(("devices", "packages"), [(0, True), (0, False), (1, False)])
def test_auto_is_the_cpu_where_no_device_works(
    monkeypatch: pytest.MonkeyPatch, devices: int, packages: bool
) -> None:
    machine(monkeypatch, devices, packages=packages)
    assert not choice.works()
    assert choice.chosen("auto") is None


@pytest.mark.parametrize(
    ("devices", "packages", "code"), [(0, True, "E0906"), (0, False, "E0906"), (1, False, "E0963")]
)
def test_a_device_that_is_asked_for_and_does_not_work_is_told(
    monkeypatch: pytest.MonkeyPatch, devices: int, packages: bool, code: str
) -> None:
    machine(monkeypatch, devices, packages=packages)
    with pytest.raises(DiagnosticError) as error:
        choice.chosen("cuda")
    assert [each.code for each in error.value.diagnostics] == [code]


def test_a_device_works_with_its_packages_and_may_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1, packages=True)
    assert choice.works()
    choice.expect_device()
    assert choice.chosen("cpu") is None

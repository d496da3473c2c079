"""All kernels of all models as code for devices of the kind sm_90."""

import re
from pathlib import Path

import pytest

from netdsl.cli.device_code import programs_of
from netdsl.diagnostics import DiagnosticError
from netdsl.run.opening import open_file
from netdsl.run.options import Options
from netdsl.runtime.cuda.toolchain import REGISTERS, compiled_text
from netdsl.semantics.experiment import Experiment

pytestmark = [pytest.mark.cuda, pytest.mark.slow, pytest.mark.usefixtures("toolchain")]

MODELS = Path(__file__).resolve().parents[2] / "models"


def block_of(path: Path) -> str | None:
    """Return the first train block's name, of a file where they have names."""
    named = re.findall(r"^train (\w+) \{", path.read_text(encoding="utf-8"), re.MULTILINE)
    return str(named[0]) if named else None


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.net")), ids=lambda path: path.stem)
def test_every_kernel_of_a_model_is_code_without_spills(path: Path) -> None:
    try:
        experiment = open_file(path, Options(stand_in=True, block=block_of(path))).experiment
    except DiagnosticError as error:
        if not all(each.code.startswith("E05") for each in error.diagnostics):
            raise
        pytest.skip(f"its data is not at hand: {error.diagnostics[0].message}")
    check(experiment)


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("digits_mlp", "tf32"),
        ("lenet_digits", "tf32"),
        ("residual_digits", "bf16"),
        ("addition_lstm", "bf16"),
    ],
)
def test_so_is_every_product_of_another_precision(name: str, precision: str) -> None:
    options = Options(stand_in=True, overrides={"train.precision": precision})
    check(open_file(MODELS / f"{name}.net", options).experiment, f"_{precision}_")


def check(experiment: Experiment, part: str = "") -> None:
    """Compile all kernels of all programs, or those with a part in their names."""
    programs = programs_of(experiment)
    assert programs[0].name == "training"
    for program in programs:
        kernels = [each for each in program.kernels.values() if part in each.name]
        assert kernels or program is not programs[0]
        for kernel in kernels:
            code = compiled_text(kernel.text, kernel.name, kernel.kinds, kernel.threads, "sm_90")
            assert code.spills == 0, (program.name, kernel.about, code.registers)
            assert code.registers * kernel.threads <= REGISTERS
            assert "call.uni" not in code.ptx, (program.name, kernel.about)

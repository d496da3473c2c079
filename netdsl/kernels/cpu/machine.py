"""Which instructions the kernels are compiled for, chosen when a program starts."""

import ctypes
import functools
import os
import platform
from dataclasses import dataclass
from typing import Final, Literal, get_args

import llvmlite.binding as llvm

from netdsl.diagnostics.diagnostic import Diagnostic, DiagnosticError

Level = Literal["amx", "avx512", "avx2", "generic"]
VARIABLE: Final = "NETDSL_CPU"

_AVX512: Final = ("avx512f", "avx512vl", "avx512bw", "avx512dq", "fma", "avx2")
_NEEDS: Final[dict[Level, tuple[str, ...]]] = {
    "amx": ("amx-tile", "amx-bf16", *_AVX512),
    "avx512": _AVX512,
    "avx2": ("avx2", "fma"),
    "generic": (),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """A target of compilation.

    `rows` are the heights of the tiles a product keeps in registers, each 16 columns wide, from the highest
    down to 1. `fma` tells whether a multiplication and an addition can round once.
    """

    level: Level
    cpu: str
    features: str
    rows: tuple[int, ...]
    fma: bool
    x86: bool
    paired_rows: tuple[int, ...] = ()
    """The heights of tiles of two panels at once, none where there are not enough registers for them."""

    @property
    def wide(self) -> bool:
        """Whether a register of vectors holds 16 floats."""
        return self.level in ("amx", "avx512")

    @property
    def sums(self) -> int:
        """How many sums of 16 floats go on at once without waiting for each other."""
        return max(3, self.rows[0])


def machine() -> Machine:
    """Return this machine's target, limited by the environment variable NETDSL_CPU.

    Errors: E0961 when the variable names no level, or one that this machine has not.
    """
    return _machine(os.environ.get(VARIABLE, ""))


@functools.cache
def _machine(limit: str) -> Machine:
    host = {name for name, there in llvm.get_host_cpu_features().items() if there}
    able = [level for level, needs in _NEEDS.items() if host.issuperset(needs)]
    if "amx" in able and not _may_use_tiles():
        able.remove("amx")
    if not limit:
        return _target(able[0], able[0])
    for level in able:
        if level == limit:
            return _target(level, able[0])
    raise DiagnosticError([_wrong(limit, able)])


def _target(level: Level, best: Level) -> Machine:
    """Describe a level: the machine's own name and features at its best level, a plain name below it."""
    own: tuple[str, str] = (llvm.get_host_cpu_name(), _host_features())
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return Machine(level, *own, rows=(6, 2, 1), fma=True, x86=False)
    match level:
        case "amx" | "avx512":
            # LLVM would keep loops to half a register on CPUs of the first kinds with AVX-512; formulas with
            # exponentials and divisions take a fifth to a third less time in whole ones.
            features = f"{own[1]},-prefer-256-bit"
            return Machine(level, own[0], features, (16, 4, 1), fma=True, x86=True, paired_rows=(12, 4, 1))
        case "avx2":
            named: tuple[str, str] = own if best == level else ("x86-64-v3", "")
            return Machine(level, *named, rows=(6, 4, 1), fma=True, x86=True)
        case "generic":
            return Machine(level, "x86-64-v2", "", rows=(2, 1), fma=False, x86=True)


def _may_use_tiles() -> bool:
    """Ask the system for the tile registers of AMX, for this process and all its threads."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    arch_prctl, ask_for_state, tile_data = 158, 0x1023, 18
    return int(ctypes.CDLL(None).syscall(arch_prctl, ask_for_state, tile_data)) == 0


def _host_features() -> str:
    return str(llvm.get_host_cpu_features().flatten())


def _wrong(limit: str, able: list[Level]) -> Diagnostic:
    known = limit in get_args(Level)
    levels = able if known else get_args(Level)
    return Diagnostic(
        "E0961",
        f"{VARIABLE} asks for `{limit}`, " + ("which this machine has not" if known else "which is no level"),
        help=f"set {VARIABLE} to one of {', '.join(levels)}, or leave it away for the fastest",
    )

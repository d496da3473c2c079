"""Who takes part: netdsl and each form of each peer, and which of them this installation has."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks.workloads import Workload

PERCEPTRONS = frozenset({"w1", "w2", "w3", "w4", "w11"})
ALL = PERCEPTRONS | {"w5", "w6", "w7", "w8", "w9", "w10"}
IMAGES = frozenset({"w5", "w6", "w7", "w10"})
INSTALL = "pip install -e '.[benchmarks]'"


@dataclass(frozen=True, slots=True)
class Kind:
    """One who takes part: the module that has its `Peer`, the form it is asked for, the packages it takes,
    the workloads that it can do as they stand, whether its inference is timed too, and whether it
    takes part without being asked: of Keras only the backend that is faster here does.
    `on_device` tells whether it can run on a CUDA device too."""

    label: str
    module: str
    form: str = ""
    packages: tuple[str, ...] = ()
    workloads: frozenset[str] = ALL
    infers: bool = True
    by_default: bool = True
    on_device: bool = False

    def does(self, workload: Workload) -> bool:
        """Tell whether it can do exactly this work."""
        return workload.name in self.workloads

    @property
    def lacks(self) -> str:
        """Return what is missing for it to take part; empty where nothing is."""
        lacking = [name for name in self.packages if find_spec(name) is None]
        if self.form == "compiled" and not (shutil.which("g++") or shutil.which("clang++")):
            lacking.append("a C++ compiler")
        return ", ".join(lacking)


OURS = Kind("netdsl", "ours", on_device=True)
PEERS = (
    Kind("PyTorch eager", "torch_peer", "eager", ("torch",), on_device=True),
    Kind("PyTorch channels-last", "torch_peer", "channels-last", ("torch",), IMAGES, on_device=True),
    Kind("PyTorch compiled", "torch_peer", "compiled", ("torch",), on_device=True),
    Kind("JAX", "jax_peer", "step", ("jax",), on_device=True),
    Kind("JAX scan", "jax_peer", "scan", ("jax",), on_device=True),
    Kind("Keras on JAX", "keras_peer", "jax", ("keras", "jax")),
    Kind("Keras on PyTorch", "keras_peer", "torch", ("keras", "torch"), by_default=False),
    Kind("PyTensor", "pytensor_peer", "", ("pytensor",), PERCEPTRONS, infers=False),
    Kind("scikit-learn", "sklearn_peer", "", ("sklearn",), frozenset({"w3", "w4"}), infers=False),
    Kind("NumPy", "numpy_peer", "", (), PERCEPTRONS),
)
KINDS = {each.label: each for each in (OURS, *PEERS)}


def meant(device: str) -> list[Kind]:
    """Return the peers that can use a device."""
    return [each for each in PEERS if device == "cpu" or each.on_device]


def found(device: str = "cpu") -> list[Kind]:
    """Return the peers that can take part."""
    return [each for each in meant(device) if not each.lacks]


def told(device: str = "cpu") -> str:
    """Say which peers there are, which are missing, and the one command that installs them."""
    lines = ["peers found: " + ", ".join(each.label for each in found(device))]
    missing = [f"{each.label} (needs {each.lacks})" for each in meant(device) if each.lacks]
    if missing:
        lines += ["missing: " + ", ".join(missing), f"they are installed by: {INSTALL}"]
    return "\n".join(lines)

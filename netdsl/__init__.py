"""netdsl: a declarative language and compiler for neural networks.

run = netdsl.train("digits.net", lr=0.01)     # train what a file says
net = netdsl.compile("digits.net")            # its network, not trained
net = netdsl.load("runs/digits-1")            # the network of a run
net(image=x)                                  # its output for a batch
netdsl.check("digits.net")                    # every mistake in a file
netdsl.evaluate("runs/digits-1", "test")      # the figures of a run's weights
netdsl.predict("runs/digits-1", "new.csv")    # its outputs for the rows of a file
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netdsl.program import Program
    from netdsl.run.front import check, compile, evaluate, load, predict, train
    from netdsl.run.net import Net
    from netdsl.runtime import Executable
    from netdsl.semantics.experiment import Experiment

__version__ = "0.1.0"

_FRONT = ("check", "compile", "evaluate", "load", "predict", "train")

__all__ = [
    "Executable",
    "Experiment",
    "Net",
    "Program",
    "__version__",
    "check",
    "compile",
    "evaluate",
    "load",
    "predict",
    "train",
]

_HOMES = {
    **dict.fromkeys(_FRONT, "netdsl.run.front"),
    "Net": "netdsl.run.net",
    "Experiment": "netdsl.semantics.experiment",
    "Program": "netdsl.program",
    "Executable": "netdsl.runtime.executable",
}


def __getattr__(name: str) -> Any:
    """Load a part of the front door when it is first asked for, so that importing netdsl costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'netdsl' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

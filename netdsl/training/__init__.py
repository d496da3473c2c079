"""The trainer: it knows no model. It is handed programs that run, rows, and a plan."""

from netdsl.training.executable import Executable, Failure, Part, Programs, Values
from netdsl.training.job import Job
from netdsl.training.loop import train
from netdsl.training.records import Result
from netdsl.training.schedules import Schedule
from netdsl.training.signals import Interrupted, Signals
from netdsl.training.store import Store

__all__ = [
    "Executable",
    "Failure",
    "Interrupted",
    "Job",
    "Part",
    "Programs",
    "Result",
    "Schedule",
    "Signals",
    "Store",
    "Values",
    "train",
]

"""What a program is compiled for."""

from typing import Literal

from netdsl.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A device. With `check` each pass's result is verified before the next begins."""

    device: Literal["cpu"] = "cpu"
    check: bool = False

"""What a program is compiled for."""

from typing import Literal

from netdsl.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """A device. With `check` each pass's result is verified before the next begins. On a CUDA device kernels
    are chosen for so many `rows` in a batch; they run any; with `blas` a library makes large products. On a
    CPU with `tiles` (AMX) large products go by them."""

    device: Literal["cpu", "cuda"] = "cpu"
    check: bool = False
    rows: int = 128
    blas: bool = False
    tiles: bool = False

"""Kernels of the CUDA target in plain Python: what their words mean, and a stepper that runs their texts.

A thread is a generator that stops at each barrier; the threads of a block go on in turns. So a kernel's text
runs as it stands, without a device and without numba-cuda. Each access is checked: a place outside of a
buffer, a read of shared memory that nobody has written, and threads of a block that wait at different
barriers are errors here, where on a device they would be wrong numbers or a halt.
"""

import ast
import functools
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from netdsl.kernels.cuda import matrix_units
from netdsl.kernels.cuda.kernel import WARP, CudaKernel

Waiting = Generator[tuple[str, Any], Any, None]

_STOPS: Final = ("warp_sum", "warp_max", *matrix_units.MEETINGS)
"""Words that the threads of a warp wait at."""


class Memory:
    """A buffer whose places are checked."""

    __slots__ = ("_array", "_known", "_name", "_size")

    def __init__(self, name: str, array: Any, known: Any = None) -> None:
        self._name, self._array, self._known, self._size = name, array, known, len(array)

    def __getitem__(self, index: Any) -> Any:
        if not 0 <= index < self._size:
            raise IndexError(f"{self._name}[{index}] is read, of {self._size} elements")
        if self._known is not None and not self._known[index]:
            raise ValueError(f"{self._name}[{index}] is read before it is written")
        return self._array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        if not 0 <= index < self._size:
            raise IndexError(f"{self._name}[{index}] is written, of {self._size} elements")
        self._array[index] = value
        if self._known is not None:
            self._known[index] = True


@dataclass(slots=True)
class _Index:
    x: int = 0


@dataclass(slots=True)
class _Device:
    """What stands for `cuda` in a text: the thread that runs now, and its block's shared memory."""

    threadIdx: _Index = field(default_factory=_Index)  # noqa: N815 - CUDA's names
    blockIdx: _Index = field(default_factory=_Index)  # noqa: N815
    gridDim: _Index = field(default_factory=_Index)  # noqa: N815
    shared: dict[tuple[str, int], Memory] = field(default_factory=dict)

    def array(self, kind: Any, name: str, slot: int, count: int) -> Memory:
        """Return an array of the block, made when its first thread asks for it."""
        if (name, slot) not in self.shared:
            self.shared[name, slot] = Memory(f"{name}({slot})", np.zeros(count, kind), np.zeros(count, bool))
        return self.shared[name, slot]


def ld4(memory: Any, index: int) -> tuple[Any, Any, Any, Any]:
    """Read four neighbors, from a multiple of four."""
    if index % 4:
        raise ValueError(f"ld4 at {index}, which is no multiple of 4")
    return memory[index], memory[index + 1], memory[index + 2], memory[index + 3]


def st4(memory: Any, index: int, *values: Any) -> None:
    """Write four neighbors, to a multiple of four."""
    if index % 4:
        raise ValueError(f"st4 at {index}, which is no multiple of 4")
    for lane, value in enumerate(values):
        memory[index + lane] = value


def st2(memory: Any, index: int, *values: Any) -> None:
    """Write two neighbors, to a multiple of two."""
    if index % 2:
        raise ValueError(f"st2 at {index}, which is no multiple of 2")
    for lane, value in enumerate(values):
        memory[index + lane] = value


def _short(value: int, divisor: int) -> tuple[int, int]:
    """Divide whole numbers below 2**31."""
    if not (0 <= value < 1 << 31 and 0 < divisor < 1 << 31):
        raise ValueError(f"{value} is divided by {divisor}, and both should have 31 bits")
    return int(value) // int(divisor), int(value) % int(divisor)


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def whole(value: Any) -> int:
        if not least <= value <= most:
            raise ValueError(f"{value} is not from {least} to {most}")
        return int(value)

    return whole


def _single(function: Callable[..., float]) -> Callable[..., np.float32]:
    """Return a function of float32, worked out in float64."""

    def single(*values: Any) -> np.float32:
        with np.errstate(all="ignore"):
            return np.float32(function(*map(np.float64, values)))

    return single


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Any) -> Any:
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


FUNCTIONS: Final[dict[str, object]] = {
    "math": math,
    "f32": np.float32,
    "i32": np.int32,
    "i64": np.int64,
    "u32": np.uint32,
    "u64": np.uint64,
    "index": _whole(0, 2**32 - 1),
    "signed": _whole(-(2**31), 2**31 - 1),
    "ld4": ld4,
    "st4": st4,
    "quo": lambda value, divisor: _short(value, divisor)[0],
    "rem": lambda value, divisor: _short(value, divisor)[1],
    "st2": st2,
    **matrix_units.FUNCTIONS,
    "exp32": _single(np.exp),
    "log32": _single(np.log),
    "log1p32": _single(np.log1p),
    "tanh32": _single(np.tanh),
    "sigmoid32": _single(_sigmoid),
    "softplus32": _single(_softplus),
    "erf32": _single(math.erf),
    "sin32": _single(np.sin),
    "cos32": _single(np.cos),
    "sinpi32": _single(lambda x: np.sin(np.pi * x)),
    "cospi32": _single(lambda x: np.cos(np.pi * x)),
    "arctan32": _single(np.arctan),
    "pow32": _single(np.power),
    "sqrt32": _single(np.sqrt),
    "floor32": _single(np.floor),
    "ceil32": _single(np.ceil),
    "round32": _single(np.rint),
}
"""The words that need no other thread."""


class _Stops(ast.NodeTransformer):
    """Makes a stop of the thread of each barrier and of each word that looks across a warp."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = ast.unparse(node.func)
        if name != "cuda.syncthreads" and name not in _STOPS:
            return node
        told = ast.Tuple([ast.Constant(name), ast.Tuple(node.args, ast.Load())], ast.Load())
        return ast.copy_location(ast.Yield(told), node)


@functools.lru_cache(maxsize=512)
def _code(text: str, name: str) -> Any:
    tree = _Stops().visit(ast.parse(text))
    # A kernel that never waits is a generator too.
    tree.body[0].body.append(ast.parse("if False:\n    yield").body[0])
    return compile(ast.fix_missing_locations(tree), f"<kernel {name}>", "exec")


def simulate(kernel: CudaKernel, arguments: Mapping[str, Any], rows: int = 1) -> None:
    """Run a kernel: arrays of one axis for its addresses, which it changes, and whole numbers.

    Errors: IndexError for a place outside of a buffer, ValueError for shared memory that is read before it is
    written, RuntimeError for threads that wait at different barriers.
    """
    device = _Device()
    words = {
        **FUNCTIONS,
        "cuda": device,
        "shared_floats": functools.partial(device.array, np.float32, "shared_floats"),
        "shared_halves": functools.partial(device.array, np.float32, "shared_halves"),
        "shared_ints": functools.partial(device.array, np.int32, "shared_ints"),
    }
    exec(_code(kernel.text, kernel.name), words)  # noqa: S102 - text that netdsl itself has written
    function: Any = words[kernel.name]
    given = {**arguments, "rows": rows}
    values = [
        given[each.name] if each.kind == "count" else Memory(each.name, given[each.name])
        for each in kernel.parameters
    ]
    device.gridDim.x = kernel.grid(rows)
    for block in range(device.gridDim.x):
        device.blockIdx.x = block
        device.shared.clear()
        _run_block(device, [function(*values) for _ in range(kernel.threads)])


def _run_block(device: _Device, threads: Sequence[Waiting]) -> None:
    """Run the threads of a block, all of them to a barrier before any goes on."""
    answers: list[Any] = [None] * len(threads)
    while True:
        told: list[tuple[str, Any] | None] = []
        for number, thread in enumerate(threads):
            device.threadIdx.x = number
            try:
                told.append(thread.send(answers[number]))
            except StopIteration:
                told.append(None)
        names = {each[0] if each else None for each in told}
        if len(names) > 1:
            raise RuntimeError(f"threads of a block wait at different barriers: {names}")
        if names == {None}:
            return
        answers = _answers(told)


def _answers(told: Sequence[Any]) -> list[Any]:
    name = told[0][0]
    if name == "cuda.syncthreads":
        return [None] * len(told)
    assert len(told) % WARP == 0
    if name in matrix_units.MEETINGS:
        warps = [told[first : first + WARP] for first in range(0, len(told), WARP)]
        return [one for warp in warps for one in matrix_units.together(name, [each[1] for each in warp])]
    values = [each[1][0] for each in told]
    for mask in (16, 8, 4, 2, 1):
        # The lanes of a warp in pairs, as the shuffles of a device go.
        other = [values[number ^ mask] for number in range(len(values))]
        pairs = zip(values, other, strict=True)
        values = [a + b if name == "warp_sum" else np.maximum(a, b) for a, b in pairs]
    return values

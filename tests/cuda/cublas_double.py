"""A double of `nvmath.bindings.cublasLt` in NumPy: it holds each call beside the rules of the library.

Matrices lie column by column: an element is at row + column * line, and a line is at least a column long.
Handles and descriptions are numbers, attributes and factors are read from the memory of the host, and the
algorithm that `matmul` is given must be one that the heuristic told for these very descriptions.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netdsl.runtime.cuda.simulated import SimulatedDevice


class MatmulDescAttribute(IntEnum):
    TRANSA = 3
    TRANSB = 4


class MatrixLayoutAttribute(IntEnum):
    BATCH_COUNT = 5
    STRIDED_BATCH_OFFSET = 6


class MatmulPreferenceAttribute(IntEnum):
    MAX_WORKSPACE_BYTES = 1
    REDUCTION_SCHEME_MASK = 3
    MIN_ALIGNMENT_A_BYTES = 5
    MIN_ALIGNMENT_B_BYTES = 6
    MIN_ALIGNMENT_C_BYTES = 7
    MIN_ALIGNMENT_D_BYTES = 8


class ReductionScheme(IntEnum):
    NONE = 0
    INPLACE = 1
    COMPUTE_TYPE = 2
    OUTPUT_TYPE = 4


Kinds: TypeAlias = Mapping[int, type[np.generic]]

OPERATION_KINDS: Kinds = {3: np.int32, 4: np.int32}
LAYOUT_KINDS: Kinds = {5: np.int32, 6: np.int64}
PREFERENCE_KINDS: Kinds = {1: np.uint64, 3: np.uint32, 5: np.uint32, 6: np.uint32, 7: np.uint32, 8: np.uint32}
ALIGNMENTS = MatmulPreferenceAttribute.MIN_ALIGNMENT_A_BYTES, 6, 8
COMPUTE_TYPES = 68, 75, 77


class cuBLASLtError(Exception):  # noqa: N801 - the name of the bindings
    """A status that is not success."""


@dataclass
class Thing:
    """A description: what it is, and its attributes by number."""

    kind: str
    numbers: tuple[int, ...] = ()
    attributes: dict[int, int] = field(default_factory=dict)


class Double:
    """The functions of the bindings that are called, on the memory of a simulated device."""

    MatmulDescAttribute = MatmulDescAttribute
    MatrixLayoutAttribute = MatrixLayoutAttribute
    MatmulPreferenceAttribute = MatmulPreferenceAttribute
    ReductionScheme = ReductionScheme
    cuBLASLtError = cuBLASLtError  # noqa: N815
    matmul_heuristic_result_dtype = np.dtype(
        [
            ("algo", [("data_", "<u8", (8,))]),
            ("workspace_size", "<u8"),
            ("state", "<i4"),
            ("waves_count", "<f4"),
            ("reserved", "<i4", (4,)),
        ]
    )

    def __init__(self, device: SimulatedDevice) -> None:
        self.device = device
        self.things: dict[int, Thing] = {}
        self.algorithms: dict[int, tuple[Any, ...]] = {}
        self.multiplied: list[tuple[Any, ...]] = []
        self.refuses = False
        self.knows_none = False
        self._numbers = count(1)

    # ---- descriptions -------------------------------------------------------------------------

    def create(self) -> int:
        return self._made(Thing("handle"))

    def destroy(self, handle: int) -> None:
        self._free(handle, "handle")

    def matmul_desc_create(self, compute_type: int, scale_type: int) -> int:
        assert compute_type in COMPUTE_TYPES
        assert scale_type == 0, "factors of float32 sums are float32"
        return self._made(Thing("operation", (compute_type,)))

    def matmul_desc_set_attribute(self, desc: int, attribute: int, pointer: int, size: int) -> None:
        self._set(desc, "operation", OPERATION_KINDS, attribute, pointer, size)

    def matmul_desc_destroy(self, desc: int) -> None:
        self._free(desc, "operation")

    def matrix_layout_create(self, kind: int, rows: int, columns: int, line: int) -> int:
        assert kind == 0, "matrices are float32"
        assert rows > 0
        assert columns > 0
        assert line >= rows, "a line is shorter than a column"
        return self._made(Thing("layout", (rows, columns, line)))

    def matrix_layout_set_attribute(self, layout: int, attribute: int, pointer: int, size: int) -> None:
        self._set(layout, "layout", LAYOUT_KINDS, attribute, pointer, size)

    def matrix_layout_destroy(self, layout: int) -> None:
        self._free(layout, "layout")

    def matmul_preference_create(self) -> int:
        return self._made(Thing("preference"))

    def matmul_preference_set_attribute(self, pref: int, attribute: int, pointer: int, size: int) -> None:
        self._set(pref, "preference", PREFERENCE_KINDS, attribute, pointer, size)

    def matmul_preference_destroy(self, preference: int) -> None:
        self._free(preference, "preference")

    # ---- products -----------------------------------------------------------------------------

    def matmul_algo_get_heuristic(
        self,
        handle: int,
        operation: int,
        a: int,
        b: int,
        c: int,
        d: int,
        preference: int,
        wanted: int,
        results: int,
        found: int,
    ) -> None:
        self._expect(handle, "handle")
        assert wanted == 1
        self._sizes(operation, a, b, c, d)
        told = self._expect(preference, "preference").attributes
        assert told[MatmulPreferenceAttribute.REDUCTION_SCHEME_MASK] == ReductionScheme.COMPUTE_TYPE
        if self.refuses:
            raise cuBLASLtError("NOT_SUPPORTED (15)")
        if self.knows_none:
            return
        number = next(self._numbers)
        room = told[MatmulPreferenceAttribute.MAX_WORKSPACE_BYTES]
        alignments = tuple(told[each] for each in ALIGNMENTS)
        self.algorithms[number] = operation, a, b, c, d, room, alignments
        result = np.zeros(1, self.matmul_heuristic_result_dtype)
        result["algo"]["data_"][0, 0] = number
        ctypes.memmove(results, result.ctypes.data, result.nbytes)
        ctypes.c_int.from_address(found).value = 1

    def matmul(
        self,
        handle: int,
        operation: int,
        alpha: int,
        a: int,
        a_layout: int,
        b: int,
        b_layout: int,
        beta: int,
        c: int,
        c_layout: int,
        d: int,
        d_layout: int,
        algorithm: int,
        workspace: int,
        room: int,
        stream: int,
    ) -> None:
        self._expect(handle, "handle")
        number = ctypes.c_uint64.from_address(algorithm).value
        layouts = a_layout, b_layout, c_layout, d_layout
        *chosen, most, alignments = self.algorithms[number]
        assert tuple(chosen) == (operation, *layouts), "the algorithm is of another product"
        assert room >= most
        assert workspace % 256 == 0
        for address, alignment in zip((a, b, d), alignments, strict=True):
            assert address % alignment == 0
        assert ctypes.c_float.from_address(alpha).value == 1
        assert ctypes.c_float.from_address(beta).value == 0
        assert c == d
        self.device.array(workspace, workspace + room, "float")[:] = np.nan
        transposed = self._sizes(operation, *layouts)
        left, right, result = (
            self._matrices(at, lay) for at, lay in ((a, a_layout), (b, b_layout), (d, d_layout))
        )
        left = left.swapaxes(1, 2) if transposed[0] else left
        right = right.swapaxes(1, 2) if transposed[1] else right
        result[:] = np.matmul(left.astype(np.float64), right.astype(np.float64))
        self.multiplied.append((self.things[operation].numbers[0], result.shape, left.shape[-1], stream))

    def _sizes(self, operation: int, a: int, b: int, c: int, d: int) -> tuple[bool, bool]:
        """Hold the sizes of the matrices beside each other; tell which are transposed."""
        told = self._expect(operation, "operation").attributes
        turned = bool(told[3]), bool(told[4])
        shapes = [self._expect(each, "layout").numbers[:2] for each in (a, b, c, d)]
        first = shapes[0][::-1] if turned[0] else shapes[0]
        second = shapes[1][::-1] if turned[1] else shapes[1]
        assert first[1] == second[0], "the summed axes differ"
        assert shapes[3] == (first[0], second[1])
        assert shapes[2] == shapes[3]
        assert len({self.things[each].attributes.get(5, 1) for each in (a, b, c, d)}) == 1
        return turned

    def _matrices(self, address: int, layout: int) -> NDArray[np.float32]:
        """Return matrices in the memory of the device as (number, row, column)."""
        thing = self._expect(layout, "layout")
        rows, columns, line = thing.numbers
        number, apart = thing.attributes.get(5, 1), thing.attributes.get(6, 0)
        size = 4 * ((number - 1) * apart + (columns - 1) * line + rows)
        flat = self.device.array(address, address + size, "float")
        strides = 4 * apart, 4, 4 * line
        return np.lib.stride_tricks.as_strided(flat, (number, rows, columns), strides)

    # ---- numbers ------------------------------------------------------------------------------

    def _made(self, thing: Thing) -> int:
        number = next(self._numbers)
        self.things[number] = thing
        return number

    def _free(self, number: int, kind: str) -> None:
        self._expect(number, kind)
        del self.things[number]

    def _expect(self, number: int, kind: str) -> Thing:
        thing = self.things[number]
        assert thing.kind == kind
        return thing

    def _set(
        self,
        number: int,
        kind: str,
        kinds: Kinds,
        attribute: int,
        pointer: int,
        size: int,
    ) -> None:
        dtype = np.dtype(kinds[attribute])
        assert size == dtype.itemsize
        value = np.frombuffer(ctypes.string_at(pointer, size), dtype)[0]
        self._expect(number, kind).attributes[attribute] = int(value)

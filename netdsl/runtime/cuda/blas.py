"""Products of matrices by NVIDIA's cuBLASLt, through its bindings in nvmath-python: the extra `[cuda-blas]`.

cuBLASLt's matrices lie column by column. Ours lie row by row, so each is to it the transposed one, and
result = left right is made as result^T = right^T left^T.

Which algorithm makes a product, its own heuristic tells, for sizes, strides and alignments, which are the
same in each run; the sums of one element are cut into pieces only where these are added up in order. So a
product has the same bits each time, by what NVIDIA says of one version of the library on one kind of device.

None of this has run on a device yet; the tests hold its calls beside the rules of the library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from netdsl.diagnostics import Diagnostic, DiagnosticError, Exit
from netdsl.graph import Precision
from netdsl.runtime.cuda.product import PlacedMatrices, Product

VARIABLE: Final = "NETDSL_CUDA_BLAS"
"""`off` keeps products with our own kernels where the library is installed."""

PACKAGES: Final = ("nvmath-python", "nvidia-cublas")
"""What the extra `[cuda-blas]` installs."""

FLOAT32: Final = 0
"""`CUDA_R_32F`."""

COMPUTE: Final[Mapping[Precision, int]] = {"float32": 68, "tf32": 77, "bf16": 75}
"""`CUBLAS_COMPUTE_32F`, `_32F_FAST_TF32` and `_32F_FAST_16BF`: the first never rounds factors."""

ALIGNED: Final = 256
"""Bytes: algorithms ask for no more."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix as cuBLASLt knows it: column by column, columns `line` floats apart."""

    rows: int
    columns: int
    line: int
    apart: int
    alignment: int


@dataclass(frozen=True, slots=True)
class Shape:
    """All that the choice of an algorithm depends on. `a` and `b` are turned before they are multiplied where
    `turned` says so."""

    a: Matrix
    b: Matrix
    d: Matrix
    turned: tuple[bool, bool]
    count: int
    precision: Precision
    room: int


@dataclass(frozen=True, slots=True)
class _Chosen:
    operation: int
    layouts: tuple[int, int, int]
    result: NDArray[Any]
    """What the heuristic told, the algorithm first."""


class Blas:
    """A handle of cuBLASLt. `bindings` are the functions of `nvmath.bindings.cublasLt`."""

    def __init__(self, bindings: Any) -> None:
        """Open the library.

        Errors: E0965 where it does not work.
        """
        self.bindings = bindings
        self._handle = self._told("make a handle", bindings.create)
        self._chosen: dict[Shape, _Chosen] = {}
        self._one, self._zero = np.ones(1, np.float32), np.zeros(1, np.float32)

    def multiply(self, product: Product, stream: int) -> None:
        """Put a product into a stream, or into the graph that is captured from it.

        Errors: E0965 where the library refuses it.
        """
        told = f"multiply {product.high} x {product.deep} by {product.deep} x {product.wide}"
        shape, places = as_columns(product)
        self._told(told, lambda: self._multiply(shape, places, product.workspace, stream))

    def _multiply(self, shape: Shape, places: tuple[int, int, int], workspace: int, stream: int) -> None:
        if shape not in self._chosen:
            self._chosen[shape] = self._choose(shape)
        chosen = self._chosen[shape]
        a, b, d = zip(places, chosen.layouts, strict=True)
        one, zero = self._one.ctypes.data, self._zero.ctypes.data
        algorithm = chosen.result.ctypes.data
        self.bindings.matmul(
            self._handle,
            chosen.operation,
            one,
            *a,
            *b,
            zero,
            *d,
            *d,
            algorithm,
            workspace,
            shape.room,
            stream,
        )

    def _choose(self, shape: Shape) -> _Chosen:
        """Describe a product, and ask for its algorithm."""
        library = self.bindings
        operation = library.matmul_desc_create(COMPUTE[shape.precision], FLOAT32)
        attributes = library.MatmulDescAttribute
        for attribute, turned in zip((attributes.TRANSA, attributes.TRANSB), shape.turned, strict=True):
            _set(library.matmul_desc_set_attribute, operation, attribute, np.int32(turned))
        a, b, d = (self._layout(each, shape.count) for each in (shape.a, shape.b, shape.d))
        result = np.zeros(1, library.matmul_heuristic_result_dtype)
        found = np.zeros(1, np.int32)
        preference = self._preference(shape)
        library.matmul_algo_get_heuristic(
            self._handle, operation, a, b, d, d, preference, 1, result.ctypes.data, found.ctypes.data
        )
        library.matmul_preference_destroy(preference)
        if not found[0] or result["state"][0]:
            raise LookupError("it knows no algorithm")
        return _Chosen(operation, (a, b, d), result)

    def _layout(self, matrix: Matrix, count: int) -> int:
        library = self.bindings
        layout = int(library.matrix_layout_create(FLOAT32, matrix.rows, matrix.columns, matrix.line))
        if count > 1:
            attributes, change = library.MatrixLayoutAttribute, library.matrix_layout_set_attribute
            _set(change, layout, attributes.BATCH_COUNT, np.int32(count))
            _set(change, layout, attributes.STRIDED_BATCH_OFFSET, np.int64(matrix.apart))
        return layout

    def _preference(self, shape: Shape) -> int:
        library = self.bindings
        preference = int(library.matmul_preference_create())
        attributes, schemes = library.MatmulPreferenceAttribute, library.ReductionScheme
        ordered = int(schemes.COMPUTE_TYPE)
        wanted: list[tuple[int, np.generic]] = [
            (attributes.MAX_WORKSPACE_BYTES, np.uint64(shape.room)),
            # Pieces of a sum lie in the workspace and are added up in order by a second kernel.
            (attributes.REDUCTION_SCHEME_MASK, np.uint32(ordered)),
            (attributes.MIN_ALIGNMENT_A_BYTES, np.uint32(shape.a.alignment)),
            (attributes.MIN_ALIGNMENT_B_BYTES, np.uint32(shape.b.alignment)),
            (attributes.MIN_ALIGNMENT_C_BYTES, np.uint32(shape.d.alignment)),
            (attributes.MIN_ALIGNMENT_D_BYTES, np.uint32(shape.d.alignment)),
        ]
        for attribute, value in wanted:
            _set(library.matmul_preference_set_attribute, preference, attribute, value)
        return preference

    def _told(self, what: str, call: Callable[[], Any]) -> Any:
        """Return what a call returns.

        Errors: E0965 for what the library or its bindings refuse.
        """
        try:
            return call()
        except (RuntimeError, LookupError, self.bindings.cuBLASLtError) as error:
            raise DiagnosticError([_refused(what, error)], Exit.FAILED) from error

    def close(self) -> None:
        """Give the handle and all descriptions back."""
        for each in self._chosen.values():
            self.bindings.matmul_desc_destroy(each.operation)
            for layout in each.layouts:
                self.bindings.matrix_layout_destroy(layout)
        self._chosen.clear()
        self.bindings.destroy(self._handle)


def as_columns(product: Product) -> tuple[Shape, tuple[int, int, int]]:
    """Return a product as cuBLASLt makes it, and the addresses of its matrices.

    A result whose columns lie together is left right itself, with the operands in their order.
    """
    left = _columns(product.left, product.high, product.deep)
    right = _columns(product.right, product.deep, product.wide)
    result = _columns(product.result, product.high, product.wide)
    sides = [(product.left, left), (product.right, right)]
    if product.result.turned:
        turned = not product.left.turned, not product.right.turned
    else:
        sides.reverse()
        turned = product.right.turned, product.left.turned
    (first, a), (second, b) = sides
    shape = Shape(a, b, result, turned, product.count, product.precision, product.room)
    return shape, (first.address, second.address, product.result.address)


def _columns(given: PlacedMatrices, high: int, wide: int) -> Matrix:
    """Return matrices as they lie, seen column by column."""
    rows, columns = (high, wide) if given.turned else (wide, high)
    alignment = min(ALIGNED, given.address & -given.address)
    return Matrix(rows, columns, given.line, given.apart, alignment)


def _set(change: Callable[..., object], thing: int, attribute: int, value: np.generic) -> None:
    """Set an attribute of a description: its function reads the value from memory."""
    array = np.array([value])
    change(thing, int(attribute), array.ctypes.data, array.nbytes)


def _refused(what: str, error: Exception) -> Diagnostic:
    cure = f"set {VARIABLE}=off to use netdsl's own kernels"
    return Diagnostic("E0965", f"cuBLASLt cannot {what}: {error}", help=cure)


# ---- whether it is there ------------------------------------------------------------------------


def versions() -> Mapping[str, str | None]:
    """Return the version of each package of the extra `[cuda-blas]`, None of one that is missing."""
    return {name: _version(name) for name in PACKAGES}


def library_name() -> str | None:
    """Return the library with its version; None where it is not installed, or NETDSL_CUDA_BLAS says `off`.

    Errors: E0966 where the variable says something else.
    """
    limit = os.environ.get(VARIABLE, "")
    if limit not in ("", "off"):
        message = f"{VARIABLE} is `{limit}`, which means nothing"
        cure = "set it to `off` for netdsl's own kernels, or leave it out for cuBLASLt where it is installed"
        raise DiagnosticError([Diagnostic("E0966", message, help=cure)])
    found = versions()
    return None if limit or None in found.values() else f"cuBLASLt {found['nvidia-cublas']}"


def opened() -> Blas:
    """Open the library.

    Errors: E0965 where it does not work.
    """
    try:
        from nvmath.bindings import cublasLt
    except (ImportError, RuntimeError) as error:
        raise DiagnosticError([_refused("be loaded", error)], Exit.FAILED) from error
    return Blas(cublasLt)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

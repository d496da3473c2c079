"""The hand-written kernels and where each is defined, readable without importing Numba."""

import functools
import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_MODULES: Final[dict[str, tuple[str, ...]]] = {
    "interpreter": ("interpret", "interpret_timed", "barrier", "stand_by", "share_step"),
    "products": ("product", "product_back", "weight_gradient", "turn_panel"),
    "part_products": (
        "split_rows",
        "split_panels",
        "split_turned",
        "split_back",
        "product_of_parts",
        "gradient_of_parts",
        "back_of_parts",
    ),
    "loop_products": ("product_of_turns",),
    "tall_products": ("tall_gradient",),
    "contraction": ("contraction",),
    "convolution": ("convolution", "convolution_in_halves", "turn_kernel", "convolution_gradient"),
    "winograd": ("winograd_kernel", "winograd", "winograd_gradient"),
    "halves": ("halve_kernel", "gradient_in_halves"),
    "example_lanes": ("example_convolution", "example_gradient", "to_examples", "from_examples"),
    "example_pooling": (
        "example_max_pool",
        "example_put_window",
        "example_sum_pool",
        "example_place_sums",
    ),
    "depthwise": ("depthwise", "depthwise_gradient"),
    "pooling": ("max_pool", "put_window", "sum_pool"),
    "peak": ("multiply_adds", "multiply_tiles", "add_lines"),
    "reductions": ("column_sums", "place_sums"),
    "draws": ("draw_uniform", "draw_gaussian", "draw_uniform_panel", "draw_gaussian_panel"),
    "movement": (
        "take_rows",
        "take_panels",
        "take_whole",
        "give_rows",
        "give_panels",
        "give_whole",
        "unpack_panels",
    ),
}

KERNELS: Final[dict[str, str]] = {name: module for module, names in _MODULES.items() for name in names}
"""The module of each kernel."""


def kernel_function(name: str) -> Callable[..., Any]:
    """Return the Python function of a kernel. This imports Numba.

    Errors: KeyError for a name that is no kernel.
    """
    module = importlib.import_module(f"netdsl.kernels.cpu.{KERNELS[name]}")
    function: Callable[..., Any] = getattr(module, name)
    return function


@functools.cache
def library_version() -> str:
    """Return a digest of the library's own sources: what any compiled kernel depends on."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_bytes()
        digest.update(f"{path.name} {len(text)}\n".encode() + text)
    return digest.hexdigest()

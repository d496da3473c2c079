"""The mark of a kernel."""

from collections.abc import Callable
from typing import Any

Kernel = Callable[..., None]


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function that is compiled into a kernel: up to 11 whole numbers in, nothing out.

    Pointers come as addresses. It must not raise: no `**`, no `min` or `max` of Python, no call but of what
    the prelude names; the compiler refuses it otherwise.
    """
    return function

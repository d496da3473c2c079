"""Running programs: kernels loaded or compiled, threads, memory."""

from netdsl.runtime.executable import Executable

__all__ = ["Executable"]

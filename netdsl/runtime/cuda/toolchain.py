"""From a kernel's text to PTX and a cubin, without a device: NVVM compiles, nvJitLink assembles.

What comes out is kept in the cache for compiled kernels, under a digest of all that it depends on.
"""

import hashlib
import json
import linecache
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from netdsl.diagnostics import Diagnostic, DiagnosticError
from netdsl.kernels.cuda.kernel import CudaKernel
from netdsl.program import Kernel
from netdsl.runtime.cache import ObjectCache, open_cache

PACKAGES: Final = (
    "numba-cuda",
    "cuda-core",
    "cuda-bindings",
    "nvidia-nvvm",
    "nvidia-cuda-nvrtc",
    "nvidia-nvjitlink",
)
"""What the extra `[cuda]` installs."""

REGISTERS: Final = 65536
"""Of a multiprocessor, for the threads of all its blocks."""

_FORMAT: Final = "netdsl cuda kernel 2"


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A compiled kernel: its code as text and as a cubin, and what a thread and a block of it use."""

    name: str
    ptx: str
    cubin: bytes
    registers: int
    spills: int
    """Bytes that a thread writes to memory, and reads again, because its registers do not hold them."""
    shared: int
    """Bytes of shared memory of a block."""


def versions() -> Mapping[str, str | None]:
    """Return the version of each package of the toolchain, None of one that is missing."""
    return {name: _version(name) for name in PACKAGES}


def check_packages() -> None:
    """Make sure that the toolchain is installed.

    Errors: E0963 where one of its packages is missing.
    """
    missing = [name for name, found in versions().items() if found is None]
    if missing:
        message = f"code for CUDA devices needs the package `{missing[0]}`, which is not installed"
        cure = "install it: pip install 'netdsl[cuda]'"
        raise DiagnosticError([Diagnostic("E0963", message, help=cure)])


def check_architecture(kernels: Iterable[Kernel], architecture: str) -> None:
    """Make sure that a kind of devices has what kernels need.

    Errors: E0967 where it has no matrix units for tf32 and bf16, and a kernel uses them.
    """
    if int(architecture[3:]) >= 80 or not any("= mma_" in each.text for each in kernels):
        return
    message = f"devices of {architecture} multiply matrices neither in tf32 nor in bf16"
    cure = "leave `precision` out, or take a device of sm_80 or newer"
    raise DiagnosticError([Diagnostic("E0967", message, help=cure)])


def compiled(kernel: CudaKernel, architecture: str) -> DeviceCode:
    """Return the code of a kernel, from the cache or made now.

    Errors: E0963 where a package of the toolchain is missing.
    """
    kinds = [each.kind for each in kernel.parameters]
    return compiled_text(kernel.text, kernel.name, kinds, kernel.threads, architecture)


def compiled_text(text: str, name: str, kinds: Sequence[str], threads: int, architecture: str) -> DeviceCode:
    """Return the code of a text that defines the function `name`; see `compiled`."""
    check_packages()
    key = _key(text, name, kinds, threads, architecture)
    kept = _cache()
    content = kept.read(key)
    if content is None:
        code = _compile(text, name, kinds, threads, architecture)
        kept.write(key, _packed(code))
        return code
    return _unpacked(content)


def is_kept(kernel: Kernel, architecture: str) -> bool:
    """Tell whether the code of a program's kernel is in the cache, or nothing can be kept there."""
    kept = _cache()
    key = _key(kernel.text, kernel.name, kernel.kinds, kernel.threads, architecture)
    return kept.folder is None or kept.read(key) is not None


@cache
def _cache() -> ObjectCache:
    return open_cache()


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _words_digest() -> str:
    from netdsl.kernels.cuda import instructions, matrix_words, shim

    digest = hashlib.sha256()
    for module in (shim, matrix_words, instructions):
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _key(text: str, name: str, kinds: Sequence[str], threads: int, architecture: str) -> str:
    about = [_FORMAT, text, name, list(kinds), threads, architecture, dict(versions()), _words_digest()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _packed(code: DeviceCode) -> bytes:
    head = {
        "name": code.name,
        "ptx": code.ptx,
        "registers": code.registers,
        "spills": code.spills,
        "shared": code.shared,
    }
    return json.dumps(head).encode() + b"\0" + code.cubin


def _unpacked(content: bytes) -> DeviceCode:
    head, _, cubin = content.partition(b"\0")
    return DeviceCode(cubin=cubin, **json.loads(head))


# ---- making code ------------------------------------------------------------------------------


def _compile(text: str, name: str, kinds: Sequence[str], threads: int, architecture: str) -> DeviceCode:
    """Compile and assemble a text; see `compiled_text`."""
    from numba import cuda

    function = _function(text, name)
    capability = int(architecture[3:-1]), int(architecture[-1])
    try:
        ptx, _ = cuda.compile(
            function, _signature(kinds), cc=capability, device=False, abi="numba", launch_bounds=threads
        )
    except Exception as error:
        error.add_note(f"in the kernel\n{text}")
        raise
    ptx = _renamed(ptx, name)
    code = _assembled(ptx, name, architecture)
    if 2 * threads * code.registers > REGISTERS:
        # A second block on a processor works while the first waits for memory. Tiles of 128 x 128 take 132
        # and 134 registers in convolutions, and 127 without a spill where they are asked to.
        again = _assembled(ptx.replace(".maxntid", ".minnctapersm 2\n.maxntid", 1), name, architecture)
        return code if again.spills else again
    return code


def _function(text: str, name: str) -> Any:
    """Return the function of a text. Its lines are kept where tracebacks look for them."""
    from netdsl.kernels.cuda.shim import WORDS

    file = f"<kernel {name} {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    words = dict(WORDS)
    exec(compile(text, file, "exec"), words)  # noqa: S102 - text that netdsl itself has written
    return words[name]


def _signature(kinds: Sequence[str]) -> Any:
    from numba.cuda import types

    known = {
        "float": types.CPointer(types.float32),
        "int": types.CPointer(types.int32),
        "bool": types.CPointer(types.int8),
        "long": types.CPointer(types.int64),
        "count": types.int64,
    }
    return types.void(*(known[each] for each in kinds))


def _renamed(ptx: str, name: str) -> str:
    """Call the entry by its own name, and leave out Numba's environment, which no kernel reads."""
    lines = [line for line in ptx.splitlines() if "NumbaEnv" not in line]
    found = re.search(r"\.entry\s+([\w$]+)\(", ptx)
    assert found is not None
    return "\n".join(lines).replace(found[1], name) + "\n"


def _assembled(ptx: str, name: str, architecture: str) -> DeviceCode:
    from cuda.core import Linker, LinkerOptions, ObjectCode

    options = LinkerOptions(arch=architecture, verbose=True, ptxas_options=["-v"])
    linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
    cubin = linker.link("cubin")
    return DeviceCode(name, ptx, bytes(cubin.code), *_usage(linker.get_info_log()))


def _usage(log: str) -> tuple[int, int, int]:
    """Return registers, bytes spilled and bytes of shared memory, as the assembler tells them."""
    registers = re.search(r"Used (\d+) registers", log)
    assert registers is not None, log
    spilled = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    shared = re.search(r"Used \d+ registers.*?(\d+) bytes smem", log)
    spills = int(spilled[1]) + int(spilled[2]) if spilled else 0
    return int(registers[1]), spills, int(shared[1]) if shared else 0

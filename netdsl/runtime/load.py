"""From kernels' text to running code, through kept object files; Numba is imported only to compile."""

import ast
import functools
import hashlib
import importlib.util
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm

from netdsl.garbage import left_alone
from netdsl.kernels.cpu.catalog import KERNELS, kernel_function, library_version
from netdsl.kernels.cpu.machine import machine
from netdsl.lazy_dataclass import dataclass
from netdsl.runtime.cache import ObjectCache, open_cache

PRELUDE: Final = "netdsl.kernels.cpu.prelude"

_addresses: Final[dict[str, int]] = {}
_engines: Final[list[Any]] = []


@dataclass(frozen=True, slots=True)
class Wanted:
    """A kernel to be loaded: what it depends on, its name, and the generated module that it stands in."""

    key: str
    name: str
    source: str | None = None

    def function(self) -> Callable[..., Any]:
        """Return its function, to be compiled."""
        if self.source is None:
            return kernel_function(self.name)
        found: Callable[..., Any] = _run(self.source)[self.name]
        return found

    def compiled(self, cache: ObjectCache) -> bytes:
        """Compile it, and keep it."""
        from netdsl.kernels.cpu.compilation import compile_kernel

        data = compile_kernel(self.function(), _symbol(self.key), unrolled=self.source is None)
        cache.write(self.key, data)
        return data


class Library(Mapping[str, int]):
    """The addresses of the hand-written kernels; one that is not on disk is compiled when asked for."""

    def __getitem__(self, name: str) -> int:
        """Return a kernel's address.

        Errors: KeyError for a name that is no kernel.
        """
        return addresses({name: _hand_written(name)}, open_cache())[name]

    def __iter__(self) -> Iterator[str]:
        return iter(KERNELS)

    def __len__(self) -> int:
        return len(KERNELS)

    def get_all(self, names: Sequence[str] = tuple(KERNELS)) -> dict[str, int]:
        """Return the addresses of several kernels, which is faster than one after the other."""
        return addresses({name: _hand_written(name) for name in names}, open_cache())


def library() -> Library:
    """Return the addresses of the hand-written kernels by name."""
    return Library()


def load(source: str, names: Sequence[str], hand_written: Sequence[str] = ()) -> dict[str, int]:
    """Return the addresses of kernels of a generated module, and of hand-written ones, all linked at once.

    The module is imports from the prelude and functions marked `@kernel`, each standing by itself. A kernel
    is kept under what it computes, its parameters and its body; comments and its name do not count.

    Errors: ValueError for a module of another form; KeyError for a name it has not.
    """
    kernels, lines = _kernels(source), source.split("\n")
    # What is written by hand is dearer, and each of two processes begins at an end of the list: where they
    # meet, both may compile the same kernel, which had better be a small one.
    half = len(hand_written) // 2
    wanted = {name: _hand_written(name) for name in hand_written[:half]}
    wanted |= {name: Wanted(_key(_essence(kernels[name], lines)), name, source) for name in names}
    wanted |= {name: _hand_written(name) for name in hand_written[half:]}
    return addresses(wanted, open_cache())


def addresses(wanted: Mapping[str, Wanted], cache: ObjectCache) -> dict[str, int]:
    """Return the addresses of kernels: loaded before, from the cache, or compiled (and kept) one by one."""
    missing = {each.key: each for each in wanted.values() if each.key not in _addresses}
    _link(_objects(missing, cache))
    return {name: _addresses[each.key] for name, each in wanted.items()}


def _objects(missing: Mapping[str, Wanted], cache: ObjectCache) -> dict[str, bytes]:
    """Return objects from the cache; those that are not there are compiled, many of them by two processes."""
    read = {key: cache.read(key) for key in missing}
    found = {key: data for key, data in read.items() if data is not None}
    absent = [each for key, each in missing.items() if key not in found]
    if absent:
        from netdsl.runtime.beside import beside

        with beside(absent, cache), left_alone():
            found |= {each.key: cache.read(each.key) or each.compiled(cache) for each in absent}
    return found


def _link(objects: Mapping[str, bytes]) -> None:
    """Make objects' code executable, until the process ends: launch lists hold addresses."""
    if not objects:
        return
    engine = _engine()
    for data in objects.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    _engines.append(engine)
    for key in objects:
        _addresses[key] = engine.get_function_address(_symbol(key))


def _engine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


def _symbol(key: str) -> str:
    return f"netdsl_{key}"


def surroundings() -> str:
    """Return what a compiled kernel depends on besides its own text."""
    return _surroundings(machine())


def _key(essence: str) -> str:
    """Return the digest of all that a compiled kernel depends on."""
    return hashlib.sha256(f"{surroundings()}\n{essence}".encode()).hexdigest()


@functools.cache
def _surroundings(target: Any) -> str:
    return "\n".join([_version_of("numba"), _version_of("llvmlite"), library_version(), repr(target)])


def _version_of(package: str) -> str:
    """Return the text of a package's version file, which is read sooner than the package's metadata."""
    found = importlib.util.find_spec(package)
    assert found is not None, f"{package} is not installed"
    return Path(str(found.origin)).with_name("_version.py").read_text(encoding="utf-8")


def _hand_written(name: str) -> Wanted:
    module = KERNELS[name]
    return Wanted(_key(f"{module}.{name}"), name)


def _kernels(source: str) -> dict[str, ast.FunctionDef]:
    """Return the functions of a generated module, having checked that it holds nothing else."""
    kernels = {}
    for statement in ast.parse(source).body:
        match statement:
            case ast.FunctionDef():
                kernels[statement.name] = statement
            case ast.ImportFrom(module=name) if name == PRELUDE:
                pass
            case ast.Expr(value=ast.Constant(value=str())):
                pass
            case _:
                raise ValueError(f"line {statement.lineno} of a generated module is no kernel")
    return kernels


def _essence(function: ast.FunctionDef, lines: Sequence[str]) -> str:
    """Return a kernel's text without its name, its docstring and lines of comments."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    text = lines[body[0].lineno - 1 : function.end_lineno] if body else []
    return "\n".join([ast.unparse(function.args), *(each for each in text if each.strip()[:1] != "#")])


@functools.cache
def _run(source: str) -> dict[str, Any]:
    module = types.ModuleType("netdsl_generated")
    exec(compile(source, "<generated kernels>", "exec"), module.__dict__)  # noqa: S102 (text made by lowering)
    return module.__dict__

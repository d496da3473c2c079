"""From a Python function to an object file: Numba types and lowers it, LLVM optimizes it, nothing is run.

Numba's own way would compile each kernel twice and add what only Python callers need. So its front end is
given a back end that keeps the module as it is; one pass of LLVM's pipeline for the chosen machine follows.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import codegen, compiler, types
from numba.core.compiler_lock import global_compiler_lock

from netdsl.kernels.cpu.elf import MAGIC, undefined_symbols
from netdsl.kernels.cpu.front_end import Pipeline, TargetContext, TypingContext
from netdsl.kernels.cpu.independence import annotated
from netdsl.kernels.cpu.machine import Machine, machine

ARGUMENTS: Final = 11

RAISES: Final = "netdsl_kernel_raises"
"""Called where a kernel would raise, and defined nowhere: what cannot raise is rid of it by the optimizer."""

ALLOWED: Final = frozenset({"sched_yield", "memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"})
"""What an object may ask of the C library. Its mathematics is not among them: bits must not depend on it."""


def compile_kernel(function: Callable[..., Any], symbol: str, *, unrolled: bool = True) -> bytes:
    """Compile a kernel into an object file that defines one symbol.

    Short loops are unrolled, unless that is unwanted: a loop over 16 lanes is a vector only as long as it is
    a loop.

    Errors: TypeError for a signature that is no kernel's; ValueError when the kernel can raise or calls what
    it may not; Numba's own errors for text that it cannot compile.
    """
    module = _lower(function, symbol)
    target = _target(machine())
    _optimize(module, target, unrolled=unrolled)
    data = bytes(target.emit_object(module))
    if data.startswith(MAGIC) and (strange := undefined_symbols(data) - ALLOWED):
        raise ValueError(f"kernel {function.__name__} may not call {', '.join(sorted(strange))}")
    return data


def assembly(function: Callable[..., Any], symbol: str = "kernel", *, unrolled: bool = True) -> str:
    """Return the assembly text of a kernel, for reading."""
    module = _lower(function, symbol)
    target = _target(machine())
    _optimize(module, target, unrolled=unrolled)
    return str(target.emit_assembly(module))


def _lower(function: Callable[..., Any], symbol: str) -> Any:
    """Return a module in which the kernel is the only visible function."""
    count = len(inspect.signature(function).parameters)
    if count > ARGUMENTS:
        raise TypeError(f"kernel {function.__name__} takes {count} arguments, more than {ARGUMENTS}")
    typing, context = _front_end(machine())
    words = (types.intp,) * count
    with global_compiler_lock:
        result = compiler.compile_extra(
            typing, context, function, words, types.void, _flags(), {}, pipeline_class=Pipeline
        )
    module = result.library.lowered
    module.link_in(llvm.parse_assembly(str(_entry(context, result.fndesc, symbol))))
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name != symbol:
            each.linkage = "internal"
    # Numba counts its compilations in this name; without it equal texts give equal objects.
    module.name = symbol
    return module


def _entry(context: Any, described: Any, symbol: str) -> Any:
    """Return a module with the function that launches call; one that can raise keeps a call of `RAISES`."""
    module = context.create_module(symbol)
    convention = context.call_conv
    body = ir.Function(
        module, convention.get_function_type(described.restype, described.argtypes), described.llvm_func_name
    )
    word = ir.IntType(64)
    entry = ir.Function(module, ir.FunctionType(ir.VoidType(), [word] * len(described.argtypes)), symbol)
    builder = ir.IRBuilder(entry.append_basic_block())
    status, _ = convention.call_function(
        builder, body, described.restype, described.argtypes, entry.args, attrs=("alwaysinline",)
    )
    with builder.if_then(status.is_error, likely=False):
        failure = ir.Function(module, ir.FunctionType(ir.VoidType(), []), RAISES)
        builder.call(failure, [])
    builder.ret_void()
    return module


def _optimize(module: Any, target: Any, *, unrolled: bool) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    options.loop_unrolling = unrolled
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)


def _flags() -> Any:
    flags = compiler.Flags()
    for name, value in (
        ("no_compile", True),
        ("no_cpython_wrapper", True),
        ("no_cfunc_wrapper", True),
        ("error_model", "numpy"),
    ):
        setattr(flags, name, value)
    return flags


@functools.cache
def _target(chosen: Machine) -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=chosen.cpu,
        features=chosen.features,
        opt=3,
        reloc="static" if chosen.x86 else "default",
        codemodel="jitdefault",
        jit=True,
    )


@functools.cache
def _front_end(chosen: Machine) -> tuple[Any, Any]:
    typing = TypingContext()
    context = TargetContext(typing, "cpu")
    back_end: Any = _BackEnd("netdsl", _target(chosen))
    context._internal_codegen = back_end
    return typing, context


class _Library(codegen.CPUCodeLibrary):
    """Collect the lowered modules of one kernel and leave them as they are."""

    @property
    def lowered(self) -> Any:
        """The module with all that the kernel calls."""
        return self._final_module

    def add_ir_module(self, ir_module: Any) -> None:
        """Take a module, its loops told to be parallel where the kernel says so."""
        module = llvm.parse_assembly(annotated(ir_module))
        module.name = ir_module.name
        module.verify()
        self.add_llvm_module(module)

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _BackEnd(codegen.CPUCodegen):
    """Stand where Numba keeps its just-in-time engine, and run nothing."""

    _library_class = _Library

    def __init__(self, name: str, target: Any) -> None:
        self._tm = target
        super().__init__(name)

    def _init(self, _: Any) -> None:
        self._engine: Any = None
        self._target_data = self._tm.target_data
        self._data_layout = str(self._target_data)

    def _add_module(self, _: Any) -> None:
        pass

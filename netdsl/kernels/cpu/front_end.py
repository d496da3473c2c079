"""Numba's front end with what kernels need of it: bytecode, types and LLVM instructions of whole numbers,
floats and addresses, nothing of arrays, strings, NumPy or Python objects.

Numba's own pipeline asks all that it has for arrays and strings about each operator, makes a second function
for callers in C, links its counts of references to each kernel, and has passes for what kernels never hold.
The 43 kernels of a convolutional network of seven layers took 4.4 s of the front end, and take 2.9; loading
what is left out took 0.2 s.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from numba.core import compiler, cpu, errors, types
from numba.core.compiler_machinery import PassManager
from numba.core.datamodel.models import OpaqueModel
from numba.core.datamodel.registry import register_default
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.typing.context import BaseContext
from numba.core.typing.templates import Registry, _OverloadAttributeTemplate, builtin_registry
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    InlineInlinables,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)


class EmittedType(types.Callable, types.Opaque):
    """The Numba type of one emitted function: its signature is fixed, its arguments are converted."""

    def __init__(self, name: str, signature: Any, generate: Callable[..., Any]) -> None:
        super().__init__(f"emitted({name}, {id(generate)})")
        self.called, self.signature, self.generate = name, signature, generate

    def get_call_type(self, context: Any, arguments: Sequence[Any], named: Any) -> Any:
        """Return the signature.

        Errors: TypingError for another number of arguments.
        """
        if named or len(arguments) != len(self.signature.args):
            given = f"{len(arguments)} arguments, not {len(self.signature.args)}"
            raise errors.TypingError(f"{self.called}: {given}")
        return self.signature

    def get_call_signatures(self) -> tuple[list[Any], bool]:
        """Return what Numba shows of it in messages."""
        return [self.signature], False

    def get_impl_key(self, signature: Any) -> Any:
        """Return what a context keeps its implementation under: none is kept."""
        return self


register_default(EmittedType)(OpaqueModel)


class TypingContext(BaseContext):
    """What kernels' expressions are typed by: Numba's operators of numbers, and `math`."""

    def __init__(self) -> None:
        super().__init__()
        self._resolved: dict[Any, Any] = {}

    def resolve_function_type(self, function: Any, arguments: Any, named: Any) -> Any:
        """Return the signature of a call. What two numbers are added by is looked up once, whatever their
        values are, where these are known."""
        if named or not isinstance(function, types.Function):
            return super().resolve_function_type(function, arguments, named)
        kinds = tuple(types.unliteral(each) for each in arguments)
        if not all(isinstance(each, types.Number | types.Boolean) for each in kinds):
            return super().resolve_function_type(function, arguments, named)
        if (function, kinds) not in self._resolved:
            self._resolved[function, kinds] = super().resolve_function_type(function, kinds, named)
        return self._resolved[function, kinds]

    def _load_builtins(self) -> None:
        if not self._registries:
            from numba.core.typing import builtins  # noqa: F401

            self.install_registry(_plain())


def _plain() -> Registry:
    """Return Numba's built-in typing without what it writes as overloads: each of those would wake all that
    Numba has for arrays and strings."""
    found = Registry()
    found.functions, found.globals = builtin_registry.functions, builtin_registry.globals
    found.attributes = [
        each for each in builtin_registry.attributes if not issubclass(each, _OverloadAttributeTemplate)
    ]
    return found


class TargetContext(cpu.CPUContext):
    """What kernels' expressions are lowered by."""

    def __init__(self, typing: TypingContext, target: str) -> None:
        super().__init__(typing, target)
        self._sizes: dict[Any, int] = {}

    def load_additional_registries(self) -> None:
        """Import what implements operators of numbers, loops over ranges, tuples and pointers."""
        from numba.cpython import builtins, mathimpl, numbers, rangeobj, tupleobj  # noqa: F401

        self.install_registry(mathimpl.registry)

    def post_lowering(self, module: Any, library: Any) -> None:
        """Add nothing: Numba would link its counts of references, of which kernels have none."""

    def get_abi_sizeof(self, kind: Any) -> int:
        """Return the bytes of an LLVM type. LLVM is asked once, as each question is a module for it: 0.16 ms,
        and there were 700 for 43 kernels."""
        if kind not in self._sizes:
            self._sizes[kind] = super().get_abi_sizeof(kind)
        return self._sizes[kind]

    def get_function(self, function: Any, signature: Any, _firstcall: bool = True) -> Any:
        """Return what emits a call; an emitted function brings it along."""
        if isinstance(function, EmittedType):
            return functools.partial(_emit, self, function.generate)
        return super().get_function(function, signature, _firstcall)


def _emit(context: Any, generate: Callable[..., Any], builder: Any, values: Any, loc: Any = None) -> Any:
    return generate(context, builder, values)


class Pipeline(compiler.CompilerBase):
    """Numba's passes that do something for a kernel, in its order."""

    def define_pipelines(self) -> list[Any]:
        """Return the one pipeline."""
        manager = PassManager("kernel")
        for each in _PASSES:
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


_PASSES: Final = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    GenericRewrites,
    InlineInlinables,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
)

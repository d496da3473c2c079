"""What the words of kernels are made of, as numba-cuda builds code: vectors, shared memory, PTX."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba.cuda import cgutils, types
from numba.cuda.extending import intrinsic

FLOAT: Final = ir.FloatType()
WORD: Final = ir.IntType(32)
HALF: Final = ir.IntType(16)

Signed = tuple[Any, Callable[..., Any]]
"""What an intrinsic returns: its signature, and what builds its code."""


def lane_number(number: int) -> Any:
    """Return a constant of 32 bits."""
    return ir.Constant(WORD, number)


def store_all(builder: Any, pointer: Any, index: Any, *parts: Any, align: int) -> None:
    """Write parts at once, as a vector, so many bytes aligned."""
    kind = ir.VectorType(parts[0].type, len(parts))
    vector = ir.Constant(kind, ir.Undefined)
    for lane, part in enumerate(parts):
        vector = builder.insert_element(vector, part, lane_number(lane))
    place = builder.bitcast(builder.gep(pointer, [index]), kind.as_pointer())
    builder.store(vector, place, align=align)


def shared(prefix: str, number: Any, element: Any) -> Any:
    """Make a word for an array in shared memory: `word(slot, count)`, both numbers that stand in the text."""

    @intrinsic
    def array_of(context: Any, slot: Any, count: Any) -> Signed | None:
        if not (isinstance(slot, types.Literal) and isinstance(count, types.Literal)):
            return None
        name, extent = f"{prefix}_{slot.literal_value}", count.literal_value

        def generate(context: Any, builder: Any, signature: Any, values: Sequence[Any]) -> Any:
            array = ir.ArrayType(element, extent)
            place = cgutils.add_global_variable(builder.module, array, name, 3)
            place.linkage, place.align = "internal", 16
            place.initializer = ir.Constant(array, ir.Undefined)
            return builder.addrspacecast(
                builder.gep(place, [lane_number(0), lane_number(0)]), element.as_pointer()
            )

        return types.CPointer(number)(slot, count), generate

    return array_of


def near_address(builder: Any, pointer: Any, index: Any) -> Any:
    """Return the address within shared memory, of 32 bits, of an element of an array there."""
    place = builder.gep(pointer, [index])
    return builder.ptrtoint(builder.addrspacecast(place, ir.PointerType(place.type.pointee, 3)), WORD)


def instruction(
    builder: Any, text: str, result: Any, values: Sequence[Any], letters: str, *, stays: bool = False
) -> Any:
    """Add an instruction of PTX; `letters` are the constraints of its results and values, in order.

    One that `stays` keeps its place among others of its kind: what all lanes of a warp do together, or what
    has an effect on memory.
    """
    function = ir.FunctionType(result, [each.type for each in values])
    return builder.call(ir.InlineAsm(function, text, letters, side_effect=stays), values)


def four_results(
    context: Any, builder: Any, signature: Any, text: str, kind: Any, values: Sequence[Any], letters: str
) -> Any:
    """Add an instruction of a whole warp with four results, which become a tuple."""
    made = instruction(builder, text, ir.LiteralStructType([kind] * 4), values, letters, stays=True)
    parts = [builder.extract_value(made, number) for number in range(4)]
    return context.make_tuple(builder, signature.return_type, parts)

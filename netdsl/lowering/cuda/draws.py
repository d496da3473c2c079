"""Random draws as lines of a kernel: the numbers that `netdsl.operations.philox` defines, from a place alone.

Each element works out the four words of its counter and takes its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from netdsl.lowering.cuda.lanes import once, piece_of
from netdsl.operations.philox import MULTIPLIERS, WEYL
from netdsl.program import Count

if TYPE_CHECKING:
    from netdsl.lowering.cuda.formulas import Formulas

_LOW: Final = "u64(4294967295)"
_STEP_24: Final = 2.0**-24


def draw(of: Formulas, name: str, about: tuple[str, str, str], place: Count) -> str:
    """Write the draw of an element, `uniform` or `gaussian`; return its variable. `about` are a name of its
    stream, its key and its step. Lanes take theirs from the same four words."""
    stream, key, step = about
    found = piece_of(of, place)
    block = f"u64({place if found is None else found[0]}) >> u64(2)"
    which = of.set("which", f"({place}) & 3") if found is None else str(found[1])
    stem = once(of, ("words", stream, block), "c", lambda stem: _write_words(of, stem, (key, step, block)))
    a, b, c, d = _names(stem)
    if name == "uniform":
        word = of.set(
            "word", f"({a} if {which} == 0 else {b}) if {which} < 2 else ({c} if {which} == 2 else {d})"
        )
        return of.set(name, f"f32({word} >> u64(8)) * f32({_STEP_24!r})")
    first, second = (of.set("word", f"{x} if {which} < 2 else {y}") for x, y in ((a, c), (b, d)))
    even = of.set("u", f"f32(({first} >> u64(8)) + u64(1)) * f32({_STEP_24!r})")
    turns = of.set("turns", f"f32({second} >> u64(8)) * f32({2 * _STEP_24!r})")
    radius = of.set("radius", f"sqrt32(f32(-2.0) * log32({even}))")
    return of.set(name, f"{radius} * (cospi32({turns}) if ({which} & 1) == 0 else sinpi32({turns}))")


def _names(stem: str) -> tuple[str, ...]:
    return tuple(f"{stem}_{number}" for number in range(4))


def _write_words(of: Formulas, stem: str, start: tuple[str, str, str]) -> None:
    """Write ten rounds of Philox4x32 from a key, a step and a block: the variables of its four words."""
    names = _names(stem)
    stems = "key", "step", "block"
    key, step, block = (of.set(stem, each) for stem, each in zip(stems, start, strict=True))
    k0, k1 = of.set("k", f"{key} & {_LOW}"), of.set("k", f"{key} >> u64(32)")
    starts = f"{block} & {_LOW}", f"{step} & {_LOW}", f"{block} >> u64(32)", "u64(0)"
    of.text.lines(f"{name} = {start}" for name, start in zip(names, starts, strict=True))
    c0, c1, c2, c3 = names
    depth = len(of.text.blocks)
    of.text.open(f"for {of.text.variable('round')} in range(10):")
    first = of.set("p", f"u64({int(MULTIPLIERS[0])}) * {c0}")
    second = of.set("p", f"u64({int(MULTIPLIERS[1])}) * {c2}")
    of.text.lines(
        [
            f"{c0} = (({second} >> u64(32)) ^ {c1}) ^ {k0}",
            f"{c2} = (({first} >> u64(32)) ^ {c3}) ^ {k1}",
            f"{c1} = {second} & {_LOW}",
            f"{c3} = {first} & {_LOW}",
            f"{k0} = ({k0} + u64({WEYL[0]})) & {_LOW}",
            f"{k1} = ({k1} + u64({WEYL[1]})) & {_LOW}",
        ]
    )
    of.text.close_to(depth)

"""How numbers are written: `3`, `0.5`, `1e-3`, `10%`, `50k`, `2M`, and the units that may follow."""

from typing import Final

# Each unit as it may be written, with the one spelling that the tree has.
UNITS: Final = {
    "epochs": "epochs",
    "epoch": "epochs",
    "steps": "steps",
    "step": "steps",
    "deg": "deg",
    "px": "px",
    "s": "s",
    "min": "min",
    "h": "h",
}
_SINGULAR = {"epochs": "epoch", "steps": "step"}
_SUFFIXES = {"%": -2, "k": 3, "M": 6}


def read_number(text: str) -> int | float:
    """Return the value of a number without its unit; inf where it is too large for a float."""
    shift = _SUFFIXES.get(text[-1], 0)
    digits = text.rstrip("%kM")
    if digits.isdecimal() and shift >= 0:
        return int(digits + "0" * shift)
    mantissa, _, exponent = digits.lower().partition("e")
    # Not 10.5 / 100: the decimal itself is what is rounded, once.
    return float(f"{mantissa}e{int(exponent or 0) + shift}")


def unit_word(unit: str, value: int | float) -> str:
    """Return how a unit is written after a value: `1 epoch`, `2 epochs`."""
    return _SINGULAR.get(unit, unit) if value == 1 else unit

"""The words of the language, and which of them can name something."""

from typing import Final

DEFINITIONS: Final = (
    "layer",
    "model",
    "loss",
    "penalty",
    "metric",
    "initializer",
    "optimizer",
    "schedule",
    "scaler",
)
SECTIONS: Final = ("data", "train", "search", "evaluate")
# These open a declaration, and are names everywhere else.
DECLARATIONS: Final = ("import", "param", *DEFINITIONS, *SECTIONS)
# These cannot name anything: what they begin would read in two ways.
RESERVED: Final = frozenset(
    ["if", "then", "else", "repeat", "in", "as", "and", "or", "not", "yes", "no", "return"]
)

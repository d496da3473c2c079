"""The digits that ship with netdsl: 1,797 of 8x8 pixels, the test part of UCI's optical recognition data."""

from pathlib import Path
from typing import Final

from netdsl.data.access import Access
from netdsl.data.arguments import read_arguments
from netdsl.data.content import Content, of_arrays
from netdsl.data.npz import read_arrays
from netdsl.semantics.experiment import SourcePlan
from netdsl.semantics.schema import FieldSchema

_FILE: Final = Path(__file__).with_name("digits.npz")
_FIELDS: Final = (
    FieldSchema("image", (8, 8, 1), range=(0.0, 16.0)),
    FieldSchema("label", (), "label", True, tuple("0123456789")),
)


def open_digits(plan: SourcePlan, access: Access) -> Content:
    """Open `digits()`: images of 8x8 pixels from 0 (white) to 16 (black), and the digit."""
    read_arguments(plan, ())
    arrays = read_arrays(_FILE, plan.span)
    return of_arrays(
        _FIELDS, {"image": arrays["image"], "label": arrays["label"].astype("int32")}, source="digit"
    )

"""Where examples come from: sources, splits, batches."""

from netdsl.data.batches import order
from netdsl.data.dataset import Dataset, open_data

__all__ = ["Dataset", "open_data", "order"]

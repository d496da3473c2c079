"""From a tree and the schema of the data to a graph and an experiment."""

from netdsl.semantics.elaborate import elaborate, mistakes, plan_data
from netdsl.semantics.files import Files, load_files
from netdsl.semantics.resolved import resolved_text

__all__ = ["Files", "elaborate", "load_files", "mistakes", "plan_data", "resolved_text"]

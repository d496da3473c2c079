"""From a tree and the schema of the data to a graph and an experiment."""

from netdsl.semantics.elaborate import elaborate, mistakes, plan_data
from netdsl.semantics.files import Files, load_files
from netdsl.semantics.resolved import resolved_text
from netdsl.semantics.survey import Survey, data_wanted, survey

__all__ = [
    "Files",
    "Survey",
    "data_wanted",
    "elaborate",
    "load_files",
    "mistakes",
    "plan_data",
    "resolved_text",
    "survey",
]

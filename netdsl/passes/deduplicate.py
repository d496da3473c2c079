"""`deduplicate`: one node for what is computed more than once."""

from netdsl.graph import Graph
from netdsl.passes.rewriting import Sharing, rebuild


def deduplicate(graph: Graph) -> Graph:
    """Merge equal nodes; the first of them, with its place in the text, stays.

    Random draws are equal only where their streams are, that is, where they are the same draw.
    """
    return rebuild(graph, Sharing())

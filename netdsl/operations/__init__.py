"""The operations of the graph, each defined in one place."""

"""From a tree and the schema of the data to a graph and an experiment."""

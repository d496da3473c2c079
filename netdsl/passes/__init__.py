"""The compiler passes, each from graph to graph."""

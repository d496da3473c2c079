"""From a file to a trained network, and back from a run: the one path that commands and Python share."""

"""netdsl beside its peers: the same work, in turns, on this machine. `python benchmarks` tells how."""

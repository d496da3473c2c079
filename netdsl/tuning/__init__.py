"""Search, k-fold and ensembles."""

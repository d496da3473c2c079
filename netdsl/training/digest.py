"""One number that tells whether two trainings gave the same weights, bit for bit."""

import hashlib

import numpy as np

from netdsl.training.executable import Values


def digest(values: Values) -> str:
    """Return the SHA-256 of all weights in the order of their names: name, shape and float32 bytes of each.

    Moving averages and fitted figures count as weights; the states of optimizers (`path@state`) do not.
    """
    total = hashlib.sha256()
    for name in sorted(each for each in values if "@" not in each):
        array = np.ascontiguousarray(values[name], dtype="<f4")
        total.update(f"{name}{list(array.shape)}".encode())
        total.update(array.tobytes())
    return total.hexdigest()

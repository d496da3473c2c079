"""Philox4x32-10, the counter-based generator that all random draws come from.

Every draw is a function of (seed, stream, step, index): nothing depends on threads, batches or devices.

- The stream's hash h is BLAKE2b with a digest of 8 bytes of its name in UTF-8, read as a little-endian
  number. The key is h XOR seed, the seed as a 64-bit number: first its low 32 bits, then its high ones.
- The counter is (low 32 bits of index // 4, step, high 32 bits of index // 4, attempt), index counting the
  elements in row-major order, attempt being 0 except for `truncated`. An element is made of word index % 4.
- uniform: (word >> 8) * 2^-24.
- gaussian: of the words (a, b) at the even and odd places, u = ((a >> 8) + 1) * 2^-24, v = (b >> 8) * 2^-24,
  r = sqrt(-2 ln u): the element at the even place is r cos(2 pi v), that at the odd one r sin(2 pi v).
- truncated: the gaussian of the first attempt (0, 1, …) within 2 of 0, for each element on its own.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

_ROUNDS = 10
MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MASK = 0xFFFFFFFF

PIECE = 4096
"""Counters at a time, so that what is between their words stays in the second cache: half the time."""


def stream_hash(stream: str) -> int:
    """Return the 64-bit number that a stream's name stands for."""
    return int.from_bytes(blake2b(stream.encode(), digest_size=8).digest(), "little")


def key(seed: int, stream: str) -> tuple[int, int]:
    """Return the two words of the generator's key."""
    mixed = stream_hash(stream) ^ (seed & 0xFFFFFFFFFFFFFFFF)
    return mixed & _MASK, mixed >> 32


def philox(counters: tuple[np.ndarray, ...], words: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Return four random words for each counter.

    Shapes: four arrays of uint64 below 2^32, of one shape; so is the result.
    """
    c0, c1, c2, c3 = counters
    k0, k1 = words
    for _ in range(_ROUNDS):
        first, second = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (second >> _HALF) ^ c1 ^ np.uint64(k0),
            second & _LOW,
            (first >> _HALF) ^ c3 ^ np.uint64(k1),
            first & _LOW,
        )
        k0, k1 = (k0 + WEYL[0]) & _MASK, (k1 + WEYL[1]) & _MASK
    return c0, c1, c2, c3


def words(count: int, stream: str, seed: int, step: int, attempt: int = 0) -> np.ndarray:
    """Return the words of so many elements, as uint64, a multiple of four of them."""
    made = np.empty((-(-count // 4), 4), np.uint64)
    for first in range(0, len(made), PIECE):
        blocks = np.arange(first, min(first + PIECE, len(made)), dtype=np.uint64)
        constant = [np.full_like(blocks, value) for value in (step & _MASK, attempt)]
        four = philox((blocks & _LOW, constant[0], blocks >> _HALF, constant[1]), key(seed, stream))
        for place, each in enumerate(four):
            made[first : first + len(blocks), place] = each
    return made.reshape(-1)


def uniform(count: int, stream: str, seed: int, step: int) -> np.ndarray:
    """Return numbers in [0, 1), each a multiple of 2^-24."""
    return (words(count, stream, seed, step)[:count] >> np.uint64(8)) * 2.0**-24


def gaussian(count: int, stream: str, seed: int, step: int, attempt: int = 0) -> np.ndarray:
    """Return numbers of mean 0 and standard deviation 1, by Box and Muller."""
    fractions = (words(count, stream, seed, step, attempt) >> np.uint64(8)).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log((fractions[:, 0] + np.uint64(1)) * 2.0**-24))
    angle = 2 * np.pi * (fractions[:, 1] * 2.0**-24)
    made = np.empty(fractions.shape)
    np.multiply(radius, np.cos(angle), out=made[:, 0])
    np.multiply(radius, np.sin(angle), out=made[:, 1])
    return made.reshape(-1)[:count]


def truncated(count: int, stream: str, seed: int, step: int) -> np.ndarray:
    """Return numbers of a standard normal distribution cut off at -2 and 2."""
    result = gaussian(count, stream, seed, step)
    attempt = 0
    while np.any(outside := np.abs(result) > 2):
        attempt += 1
        result = np.where(outside, gaussian(count, stream, seed, step, attempt), result)
    return result

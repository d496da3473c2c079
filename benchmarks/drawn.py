"""Draws the data of the workloads that no data set fits, always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz .\n"


def pictures(file: Path, rows: int = 4000) -> None:
    """Write pictures of ten classes: noise upon a pattern of the class."""
    draw = np.random.default_rng(0)
    label = draw.integers(0, 10, rows).astype(np.int32)
    patterns = draw.normal(size=(10, 32, 32, 3))
    image = draw.normal(size=(rows, 32, 32, 3)) + 0.2 * patterns[label]
    np.savez(file, image=image.astype(np.float32), label=label)


def table(file: Path, rows: int = 8000) -> None:
    """Write rows of 30 numbers of two classes, which a plane nearly parts."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 30)).astype(np.float32)
    label = x @ draw.normal(size=30) + draw.normal(size=rows) > 0
    np.savez(file, x=x, label=label.astype(np.int32))


def signals(file: Path, rows: int = 16000) -> None:
    """Write vectors of 64 numbers and what a mild function makes of each."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 64)).astype(np.float32)
    t = np.sin(x @ draw.normal(size=(64, 64)) / 8)
    np.savez(file, x=x, t=t.astype(np.float32))


def text(file: Path, characters: int = 400_000) -> None:
    """Write a text in which each letter makes some others likely."""
    draw = np.random.default_rng(0)
    likely = draw.permutation(len(LETTERS))
    steps = np.where(draw.random(characters) < 0.7, 0, draw.integers(0, len(LETTERS), characters))
    found, now = [], 0
    for step in steps:
        now = int(likely[(now + step) % len(LETTERS)])
        found.append(LETTERS[now])
    file.write_text("".join(found), encoding="utf-8")


DRAWN = {
    "w4": ("w4.npz", table),
    "w6": ("w6.npz", pictures),
    "w7": ("w7.npz", pictures),
    "w8": ("w8.txt", text),
    "w9": ("w9.txt", text),
    "w10": ("w10.npz", pictures),
    "w11": ("w11.npz", signals),
}


def draw_data(name: str, folder: Path) -> None:
    """Write the data of a workload into a folder, unless they are there."""
    if name in DRAWN:
        file, write = DRAWN[name]
        if not (folder / file).exists():
            write(folder / file)

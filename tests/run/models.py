"""Small files that train in a moment."""

from pathlib import Path

DIGITS = """\
param lr    = 0.01 in 1e-5 .. 1e6 log
param units = 16

data digits {
    source = digits()
    split  = (train=300, valid=100, test=100)
    scale  = divide(16)
}

model mlp(image: [8, 8, 1]) = image -> flatten -> dense(units) -> relu -> dropout(10%) -> dense(10) -> softmax

train {
    model     = mlp
    data      = digits
    loss      = cross_entropy + 1e-4 * l2(weights)
    optimizer = adam(lr)
    batch     = 32
    epochs    = 4
    metrics   = [accuracy, confusion]
    seed      = 1
}
"""

FLOWERS = """\
model species(x: [4], soil: [3]) {
    return concat(x, soil) -> dense(8) -> tanh -> dense(3) -> softmax
}

data flowers {
    source  = csv("flowers.csv", target=kind, inputs=(x=[a, b, c, d], soil=[soil]))
    split   = (train=60%, valid=20%, test=20%)
    scale   = (x=zscore)
    missing = mean
}

train {
    model     = species
    data      = flowers
    loss      = cross_entropy
    optimizer = adam(0.02)
    batch     = 16
    epochs    = 10
    metrics   = [accuracy]
}
"""

RAVINE = """\
model ravine() {
    p = weight([2], constant([3, 2]))
    return sum(p^2 * [1, 20])
}

train {
    model     = ravine
    optimizer = momentum(lr=0.01)
    steps     = 300
}
"""


def write_digits(folder: Path, **changes: str) -> Path:
    """Write the digits' file, with texts in it replaced: `epochs="40"`."""
    text = DIGITS
    for name, value in changes.items():
        before = next(line for line in text.splitlines() if line.split("=")[0].strip() == name)
        text = text.replace(before, f"    {name} = {value}")
    path = folder / "digits.net"
    path.write_text(text)
    return path


def write_flowers(folder: Path) -> Path:
    """Write a table of flowers, with a category and a missing cell, and the file that learns it."""
    rows = ["a,b,c,d,soil,kind"]
    kinds, soils = ("iris", "lily", "rose"), ("clay", "loam", "sand")
    for number in range(120):
        kind = number % 3
        cells = [f"{kind + ((number * step) % 7) / 10:.2f}" for step in (3, 5, 11, 13)]
        cells[1] = "" if number == 40 else cells[1]
        rows.append(",".join([*cells, soils[(number * 17 // 5) % 3], kinds[kind]]))
    (folder / "flowers.csv").write_text("\n".join(rows) + "\n")
    path = folder / "flowers.net"
    path.write_text(FLOWERS)
    return path

"""Bytes changed at random, as a careless copy or a hostile hand would."""

import random
from collections.abc import Iterator


def mutations(content: bytes, count: int, seed: int = 1) -> Iterator[bytes]:
    draw = random.Random(seed)
    for _ in range(count):
        yield _changed(content, draw)


def _changed(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        # The beginning of a file, where its header stands, is changed as often as all the rest.
        place = (
            draw.randrange(min(len(data), 200))
            if draw.random() < 0.5 and data
            else draw.randrange(len(data) + 1)
        )
        match draw.randrange(6):
            case 0 if place < len(data):
                data[place] ^= 1 << draw.randrange(8)
            case 1 if place < len(data):
                data[place] = draw.choice((0, 255, 127, draw.randrange(256)))
            case 2:
                del data[place : place + draw.randrange(1, 40)]
            case 3 if data:
                data[place:place] = data[draw.randrange(len(data)) :][: draw.randrange(1, 40)]
            case 4:
                del data[place:]
            case _:
                data[place : place + 4] = draw.choice(
                    (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"nan,", b'"\n,1')
                )
    return bytes(data)

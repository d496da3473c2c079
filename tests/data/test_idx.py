import gzip
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from netdsl.data.idx import read_header, read_idx
from netdsl.diagnostics import DiagnosticError
from tests.data.mutations import mutations
from tests.data.plans import opened, plan, refused, source, split, text_of

TYPES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx(array: np.ndarray, kind: str = "u1") -> bytes:
    header = bytes([0, 0, TYPES[kind], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(f">{kind}").tobytes()


def write_set(
    folder: Path, *, rows: int = 6, test: int = 3, packed: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    image = np.arange(rows * 12, dtype=np.uint8).reshape(rows, 4, 3)
    label = np.arange(rows, dtype=np.uint8) % 3
    for stem, count in (("train", rows), ("t10k", test)):
        for name, content in (("images-idx3", image[:count]), ("labels-idx1", label[:count])):
            data = idx(content)
            ending = "-ubyte.gz" if packed else "-ubyte"
            (folder / f"{stem}-{name}{ending}").write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return image, label


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("packed", [True, False])
def test_arrays_are_read(tmp_path: Path, kind: str, packed: bool) -> None:
    array = np.arange(24).reshape(2, 3, 4)
    data = idx(array, kind)
    (tmp_path / "a").write_bytes(gzip.compress(data, mtime=0) if packed else data)
    found = read_idx(tmp_path / "a")
    assert (found == array).all()
    assert found.dtype == {"u": np.uint8, "i": np.int32, "f": np.float32}[kind[0]]
    assert read_header(tmp_path / "a").shape == (2, 3, 4)


def test_a_file_larger_than_one_piece(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 256, (3000, 30, 30), np.uint8)
    for name, data in (("plain", idx(array)), ("packed", gzip.compress(idx(array), 1, mtime=0))):
        (tmp_path / name).write_bytes(data)
        assert (read_idx(tmp_path / name) == array).all()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[:-1], "and 23 follow"),
        (lambda data: data + b"x", "more in it"),
        (lambda data: data[:7], "ends in its header"),
        (lambda data: b"", "does not begin"),
        (lambda data: b"PK" + data[2:], "does not begin"),
        (lambda data: data[:2] + b"\x0a" + data[3:], "does not begin"),
        (lambda data: data[:4] + b"\xff\xff\xff\xff" + data[8:], "more than can be in it"),
        (lambda data: gzip.compress(data, mtime=0)[:-9], "ends in the middle"),
        (lambda data: gzip.compress(data, mtime=0) + b"x", "behind its end"),
        (
            lambda data: gzip.compress(data, mtime=0)[:20] + b"\0" + gzip.compress(data, mtime=0)[21:],
            "damaged",
        ),
        (lambda data: gzip.compress(data[:-1], mtime=0), "and 23 follow"),
    ],
)
def test_damaged_files(tmp_path: Path, change: object, told: str) -> None:
    assert callable(change)
    (tmp_path / "a").write_bytes(change(idx(np.zeros((2, 3, 4), np.uint8))))
    found = refused(lambda: read_idx(tmp_path / "a"))
    assert found.code == "E0527"
    assert told in found.message


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(idx(np.array([[1.0], [1e300]]), "f8"))
    assert "row 2" in refused(lambda: read_idx(tmp_path / "a")).message


def test_a_bomb_takes_little_memory(tmp_path: Path) -> None:
    """10 KiB that would unpack to 10 MiB, or claim to: what is claimed is not allocated."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = engine.compress(b"\0" * 10_000_000) + engine.flush()
    header = bytes([0, 0, 8, 3]) + np.array([2**31, 2**20, 2**20], ">u4").tobytes()
    for content in (packed, header + b"\0" * 100, gzip.compress(header + b"\0" * 1000, mtime=0)):
        (tmp_path / "a").write_bytes(content)
        tracemalloc.start()
        assert refused(lambda: read_idx(tmp_path / "a")).code == "E0527"
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 20_000_000


@pytest.mark.parametrize("packed", [True, False])
def test_changed_files_end_in_a_message_or_whole(tmp_path: Path, packed: bool) -> None:
    array = np.random.default_rng(1).integers(0, 4, (10, 5, 5), np.uint8)
    content = gzip.compress(idx(array), mtime=0) if packed else idx(array)
    refusals = 0
    for changed in mutations(content, 500):
        (tmp_path / "a").write_bytes(changed)
        try:
            found = read_idx(tmp_path / "a")
        except DiagnosticError as error:
            refusals += error.diagnostics[0].code == "E0527"
        else:
            assert not packed or (found == array).all(), "gzip has a checksum"
    assert refusals > 200


# ---- the source `idx` -------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [True, False])
def test_a_folder_of_images(tmp_path: Path, packed: bool) -> None:
    image, label = write_set(tmp_path, packed=packed)
    data = opened(plan(source("idx", ".")), tmp_path)
    assert dict(data.schema.rows) == {"train": 6, "test": 3}
    fields = data.schema.fields
    assert [(each.name, each.shape, each.kind, each.target) for each in fields] == [
        ("image", (4, 3, 1), "number", False),
        ("label", (), "label", True),
    ]
    assert fields[0].range == (0, 255)
    assert fields[1].classes == ("0", "1", "2")
    part = data.part("train")
    assert part["image"].dtype == np.uint8
    assert part["label"].dtype == np.int32
    assert (part["image"][..., 0] == image).all()
    assert (part["label"] == label).all()


def test_files_by_name(tmp_path: Path) -> None:
    image, _ = write_set(tmp_path)
    (tmp_path / "a.idx").write_bytes(idx(image / 2.0, "f4"))
    (tmp_path / "b.idx").write_bytes(idx(np.array([0, 1, 5, 0, 0, 0]), "i4"))
    data = opened(plan(source("idx", images="a.idx", labels="b.idx")), tmp_path)
    assert data.schema.fields[1].classes == tuple("012345")
    assert data.schema.fields[0].range is None
    assert data.part("train")["image"].dtype == np.float32
    assert "test" not in data.schema.rows


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"images": "a"}, "E0522"),
        ({}, "E0522"),
        (
            {
                "images": "train-images-idx3-ubyte.gz",
                "labels": "train-labels-idx1-ubyte.gz",
                "test_images": "x",
            },
            "E0522",
        ),
        ({"images": "none", "labels": "none"}, "E0523"),
        ({"images": "train-labels-idx1-ubyte.gz", "labels": "train-labels-idx1-ubyte.gz"}, "E0527"),
        ({"images": "train-images-idx3-ubyte.gz", "labels": "t10k-labels-idx1-ubyte.gz"}, "E0539"),
        ({"images": "train-images-idx3-ubyte.gz", "labels": "below.idx"}, "E0537"),
        ({"images": "train-images-idx3-ubyte.gz", "labels": "large.idx"}, "E0540"),
        ({"images": "train-images-idx3-ubyte.gz", "labels": "half.idx"}, "E0537"),
    ],
)
def test_arguments_and_files_that_do_not_fit(tmp_path: Path, named: dict[str, str], code: str) -> None:
    write_set(tmp_path)
    (tmp_path / "below.idx").write_bytes(idx(np.array([0, 1, -1, 0, 0, 0]), "i4"))
    (tmp_path / "large.idx").write_bytes(idx(np.array([0, 1, 2**31 - 1, 0, 0, 0]), "i4"))
    (tmp_path / "half.idx").write_bytes(idx(np.array([0, 1, 0.5, 0, 0, 0]), "f4"))
    assert refused(lambda: opened(plan(source("idx", **named)), tmp_path)).code == code


def test_a_folder_that_lacks_a_file(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    found = refused(lambda: opened(plan(source("idx", ".")), tmp_path))
    assert found.code == "E0523"
    assert "t10k-labels" in text_of(found)
    assert (
        refused(lambda: opened(plan(source("idx", "train-images-idx3-ubyte.gz")), tmp_path)).code == "E0523"
    )


def test_the_split_of_a_set_with_a_test_part(tmp_path: Path) -> None:
    image, _ = write_set(tmp_path)
    data = opened(plan(source("idx", "."), split({"train": 4, "valid": 2, "test": 2})), tmp_path)
    rows = np.sort(np.concatenate([data.rows("train"), data.rows("valid")]))
    assert rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert (data.part("valid")["image"][..., 0] == image[data.rows("valid")]).all()
    assert len(data.part("test")["label"]) == 2
    assert "t10k" in data.place("test", 0)

import io
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netdsl.data import Dataset
from netdsl.data.npz import read_array, read_arrays
from netdsl.diagnostics import DiagnosticError
from tests.data.mutations import mutations
from tests.data.plans import opened, plan, refused, source, text_of

X = np.linspace(-1, 1, 24).reshape(6, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2], np.int64)


def write(folder: Path, file: str = "f.npz", /, **arrays: np.ndarray) -> None:
    np.savez_compressed(folder / file, **arrays)  # type: ignore[arg-type]


def loaded(folder: Path, *, name: str = "f.npz", **named: Any) -> Dataset:
    return opened(plan(source("npz", name, **named)), folder)


def test_each_array_is_a_field(tmp_path: Path) -> None:
    write(tmp_path, x=X, pixels=np.zeros((6, 3), np.uint8), y=Y, z=np.asfortranarray(X[:, 0]), f=Y > 0)
    data = loaded(tmp_path, label="y", target=("z",))
    kinds = {each.name: (each.shape, each.kind, each.target, each.range) for each in data.schema.fields}
    assert kinds == {
        "x": ((2, 2), "number", False, None),
        "pixels": ((3,), "number", False, (0, 255)),
        "y": ((), "label", True, None),
        "z": ((2,), "number", True, None),
        "f": ((), "number", False, None),
    }
    part = data.part("train")
    assert (part["x"] == X.astype(np.float32)).all()
    assert (part["z"] == X[:, 0].astype(np.float32)).all()
    assert (part["y"] == Y).all()
    assert part["y"].dtype == np.int32
    assert part["pixels"].dtype == np.uint8
    assert data.schema.fields[2].classes == ("0", "1", "2")


def test_a_test_file(tmp_path: Path) -> None:
    write(tmp_path, x=X, y=Y)
    write(tmp_path, "g.npz", x=X[:2], y=np.array([3, 0]))
    data = loaded(tmp_path, label="y", test="g.npz")
    assert dict(data.schema.rows) == {"train": 6, "test": 2}
    assert data.schema.fields[1].classes == ("0", "1", "2", "3")
    write(tmp_path, "g.npz", x=X[:2, 0], y=np.array([3, 0]))
    assert refused(lambda: loaded(tmp_path, label="y", test="g.npz")).code == "E0539"


@pytest.mark.parametrize(
    ("arrays", "named", "code", "told"),
    [
        ({"x": X, "y": Y}, {"label": "z"}, "E0533", "its arrays are"),
        ({"x": X, "y": Y}, {"label": "y", "target": "y"}, "E0522", "not both"),
        ({"x": X, "y": Y[:5]}, {}, "E0539", "6 rows, and `y` has 5"),
        ({"x": X, "y": Y - 1}, {"label": "y"}, "E0537", "count from 0"),
        ({"x": X, "y": Y / 2}, {"label": "y"}, "E0537", "whole number"),
        ({"x": X, "y": X}, {"label": "y"}, "E0537", "whole number"),
        ({"x": X, "y": Y * 10**9}, {"label": "y"}, "E0540", "the largest"),
        ({"x": np.array([1.0, np.nan])}, {}, "E0531", "`x`, row 2 has nan"),
        ({"x": np.array([1.0, 1e39])}, {}, "E0531", "row 2"),
        ({"x": np.array(3.0)}, {}, "E0538", "single number"),
        ({"x": np.array(["a"])}, {}, "E0538", "only numbers"),
        ({"x": np.array([1j])}, {}, "E0538", "only numbers"),
        ({"x": np.zeros((0, 2))}, {}, "E0543", "no rows"),
    ],
)
def test_arrays_that_do_not_fit(
    tmp_path: Path, arrays: dict[str, np.ndarray], named: dict[str, Any], code: str, told: str
) -> None:
    write(tmp_path, **arrays)
    found = refused(lambda: loaded(tmp_path, **named).part("train"))
    assert found.code == code
    assert told in text_of(found)
    assert found.primary is not None
    if code in {"E0531", "E0537", "E0539", "E0543"}:
        assert found.help


def test_python_objects_are_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("a pickle was read",))

    np.savez(tmp_path / "f.npz", x=np.array([Trap()], object))
    found = refused(lambda: loaded(tmp_path))
    assert found.code == "E0538"
    assert "never read" in found.message


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"x,y\n1,2\n", b"\x93NUMPY"])
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.npz").write_bytes(content)
    assert refused(lambda: loaded(tmp_path)).code == "E0538"


def archive(headers: dict[str, tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened_archive:
        for name, (header, data) in headers.items():
            text = header.encode()
            start = b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text
            opened_archive.writestr(name, start + data)
    return stream.getvalue()


def header(shape: str, dtype: str = "<f8") -> str:
    return f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "text",
    [
        header("(99999999999, 99999999999)"),
        header("(3,)"),
        header("(-3,)"),
        header("(1" + "0" * 5000 + ",)"),
        header("(2,)", "|O"),
        header("(2,)", "<X8"),
        header("(2,)", "<f99"),
        header("(2,)", "[('a', '<f4')]"),
        header("(2,)").replace("False", "__import__('os').system('false')"),
        "(" * 5000,
        "",
    ],
)
def test_headers_are_matched_not_evaluated(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.npz").write_bytes(archive({"x.npy": (text, b"\0" * 16)}))
    assert refused(lambda: loaded(tmp_path).part("train")).code == "E0538"


def test_bombs_take_little_memory(tmp_path: Path) -> None:
    large = archive({"x.npy": (header("(1250000,)"), b"\0" * 10_000_000)})
    assert len(large) < 20_000
    (tmp_path / "f.npz").write_bytes(large)
    tracemalloc.start()
    assert loaded(tmp_path).part("train")["x"].shape == (1_250_000,)
    claimed = archive({f"x{each}.npy": (header("(99999999999,)"), b"") for each in range(100)})
    (tmp_path / "f.npz").write_bytes(claimed)
    refused(lambda: loaded(tmp_path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000_000


def test_changed_archives_end_in_a_message_or_in_numbers(tmp_path: Path) -> None:
    write(tmp_path, x=X, y=Y)
    good, codes = 0, set[str]()
    for changed in mutations((tmp_path / "f.npz").read_bytes(), 500):
        (tmp_path / "g.npz").write_bytes(changed)
        try:
            part = loaded(tmp_path, name="g.npz", label="y").part("train")
        except DiagnosticError as error:
            codes |= {each.code for each in error.diagnostics}
        else:
            good += 1
            assert (part["x"] == X.astype(np.float32)).all()
    assert good
    assert "E0538" in codes
    assert all(code.startswith("E05") for code in codes)


def test_single_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    assert (read_array(tmp_path / "a.npy") == X.astype(np.float32)).all()
    write(tmp_path, x=X, y=Y)
    assert read_arrays(tmp_path / "f.npz")["y"].dtype == np.float32
    for changed in mutations((tmp_path / "a.npy").read_bytes(), 500, seed=2):
        (tmp_path / "b.npy").write_bytes(changed)
        try:
            assert np.isfinite(read_array(tmp_path / "b.npy")).all()
        except DiagnosticError:
            continue

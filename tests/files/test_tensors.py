import hashlib
import io
import json
import random
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from netdsl.diagnostics import DiagnosticError
from netdsl.files import read_tensors, write_tensors
from netdsl.files.tensors import decode_tensors, encode_tensors
from tests.files.faults import outcome

ARRAYS: dict[str, np.ndarray] = {
    "mlp/dense_1/w": np.arange(12, dtype=np.float32).reshape(3, 4),
    "mlp/dense_1/w@m": np.full((3, 4), np.nan, np.float32),
    "counter": np.array([1, -(2**60)], np.int64),
    "seed": np.array(3, np.int64),
    "empty": np.zeros((0, 5), np.float32),
    "exact": np.array([0.1], np.float64),
}
METADATA = {"format": "netdsl-1", "net": 'param lr = 0.1 # "λ"\n'}
PICKLE = b"\x80\x04}\x94\x8c\x01w\x94K\x01s."
PATH = Path("best.safetensors")


def same(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> bool:
    return metadata == METADATA and {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()
    } == {name: (array.dtype, array.shape, array.tobytes()) for name, array in ARRAYS.items()}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / PATH, ARRAYS, METADATA)
    assert same(*read_tensors(tmp_path / PATH))


def test_the_file_is_safetensors() -> None:
    found = load_safetensors(encode_tensors(ARRAYS, METADATA))
    assert {name: array.tobytes() for name, array in found.items()} == {
        name: array.tobytes() for name, array in ARRAYS.items()
    }


def test_the_bytes_depend_on_the_content_alone() -> None:
    turned = dict(reversed(ARRAYS.items()))
    strided = {name: np.asfortranarray(array) if array.ndim else array for name, array in turned.items()}
    assert encode_tensors(strided, dict(reversed(METADATA.items()))) == encode_tensors(ARRAYS, METADATA)


def test_arrays_of_other_kinds_and_reserved_texts_are_bugs_of_ours() -> None:
    with pytest.raises(ValueError, match="float16"):
        encode_tensors({"w": np.zeros(3, np.float16)}, {})
    with pytest.raises(ValueError, match="reserved"):
        encode_tensors({}, {"netdsl.sha256.header": ""})


def torch_file() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model/data.pkl", PICKLE)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PICKLE, "Python pickle"),
        (torch_file(), "PyTorch archive with a Python pickle"),
        (b"\x89HDF\r\n\x1a\n" + b"0" * 100, "HDF5"),
        (b"\x93NUMPY" + b"0" * 100, "NumPy array"),
        (b"", "an empty file"),
        (b"model m { }", "not a weights file"),
        ((2**63).to_bytes(8, "little") + b"{}", "not a weights file"),
    ],
)
def test_other_kinds_of_files_are_named(content: bytes, told: str) -> None:
    with pytest.raises(DiagnosticError, match=told) as caught:
        decode_tensors(content, PATH)
    assert caught.value.diagnostics[0].code == "E0810"


def test_a_file_without_checksums_is_told() -> None:
    with pytest.raises(DiagnosticError) as caught:
        decode_tensors(save_safetensors({"w": np.zeros(3, np.float32)}, {"format": "pt"}), PATH)
    assert caught.value.diagnostics[0].code == "E0812"


def with_header(change: dict[str, object]) -> bytes:
    content = encode_tensors(ARRAYS, METADATA)
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header.update(change)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": {"dtype": "I64", "shape": [-1], "data_offsets": [16, 24]}},
        {"seed": {"dtype": "I64", "shape": [2**62, 2**62], "data_offsets": [16, 24]}},
        {"seed": {"dtype": "F16", "shape": [], "data_offsets": [16, 24]}},
        {"seed": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}},
        {"seed": None},
        {"other": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]}},
        {"__metadata__": {}},
        {"__metadata__": []},
    ],
)
def test_an_edited_header_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        decode_tensors(with_header(change), PATH)
    assert caught.value.diagnostics[0].code in {"E0811", "E0812"}


HEADERS = (
    b"{" * 50_000,
    b'{"a": ' * 50_000,
    b'{"a": 1, "a": 1}',
    b"{\xff}",
    b'{"a": 1' + b"0" * 5000 + b"}",
)


def test_headers_that_are_no_headers() -> None:
    for text in HEADERS:
        with pytest.raises(DiagnosticError) as caught:
            decode_tensors(len(text).to_bytes(8, "little") + text, PATH)
        assert caught.value.diagnostics[0].code in {"E0811", "E0812"}


def mutate(content: bytes, draw: random.Random) -> bytes:
    data = bytearray(content)
    size = int.from_bytes(content[:8], "little")
    place = draw.randrange(8 + size) if draw.random() < 0.6 else draw.randrange(len(data))
    match draw.randrange(5):
        case 0:
            data[place] ^= 1 << draw.randrange(8)
        case 1:
            data[place] = draw.randrange(256)
        case 2:
            del data[place : place + draw.randrange(1, 20)]
        case 3:
            data[place:place] = data[draw.randrange(len(data)) :][: draw.randrange(1, 30)]
        case _:
            del data[place:]
    return bytes(data)


def check_same(content: bytes) -> None:
    assert same(*decode_tensors(content, PATH))


def test_no_altered_file_is_used_silently() -> None:
    content = encode_tensors(ARRAYS, METADATA)
    draw = random.Random(1)
    refused = 0
    for _ in range(2000):
        changed = mutate(content, draw)
        error = outcome(partial(check_same, changed))
        if error is not None:
            refused += 1
            assert error.diagnostics[0].code in {"E0810", "E0811", "E0812"}
    assert refused > 1900


@pytest.mark.parametrize(
    ("dtype", "offsets", "shape"),
    [
        ("F32", [0, 8], [3]),
        ("F32", [0, 800], [200]),
        ("F32", [4, 12], [2]),
        ("F16", [0, 8], [4]),
        ("F32", [0, 8], [-2]),
        ("F32", [0, 8], [2.0]),
        ("F32", [0, 8], 2),
    ],
)
def test_a_forged_header_with_the_right_checksums_is_refused(
    dtype: str, offsets: object, shape: object
) -> None:
    """Someone who writes checksums too cannot make it read beyond the file."""
    entries = {"w": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}
    texts = {
        "netdsl.sha256.tensors": hashlib.sha256(b"12345678").hexdigest(),
        "netdsl.sha256.header": hashlib.sha256(
            json.dumps([entries, {}], sort_keys=True).encode()
        ).hexdigest(),
    }
    header = json.dumps({"__metadata__": texts, **entries}).encode()
    with pytest.raises(DiagnosticError) as caught:
        decode_tensors(len(header).to_bytes(8, "little") + header + b"12345678", PATH)
    assert caught.value.diagnostics[0].code == "E0811"

import os
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.files import read_bytes
from tests.files.faults import KINDS, count_calls, faulty


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "file").write_bytes(content)
    assert read_bytes(tmp_path / "file") == content
    with pytest.raises(DiagnosticError, match="larger than"):
        read_bytes(tmp_path / "file", limit=2_999_999)
    assert read_bytes(tmp_path / "file", limit=3_000_000) == content


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, code in (
        (tmp_path, "E0805"),
        (tmp_path / "pipe", "E0805"),
        (Path("/dev/zero"), "E0805"),
        (Path("a\0b"), "E0805"),
        (tmp_path / "none", "E0803"),
        (tmp_path / ("x" * 300), "E0804"),
    ):
        with pytest.raises(DiagnosticError) as caught:
            read_bytes(path)
        assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_call_is_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(b"content")
    for at in range(1, count_calls(lambda: read_bytes(tmp_path / "file")) + 1):
        with faulty(at, kind):
            try:
                assert read_bytes(tmp_path / "file") == b"content"
            except DiagnosticError:
                assert kind not in {"EINTR", "SHORT"}

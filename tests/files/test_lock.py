import os
import subprocess
import sys
from pathlib import Path

import pytest

from netdsl.diagnostics import DiagnosticError
from netdsl.files import Lock
from tests.files.faults import KINDS, count_calls, faulty, outcome

HOLD = (
    "import sys\nfrom pathlib import Path\nfrom netdsl.files import Lock\n"
    "with Lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()\n"
)


def test_a_second_process_is_refused_and_told_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DiagnosticError) as caught, Lock(path):
            pytest.fail("two hold the lock")
        other.kill()
    assert caught.value.diagnostics[0].code == "E0806"
    assert f"process {other.pid} since 20" in caught.value.diagnostics[0].message
    with Lock(path):
        assert path.read_text().startswith(f"process {os.getpid()} since")


def test_two_locks_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    with Lock(tmp_path / "lock"), pytest.raises(DiagnosticError), Lock(tmp_path / "lock"):
        pytest.fail("two hold the lock")
    with Lock(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_failing_call_leaves_no_lock_behind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "lock"

    def take() -> None:
        with Lock(path):
            pass

    for at in range(1, count_calls(take) + 1):
        with faulty(at, kind):
            error = outcome(take)
        if error is not None:
            assert kind not in {"EINTR", "SHORT"}
            assert error.diagnostics[0].code in {"E0801", "E0802", "E0804"}
        take()

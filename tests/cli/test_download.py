import pytest

from netdsl.cli.download import Download


def test_a_file_is_told_once_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    download = Download()
    for here in (0, 5 << 20, 10 << 20):
        download("train-images.gz", here, 10 << 20)
    download("labels.gz", 0, 1 << 19)
    assert (
        capsys.readouterr().err == "downloading train-images.gz, 10.0 MiB\ndownloading labels.gz, 0.5 MiB\n"
    )


def test_a_line_moves_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    download = Download()
    for here in range(10):
        download("a.gz", here << 20, 9 << 20)
    told = capsys.readouterr().err
    assert told.startswith("\ra.gz: 0.0 MiB of 9.0 MiB")
    assert told.endswith("\ra.gz: 9.0 MiB of 9.0 MiB\n")
    assert told.count("\r") <= 4

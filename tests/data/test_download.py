import hashlib
import http.client
import http.server
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from netdsl.data.download import Body, OnlyHttps, download, open_https
from netdsl.data.published import Published
from netdsl.files import Lock
from tests.data.plans import refused, text_of
from tests.files.faults import KINDS, count_calls, faulty, outcome

CONTENT = bytes(range(256)) * 1000
GOOD = Published(
    "file.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), ("https://a.example/", "https://b.example/")
)


class Server(http.server.BaseHTTPRequestHandler):
    """Gives CONTENT, the part that is asked for; `/short` breaks off, `/whole` ignores the part."""

    asked: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.path != "/whole" else 0
        if self.path == "/gone":
            self.send_error(404)
            return
        data = CONTENT[start:] if self.path != "/other" else b"x" * (len(CONTENT) - start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.path == "/short" else data)

    def log_message(self, format: str, *arguments: object) -> None:  # the name that http.server gives
        pass


class Plain:
    """A response of http.client as the downloader sees it."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response
        given = response.headers.get("Content-Range", "bytes 0-")
        self.start = int(given.removeprefix("bytes ").partition("-")[0])

    def __enter__(self) -> "Plain":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def read(self, count: int) -> bytes:
        return self._response.read(count)


@contextmanager
def served() -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    asked: list[tuple[str, str | None]] = []
    handler = type("Handler", (Server,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


class Opener:
    """Opens plain http at the local server, whatever the URL; its path is looked up."""

    def __init__(self, address: str, paths: dict[str, str]) -> None:
        self.address, self.paths = address, paths

    def __call__(self, url: str, start: int) -> Plain:
        connection = http.client.HTTPConnection(self.address, timeout=10)
        connection.request("GET", self.paths[url], headers={"Range": f"bytes={start}-"} if start else {})
        response = connection.getresponse()
        if response.status >= 400:
            connection.close()
            raise urllib.error.URLError(f"the server says {response.status}")
        return Plain(connection, response)


def test_a_file_is_downloaded_once(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with served() as (address, asked):
        opener = Opener(address, {GOOD.urls[0]: "/good"})
        for _ in range(2):
            path = download(GOOD, tmp_path / "a", opener=opener, report=lambda *each: told.append(each))
    assert path.read_bytes() == CONTENT
    assert asked == [("/good", None)]
    assert told[-1] == ("file.gz", len(CONTENT), len(CONTENT))
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.parametrize("second", ["/good", "/whole"])
def test_a_download_that_broke_off_goes_on(tmp_path: Path, second: str) -> None:
    with served() as (address, asked):
        broken = Opener(address, dict.fromkeys(GOOD.urls, "/short"))
        found = refused(lambda: download(GOOD, tmp_path, opener=broken))
        assert found.code == "E0525"
        assert "broke off after" in text_of(found) or "IncompleteRead" in text_of(found)
        have = (tmp_path / "file.gz.part").stat().st_size
        assert 0 < have < len(CONTENT)
        path = download(GOOD, tmp_path, opener=Opener(address, {GOOD.urls[0]: second}))
    assert path.read_bytes() == CONTENT
    assert asked[-1] == (second, f"bytes={have}-")


def test_another_place_is_tried(tmp_path: Path) -> None:
    with served() as (address, asked):
        opener = Opener(address, {GOOD.urls[0]: "/gone", GOOD.urls[1]: "/good"})
        assert download(GOOD, tmp_path, opener=opener).read_bytes() == CONTENT
    assert [path for path, _ in asked] == ["/gone", "/good"]


def test_another_file_is_never_taken(tmp_path: Path) -> None:
    with served() as (address, _):
        opener = Opener(address, dict.fromkeys(GOOD.urls, "/other"))
        found = refused(lambda: download(GOOD, tmp_path, opener=opener))
    assert found.code == "E0526"
    assert GOOD.sha256 in text_of(found)
    assert not (tmp_path / "file.gz").exists()
    assert not (tmp_path / "file.gz.part").exists()


def test_a_wrong_beginning_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "file.gz.part").write_bytes(b"wrong")
    with served() as (address, _):
        opener = Opener(address, dict.fromkeys(GOOD.urls, "/good"))
        assert download(GOOD, tmp_path, opener=opener).read_bytes() == CONTENT


def test_more_than_was_announced_is_cut_off(tmp_path: Path) -> None:
    small = Published("file.gz", 1000, "0" * 64, ("https://a.example/",))
    with served() as (address, _):
        assert (
            refused(lambda: download(small, tmp_path, opener=Opener(address, {small.urls[0]: "/good"}))).code
            == "E0526"
        )


def test_without_a_network_the_message_says_what_to_do(tmp_path: Path) -> None:
    def no_network(url: str, start: int) -> Plain:
        raise urllib.error.URLError("Name or service not known")

    found = refused(lambda: download(GOOD, tmp_path / "cache", opener=no_network))
    assert found.code == "E0525"
    text = text_of(found)
    for expected in (
        *GOOD.urls,
        GOOD.sha256,
        "Name or service not known",
        str(tmp_path / "cache"),
        "--data-dir",
    ):
        assert expected in text


def test_only_https_is_opened() -> None:
    with pytest.raises(urllib.error.URLError, match="not https"):
        open_https("http://a.example/file", 0)


def test_two_processes_download_a_file_once(tmp_path: Path) -> None:
    """The second one waits for the first, and finds the file there."""
    with served() as (address, asked):
        opener = Opener(address, {GOOD.urls[0]: "/good"})
        lock = Lock(tmp_path / "file.gz.lock")
        lock.__enter__()
        found: list[Path] = []
        other = threading.Thread(target=lambda: found.append(download(GOOD, tmp_path, opener=opener)))
        other.start()
        (tmp_path / "file.gz").write_bytes(CONTENT)
        lock.__exit__(None, None, None)
        other.join(10)
    assert found == [tmp_path / "file.gz"]
    assert asked == []


class Memory:
    """A response from memory."""

    start = 0

    def __init__(self, start: int) -> None:
        self.start, self.rest = start, CONTENT[start:]

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def read(self, count: int) -> bytes:
        piece, self.rest = self.rest[:count], self.rest[count:]
        return piece


@pytest.mark.parametrize("kind", KINDS)
def test_any_failing_call_leaves_the_file_whole_or_absent(tmp_path: Path, kind: str) -> None:
    def work() -> object:
        return download(GOOD, tmp_path, opener=lambda url, start: Memory(start))

    calls = count_calls(work)
    for at in range(1, calls + 1):
        for each in tmp_path.iterdir():
            each.unlink()
        with faulty(at, kind):
            error = outcome(work)
        if error is not None:
            assert kind not in {"EINTR", "SHORT"}
            assert error.diagnostics[0].code in {"E0801", "E0802", "E0804"}
        if (tmp_path / "file.gz").exists():
            assert (tmp_path / "file.gz").read_bytes() == CONTENT
        work()
        assert (tmp_path / "file.gz").read_bytes() == CONTENT


class Answer:
    """A response as urllib gives it."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers
        self.closed = False

    def read(self, count: int) -> bytes:
        return b"x" * min(count, 3)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("start", "answer", "begins"),
    [
        (0, Answer(200, {}), 0),
        (5, Answer(206, {"Content-Range": "bytes 5-9/10"}), 5),
        (5, Answer(200, {}), 0),
    ],
)
def test_https_asks_for_the_rest(
    start: int, answer: Answer, begins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[urllib.request.Request] = []

    class Director:
        def open(self, request: urllib.request.Request, timeout: float) -> Answer:
            asked.append(request)
            assert timeout > 0
            return answer

    monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: Director())
    with open_https("https://a.example/file", start) as body:
        assert body.start == begins
        assert body.read(10) == b"xxx"
    assert answer.closed
    assert asked[0].get_header("Range") == (f"bytes={start}-" if start else None)


def test_a_part_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Director:
        def open(self, request: urllib.request.Request, timeout: float) -> Answer:
            return Answer(206, {"Content-Range": "pages 1-2"})

    monkeypatch.setattr(urllib.request, "build_opener", lambda *handlers: Director())
    with pytest.raises(http.client.HTTPException, match="pages 1-2"):
        open_https("https://a.example/file", 5)


def test_a_server_that_leads_away_from_https_is_not_followed() -> None:
    handler = OnlyHttps()
    request = urllib.request.Request("https://a.example/file")
    headers = http.client.HTTPMessage()
    with pytest.raises(urllib.error.URLError, match="not https"):
        handler.redirect_request(request, None, 302, "Found", headers, "http://b.example/file")
    followed = handler.redirect_request(request, None, 302, "Found", headers, "https://b.example/file")
    assert followed is not None
    assert followed.full_url == "https://b.example/file"

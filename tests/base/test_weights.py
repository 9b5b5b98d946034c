"""Fetching from a server on this machine: whole, broken off, altered, missing."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.base import weights
from pipeline.base.weights import WEIGHTS, fetch, in_cache, verified
from pipeline.settings import UserError

CONTENT = bytes(range(256)) * 4000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        start = 0
        if server.ranges and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        server.starts.append(start)
        if server.status != 200:
            self.send_error(server.status)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks.pop(0)] if server.breaks else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.status, server.ranges, server.breaks, server.starts = CONTENT, 200, True, [], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/net.pt"
        digest = hashlib.sha256(CONTENT).hexdigest()
        made = WEIGHTS["inception"]._replace(file="net.pt", url=url, sha256=digest, size=len(CONTENT))
        monkeypatch.setitem(WEIGHTS, "inception", made)
        monkeypatch.setattr(weights, "PAUSE", 0)
        yield server
        server.shutdown()
        thread.join()


def leftovers(cache):
    return sorted(p.name for p in cache.iterdir() if p.suffix != ".lock")


def test_fetched_once_and_then_found(server, tmp_path):
    cache = tmp_path / "new" / "cache"
    assert not in_cache("inception", cache)
    path = fetch("inception", cache)
    assert path.read_bytes() == CONTENT
    assert in_cache("inception", cache)
    assert fetch("inception", cache) == verified("inception", cache) == path
    assert server.starts == [0]
    assert leftovers(cache) == ["net.pt"]


def test_a_broken_connection_goes_on_where_it_stopped(server, tmp_path):
    server.breaks = [300_000, 200_000]
    assert fetch("inception", tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 300_000, 500_000]


def test_a_killed_download_goes_on_in_the_next_run(server, tmp_path):
    (tmp_path / "net.pt.part").write_bytes(CONTENT[:1000])
    assert fetch("inception", tmp_path).read_bytes() == CONTENT
    assert server.starts == [1000]


def test_a_server_that_cannot_go_on_starts_over(server, tmp_path):
    server.ranges, server.breaks = False, [300_000]
    assert fetch("inception", tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 0]


def test_an_altered_download_never_takes_the_name(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(UserError, match="SHA-256"):
        fetch("inception", tmp_path)
    assert leftovers(tmp_path) == []


def test_a_download_that_is_too_long_is_refused(server, tmp_path):
    server.content = CONTENT + b"more"
    with pytest.raises(UserError, match="more than the 1024000 bytes"):
        fetch("inception", tmp_path)
    assert not in_cache("inception", tmp_path)


def test_a_file_altered_in_the_cache_is_refused_and_kept(server, tmp_path):
    (tmp_path / "net.pt").write_bytes(b"not it")
    for call in (lambda: fetch("inception", tmp_path), lambda: verified("inception", tmp_path)):
        with pytest.raises(UserError, match="altered or damaged"):
            call()
    assert (tmp_path / "net.pt").read_bytes() == b"not it"
    assert server.starts == []


def test_a_server_that_keeps_breaking_off_is_given_up_with_a_way_out(server, tmp_path):
    server.breaks = [10] * 9
    with pytest.raises(UserError, match=r"broke off after 40 of 1024000 bytes.*by hand"):
        fetch("inception", tmp_path)


def test_not_found_is_not_tried_again(server, tmp_path):
    server.status = 404
    with pytest.raises(UserError, match="404"):
        fetch("inception", tmp_path)
    assert server.starts == [0]


def test_no_server_at_all(server, tmp_path, monkeypatch):
    monkeypatch.setitem(WEIGHTS, "inception", WEIGHTS["inception"]._replace(url="http://127.0.0.1:1/net.pt"))
    with pytest.raises(UserError, match=r"127\.0\.0\.1:1"):
        fetch("inception", tmp_path)


def test_a_missing_file_says_where_it_belongs(tmp_path):
    with pytest.raises(UserError, match=r"inception-2015-12-05\.pt is missing; put https://nvlabs"):
        verified("inception", tmp_path)


def test_a_cache_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"evaluate\.weights"):
        fetch("inception", tmp_path / "file" / "cache")

"""A WSGI application behind granian's RSGI server: what it is told, what arrives, and that no redirect waits for it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.disk.linkfiles import write_link_file
from app.disk.spool_reader import SpoolReader
from app.links import Key, Links

LINKS = Links((Key(1, b"k" * 32),), "http://127.0.0.1", "http://127.0.0.1")
SHOP = "https://shop.example.com"
SERVED = f"""
import json, os, time
from pathlib import Path
from app.disk.linkfiles import Destinations
from app.disk.networks import Networks
from app.disk.spool import Spool
from app.links import Key, Links
from app.web.beacon import BeaconParts, Tellings
from app.web.edge import EdgeParts
from app.web.edge_rsgi import AsyncEdge
from app.web.rsgi import Behind

folder = Path(os.environ["FOLDER"])

class Long:
    def __init__(self):
        self.left = 40

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"x" * 50_000

    def close(self):
        (folder / "closed").write_text("closed")

def behind(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        (folder / f"in-{{time.monotonic_ns()}}").write_text("")
        while not (folder / "go").exists():
            time.sleep(0.01)
    if path == "/fails":
        raise RuntimeError("on purpose")
    if path == "/long":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Long()
    told = {{name: value for name, value in environ.items() if isinstance(value, str | bool | None)}}
    told["body"] = environ["wsgi.input"].read().decode("latin-1")[:100]
    body = json.dumps(told).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", [*headers, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [body]

def serve():
    wall = lambda: time.time_ns() // 1000
    new_id = lambda: os.urandom(16)
    links = Links((Key(1, b"k" * 32),), "http://127.0.0.1", "http://127.0.0.1")
    networks, spool = Networks(b"n" * 32, ()), Spool(folder / "spool", os.urandom(16))
    parts = EdgeParts(links, spool, Destinations(folder / "links", None, wall), networks, "{SHOP}", wall, new_id)
    beacon = BeaconParts(spool, networks, ("{SHOP}",), wall, new_id)
    return AsyncEdge(parts, Tellings(beacon), Behind(behind, 2, "fault"))
"""


@dataclass
class Server:
    """One process of granian with two threads for pages."""

    folder: Path
    port: int

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def told(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.ask(path, method, body, **headers)[2])
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rsgi")
    write_link_file(folder / "links", 3, [SHOP])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (folder / "behind_served.py").write_text(SERVED)
    command = [sys.executable, "-m", "granian", "--interface=rsgi", "--factory", "--no-ws", "--log-level=critical"]
    environ = os.environ | {"FOLDER": str(folder), "PYTHONPATH": f"{folder}:{Path.cwd()}"}
    command += ["--host=127.0.0.1", f"--port={port}", "behind_served:serve"]
    process = subprocess.Popen(command, env=environ, start_new_session=True)
    served = Server(folder, port)
    try:
        until = time.monotonic() + 20
        while not _is_up(served):
            assert process.poll() is None
            assert time.monotonic() < until, "granian did not start"
        yield served
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _is_up(server: Server) -> bool:
    try:
        return server.ask("/health/live")[0] == 200
    except OSError:
        threading.Event().wait(0.05)
        return False


def test_the_application_is_told_what_wsgi_promises(server: Server) -> None:
    told = server.told("/a%2Fb/%DA%A9?q=%41+b", X_One="1", Cookie="a=1")
    assert told["PATH_INFO"].encode("latin-1").decode() == "/a/b/ک"
    assert told["QUERY_STRING"] == "q=%41+b"
    assert (told["REQUEST_METHOD"], told["SERVER_PROTOCOL"], told["wsgi.url_scheme"]) == ("GET", "HTTP/1.1", "http")
    assert (told["HTTP_X_ONE"], told["HTTP_COOKIE"], told["REMOTE_ADDR"]) == ("1", "a=1", "127.0.0.1")
    assert told["HTTP_HOST"] == f"127.0.0.1:{server.port}"
    assert told["fault"] is None


def test_a_header_with_an_underscore_does_not_pass_for_another(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 203.0.113.9\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: line.recv(65_536), b""))
    assert b"200 OK" in answer
    assert b"203.0.113.9" not in answer


def test_a_body_arrives_whole_with_its_length_and_type(server: Server) -> None:
    told = server.told("/form", "POST", b"name=Alice", Content_Type="application/x-www-form-urlencoded")
    assert (told["body"], told["CONTENT_LENGTH"]) == ("name=Alice", "10")
    assert told["CONTENT_TYPE"] == "application/x-www-form-urlencoded"
    assert server.told("/large", "POST", b"x" * 3_000_000)["CONTENT_LENGTH"] == "3000000"


def test_a_body_longer_than_anything_we_take_is_refused_before_it_is_sent(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")
        assert b" 413 " in line.recv(4_096)


def test_cookies_stay_apart_and_head_has_no_body(server: Server) -> None:
    status, headers, body = server.ask("/", "HEAD")
    assert (status, body) == (200, b"")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_long_reply_comes_in_pieces_and_is_closed(server: Server) -> None:
    status, headers, body = server.ask("/long")
    assert (status, len(body)) == (200, 2_000_000)
    assert headers["Content-Length"] is None
    assert (server.folder / "closed").read_text() == "closed"


def test_an_application_that_fails_is_a_500_and_stops_nobody(server: Server) -> None:
    assert server.ask("/fails")[0] == 500
    assert server.ask("/")[0] == 200


def test_redirects_never_wait_for_pages(server: Server) -> None:
    """Both threads of the pages are busy and more readers wait for them; a click goes its way."""
    waiting = [threading.Thread(target=server.ask, args=("/slow",)) for _ in range(6)]
    for thread in waiting:
        thread.start()
    try:
        until = time.monotonic() + 10
        while len(list(server.folder.glob("in-*"))) < 2:
            assert time.monotonic() < until
            threading.Event().wait(0.01)
        status, headers, _ = server.ask(f"/c/{LINKS.mail_token(1, 3)}/0")
        assert (status, headers["Location"]) == (302, SHOP)
        assert server.ask("/health/live")[0] == 200
    finally:
        (server.folder / "go").write_text("")
        for thread in waiting:
            thread.join()


def test_the_beacon_is_heard_and_the_script_is_handed_out(server: Server) -> None:
    before = len(SpoolReader(server.folder / "spool").take({}).facts)
    told = json.dumps({"f": [[0, "/pricing", "", []]]}).encode()
    status, headers, _ = server.ask("/e", "POST", told, Origin=SHOP)
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, SHOP)
    assert len(SpoolReader(server.folder / "spool").take({}).facts) == before + 1
    assert server.ask("/e", "POST", told, Origin="https://evil.example")[0] == 403
    assert server.ask("/e", "POST", b"x" * 20_000, Origin=SHOP)[0] == 413
    assert server.ask("/e", Origin=SHOP)[0] == 405
    status, headers, script = server.ask("/site.js", Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    assert len(script) < 3_000

"""The edge under its real server: kill -9, a database that hangs, clients that go away."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.disk.linkfiles import write_link_file
from app.disk.networks import Networks
from app.disk.spool_reader import SpoolReader
from app.disk.touches import MailTouch, read_touch
from app.links import Key, Links

LINKS = Links((Key(1, b"k" * 32),), "http://127.0.0.1", "http://127.0.0.1")
SHOP = "https://shop.example.com/?q=%41+b"
SITE = "https://example.com"
SERVED = f"""
import os, threading, time
from pathlib import Path
from app.disk.linkfiles import Destinations
from app.disk.networks import Networks
from app.disk.spool import Spool
from app.links import Key, Links
from app.web.edge import Edge, EdgeParts
from app.web.edge_rsgi import AsyncEdge

def hang(version):
    threading.Event().wait()

def behind(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"behind"]

def wall():
    return time.time_ns() // 1000

def parts():
    folder = Path(os.environ["FOLDER"])
    links = Links((Key(1, b"k" * 32),), "http://127.0.0.1", "http://127.0.0.1")
    destinations = Destinations(folder / "links", hang, wall, patience=0.05)
    spool = Spool(folder / "spool", os.urandom(16))
    return EdgeParts(links, spool, destinations, Networks(b"n" * 32, ()), {SITE!r}, wall, lambda: os.urandom(16))

def wsgi():
    return Edge(parts(), behind)

def rsgi():
    return AsyncEdge(parts())
"""


@dataclass
class Server:
    """granian with two processes on a free port, and the folder they share."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    port: int
    interface: str

    def get(self, path: str) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"User-Agent": "Lynx/2.9"})
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.getheader("Location")
        finally:
            connection.close()

    def load(self, paths: list[str]) -> list[tuple[int, str | None]]:
        """Eight readers at once share the paths."""
        answers: list[tuple[int, str | None]] = []
        threads = [
            threading.Thread(target=lambda mine: answers.extend(map(self.get, mine)), args=(paths[n::8],))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kept(self) -> list[MailTouch]:
        return [read_touch(fact) for fact in SpoolReader(self.folder / "spool").take({}, limit=100_000).facts]


def start(folder: Path, interface: str) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (folder / "served.py").write_text(SERVED)
    threads = "8" if interface == "wsgi" else "1"
    command = [sys.executable, "-m", "granian", "--interface", interface, "--factory", "--no-ws", "--log-level=error"]
    command += ["--host=127.0.0.1", f"--port={port}", "--workers=2", f"--blocking-threads={threads}"]
    environ = os.environ | {"FOLDER": str(folder), "PYTHONPATH": f"{folder}:{Path.cwd()}"}
    server = Server(
        folder,
        subprocess.Popen([*command, f"served:{interface}"], env=environ, start_new_session=True),
        port,
        interface,
    )
    for _ in range(300):
        try:
            server.get("/health/live")
        except OSError:
            threading.Event().wait(0.05)
        else:
            return server
    server.kill()
    raise TimeoutError("granian did not start")


@pytest.fixture(params=["wsgi", "rsgi"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Server]:
    write_link_file(tmp_path / "links", 3, [SHOP])
    running = start(tmp_path, request.param)
    yield running
    running.kill()


def test_kill_9_after_the_answers_loses_no_fact_and_doubles_none(server: Server) -> None:
    paths = [f"/c/{LINKS.mail_token(number, 3)}/0" for number in range(160)]
    answers = server.load(paths)
    server.kill()
    assert answers == [(302, SHOP)] * 160
    assert sorted(touch.message for touch in server.kept()) == list(range(160))
    again = start(server.folder, server.interface)
    assert again.get(paths[0]) == (302, SHOP)
    again.kill()
    assert len(again.kept()) == 161


def test_a_hanging_database_keeps_no_reader_waiting_and_loses_no_click(server: Server) -> None:
    known = [f"/c/{LINKS.mail_token(number, 3)}/0" for number in range(60)]
    unknown = [f"/c/{LINKS.mail_token(number, 9)}/2" for number in range(60, 120)]
    answers = server.load([path for pair in zip(known, unknown, strict=True) for path in pair])
    assert sorted(answers, key=str) == sorted([(302, SHOP)] * 60 + [(302, SITE)] * 60, key=str)
    assert sorted(touch.message for touch in server.kept()) == list(range(120))


def test_a_link_that_is_not_ours_leads_nowhere_under_a_real_server_too(server: Server) -> None:
    token = LINKS.mail_token(1, 3)
    assert [server.get(path) for path in ("/c/forged/0", f"/c/{token}/7", f"/c/{token}/0/x")] == [(404, None)] * 3
    assert server.get("/o/forged.gif") == (200, None)
    assert server.kept() == []


def test_clients_that_go_away_stop_nobody(server: Server) -> None:
    token = LINKS.mail_token(1, 3)
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", server.port)) as rude:
            rude.sendall(f"GET /c/{token}/0 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert server.load([f"/c/{token}/0"] * 40) == [(302, SHOP)] * 40


def test_the_server_tells_the_edge_where_a_request_came_from(server: Server) -> None:
    server.get(f"/o/{LINKS.mail_token(1, 3)}.gif")
    [touch] = server.kept()
    assert touch.network == Networks(b"n" * 32, ()).caller("127.0.0.1", "").network
    assert touch.agent == "Lynx/2.9"
    assert server.get("/anything") == (200 if server.interface == "wsgi" else 404, None)

"""A system that is called: keeps every request, answers with what a test wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class Got:
    """One call as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`answers` are given in turn, the last one again and again: a status, or a status with headers."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    got: list[Got] = field(default_factory=list)
    says: bytes = b""
    """The body of every answer."""

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._answer, self.says))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook?x=1"

    def _answer(self, got: Got) -> tuple[int, dict[str, str]]:
        self.got.append(got)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _handler(answer: Callable[[Got], tuple[int, dict[str, str]]], says: bytes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers = answer(Got(self.path, dict(self.headers), body))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(says)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(says)

        def log_message(self, *_: object) -> None:
            """Tests look at `got`."""

    return Handler

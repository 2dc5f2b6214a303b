"""A proxy that counts what a client sends, and at a chosen byte calls for the axe."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Guillotine:
    """Forwards to `port`; when `at` bytes in all have come from clients, calls `fall` once.

    With `spills`, what had already left the client still reaches the server, as it does when a process is killed;
    without, the
    wire is cut at that very byte, as when a machine is. Replies pass until then.
    """

    def __init__(self, port: int, at: int, fall: Callable[[], None], *, spills: bool) -> None:
        self._target = port
        self._left = at
        self._fall = fall
        self._spills = spills
        self._lock = threading.Lock()
        self._has_fallen = False
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = tuple(self._sockets)
        for sock in sockets:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in sockets:
            sock.close()

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            with self._lock:
                self._sockets += [client, server]
            self._start(self._forward, client, server)
            self._start(self._back, server, client)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                allowed = self._count(data)
                server.sendall(data if self._spills else data[:allowed])
                if allowed < len(data) and not self._spills:
                    break
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def _count(self, data: bytes) -> int:
        """How many of these bytes come before the axe; calls it when they reach it."""
        with self._lock:
            allowed = min(len(data), max(self._left, 0))
            self._left -= len(data)
            if self._left < 0 and not self._has_fallen:
                self._has_fallen = True
                self._fall()
            return allowed

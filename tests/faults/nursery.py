"""Where workers are born: one process that has imported everything, and forks a worker in milliseconds, not seconds.

A worker is a process of its own like any other, with its own arguments, environment and open files; it is only not our
child, so whoever asked for it learns of its end from here. `python -m tests.faults.nursery <socket>` is that process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BORN, _ENDED = 1, 2
_NEWS = struct.Struct("<iii")
_LENGTH = struct.Struct("<I")


class Child:
    """A worker, with the words of `subprocess.Popen`."""

    def __init__(self, nursery: Nursery, pid: int, stdout: IO[str]) -> None:
        self._nursery = nursery
        self.pid = pid
        self.stdout = stdout

    @property
    def returncode(self) -> int | None:
        return self._nursery.status(self.pid)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float = 600.0) -> int:
        """Its exit status, below zero for a signal. Raises TimeoutExpired."""
        until = time.monotonic() + timeout
        while (status := self._nursery.status(self.pid, 0.01)) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"worker {self.pid}", timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


class Nursery:
    """The asking side. Threads may share it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._ended: dict[int, int] = {}
        command = [sys.executable, "-m", "tests.faults.nursery", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
        theirs.close()

    def start(self, arguments: Sequence[str], environ: Mapping[str, str], log: Path) -> Child:
        """A worker with its standard output on a pipe and its errors in a file."""
        asked = json.dumps({"arguments": list(arguments), "environ": dict(environ)}).encode()
        reading, writing = os.pipe()
        try:
            with log.open("ab") as errors, self._lock:
                socket.send_fds(self._socket, [_LENGTH.pack(len(asked))], [writing, errors.fileno()])
                self._socket.sendall(asked)
                while (born := self._news()) is None:
                    pass
        finally:
            os.close(writing)
        return Child(self, born, os.fdopen(reading, "r"))

    def status(self, pid: int, patience: float = 0.0) -> int | None:
        """The exit status of one that has ended, else None."""
        with self._lock:
            while pid not in self._ended and select.select([self._socket], [], [], patience)[0]:
                self._news()
            return self._ended.get(pid)

    def _news(self) -> int | None:
        """Read one piece of news; the number of a worker that was born."""
        kind, pid, status = _NEWS.unpack(_exactly(self._socket, _NEWS.size))
        if kind == _ENDED:
            self._ended[pid] = status
            return None
        self._ended.pop(pid, None)  # a number may be given again
        return int(pid)

    def close(self) -> None:
        self._socket.close()
        self._process.wait(30)


_open: list[Nursery] = []


def nursery() -> Nursery:
    """The one of this test process, opened when it is first asked for."""
    if not _open:
        _open.append(Nursery())
    return _open[0]


def close_nursery() -> None:
    while _open:
        _open.pop().close()


# ---------------------------------------------------------------- the process that forks


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


@dataclass(frozen=True, slots=True)
class _Asked:
    arguments: list[str]
    environ: dict[str, str]
    handles: list[int]
    """Standard output and errors."""


class Forking:
    """Forks whenever it is asked to, and tells of every end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._awake, self._waker = socket.socketpair()
        for end in (self._awake, self._waker):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._living: set[int] = set()

    def run(self) -> list[str]:
        """Returns in each worker, with its arguments; in the nursery it ends the process when nobody asks any more."""
        while True:
            ready = select.select([self._connection, self._awake], [], [])[0]
            if self._awake in ready:
                self._awake.recv(4096)
                self._bury()
            if self._connection in ready:
                asked = self._asked()
                pid = os.fork()
                if not pid:
                    return self._begin(asked)
                self._born(pid, asked.handles)

    def _asked(self) -> _Asked:
        head, handles, _, _ = socket.recv_fds(self._connection, _LENGTH.size, 2)
        if not head:
            for pid in self._living:
                os.kill(pid, signal.SIGKILL)
            sys.exit(0)
        (length,) = _LENGTH.unpack(head)
        asked = json.loads(_exactly(self._connection, length))
        return _Asked(asked["arguments"], asked["environ"], handles)

    def _born(self, pid: int, handles: list[int]) -> None:
        for handle in handles:
            os.close(handle)
        self._living.add(pid)
        self._connection.sendall(_NEWS.pack(_BORN, pid, 0))

    def _bury(self) -> None:
        for pid in tuple(self._living):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._living.discard(pid)
                self._connection.sendall(_NEWS.pack(_ENDED, pid, os.waitstatus_to_exitcode(status)))

    def _begin(self, asked: _Asked) -> list[str]:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._connection, self._awake, self._waker):
            end.close()
        for place, handle in enumerate(asked.handles, start=1):
            os.dup2(handle, place)
            os.close(handle)
        os.environ.clear()
        os.environ.update(asked.environ)
        return asked.arguments


def main() -> None:
    from tests.faults import delivery_child
    from tests.faults.disk import watch

    url, folder, port, connections = Forking(socket.socket(fileno=int(sys.argv[1]))).run()
    if "SHADOW" in os.environ:
        watch(url, Path(folder))
    delivery_child.main(url, Path(folder), int(port), int(connections))


if __name__ == "__main__":
    main()

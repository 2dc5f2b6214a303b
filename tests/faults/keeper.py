"""A server's memory of what it took, and a server that is a process of its own, to be killed, stopped and begun again.

Each mail is a file before the server says 250. `python -m tests.faults.keeper <port> <folder> <seconds>` serves, and
takes so many seconds for each mail before it says so.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.servers.smtp import Answer, Mail, SmtpServer, Talk, Wait


class Keeper:
    """Writes every mail the server takes to a file of its own, twice if it comes twice."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._numbers = itertools.count()

    def __call__(self, mail: Mail) -> None:
        place = self.folder / f"{os.getpid()}-{next(self._numbers):06d}.eml"
        place.with_suffix(".part").write_bytes(mail.data)
        place.with_suffix(".part").rename(place)

    def count(self) -> int:
        return sum(1 for _ in self.folder.glob("*.eml"))

    def messages(self) -> Counter[str]:
        """Public id → how often its mail came."""
        found: Counter[str] = Counter()
        for file in self.folder.glob("*.eml"):
            (public_id,) = re.findall(rb"^Message-ID: <([0-9a-f]{32})@", file.read_bytes(), re.MULTILINE)
            found[public_id.decode()] += 1
        return found


class ServerProcess:
    """A server that keeps its port and its folder through every life."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        self.port = 0
        self.start()

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, "-m", "tests.faults.keeper", str(self.port), str(self._folder), str(self._seconds)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stop(self) -> None:
        """It stands still; the system still takes in what is sent to it."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def main(port: int, folder: Path, seconds: float) -> None:
    def slowly(_talk: Talk, _line: str) -> Answer:
        return [Wait(seconds), b"250 2.0.0 taken\r\n"]

    with SmtpServer({"final": slowly}, keep=Keeper(folder), port=port) as server:
        print(server.port, flush=True)
        signal.pause()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))

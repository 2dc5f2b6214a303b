"""kill -9 at any byte: nothing lost, nothing twice, and no more doubt than there are connections.

A real process sends over real sockets; the server keeps each mail as a file before it says 250. Afterwards list and
files are
compared message by message.
"""

import itertools
import random
import re
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.mail.crash_child import text
from tests.servers.guillotine import Guillotine
from tests.servers.smtp import Mail, SmtpServer

PLAIN = ("SIZE 10240000", "8BITMIME")


class Keeper:
    """Writes every mail the server takes to a file of its own, twice if it comes twice."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._numbers = itertools.count()

    def __call__(self, mail: Mail) -> None:
        (self._folder / f"{next(self._numbers):06d}.eml").write_bytes(mail.data)

    def messages(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for file in self._folder.iterdir():
            content = file.read_bytes()
            number = int(re.findall(rb"<(\d+)@", content)[0])
            assert content == text(number), f"mail {number} came harmed"
            found[number] += 1
        return found


def make_list(folder: Path, count: int) -> None:
    with sqlite3.connect(folder / "list.db") as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(
            "CREATE TABLE message (id INTEGER PRIMARY KEY, state TEXT, owner TEXT DEFAULT '', claim INTEGER DEFAULT 0)"
        )
        database.executemany(
            "INSERT INTO message (id, state) VALUES (?, 'queued')", [(n,) for n in range(1, count + 1)]
        )
    database.close()


def states(folder: Path) -> dict[int, str]:
    database = sqlite3.connect(folder / "list.db")
    found: dict[int, str] = dict(database.execute("SELECT id, state FROM message"))
    database.close()
    return found


def start(folder: Path, port: int, connections: int, window: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.mail.crash_child", str(folder), str(port), str(connections), str(window)]
    return subprocess.Popen(command)


def run_and_kill(folder: Path, server: SmtpServer, at: int, connections: int, window: int, *, spills: bool) -> bool:
    """True when the process was killed, False when it was done before that byte."""
    fallen = threading.Event()
    started: list[subprocess.Popen[bytes]] = []

    def fall() -> None:
        fallen.set()
        started[0].kill()

    ready = threading.Event()
    with Guillotine(server.port, at, lambda: (ready.wait(5), fall())[1], spills=spills) as proxy:  # type: ignore[func-returns-value]
        started.append(start(folder, proxy.port, connections, window))
        ready.set()
        status = started[0].wait(60)
    assert fallen.is_set() or status == 0
    return fallen.is_set()


def check(folder: Path, keeper: Keeper, count: int, doubt: int) -> None:
    has, says = keeper.messages(), states(folder)
    twice = [number for number, times in has.items() if times > 1]
    assert not twice
    sent = {number for number, state in says.items() if state == "sent"}
    uncertain = {number for number, state in says.items() if state == "uncertain"}
    assert sent | uncertain == set(range(1, count + 1)), "a message was lost from the list"
    assert sent <= has.keys(), "the list calls a mail sent that the server does not have"
    assert has.keys() <= sent | uncertain
    assert len(uncertain) <= doubt


@pytest.mark.parametrize(
    ("connections", "features", "seed"),
    [(1, None, 1), (4, None, 2), (4, None, 3), (3, PLAIN, 4)],
    ids=["one connection", "four connections", "four again", "without pipelining"],
)
def test_a_sender_killed_at_random_bytes_loses_nothing_and_sends_nothing_twice(
    tmp_path: Path, connections: int, features: tuple[str, ...] | None, seed: int
) -> None:
    count, chance, kills = 500, random.Random(seed), 0
    make_list(tmp_path, count)
    keeper = Keeper(tmp_path / "server")
    total = sum(len(text(number)) + 120 for number in range(1, count + 1))
    with SmtpServer(features=features or SmtpServer.FEATURES, keep=keeper) as server:
        for _ in range(6):
            at = chance.randrange(1, total // 4)
            kills += run_and_kill(tmp_path, server, at, connections, 16, spills=chance.random() < 0.5)
        last = start(tmp_path, server.port, connections, 16)
        assert last.wait(60) == 0
    assert kills >= 4
    check(tmp_path, keeper, count, kills * connections)
    node = tmp_path / "node"
    assert not list(node.glob("journal-*")), "a journal with nothing open was left behind"


@pytest.mark.parametrize("offset", range(-3, 4))
def test_a_sender_killed_around_the_final_dot_knows_what_it_does_not_know(tmp_path: Path, offset: int) -> None:
    """The bytes of one session are known in advance, so the axe can fall before, on and behind `CRLF . CRLF`."""
    make_list(tmp_path, 10)
    keeper = Keeper(tmp_path / "server")
    opening = len(b"EHLO c.invalid\r\n")
    envelope = sum(
        len(line)
        for line in (
            b"MAIL FROM:<b@bounce.example.com> SIZE=%d\r\n" % len(text(1)),
            b"RCPT TO:<p1@example.org>\r\n",
            b"DATA\r\n",
        )
    )
    dot = opening + envelope + len(text(1)) + len(b".\r\n")
    with SmtpServer(features=("SIZE 10000000", "PIPELINING"), keep=keeper) as server:
        assert run_and_kill(tmp_path, server, dot + offset, 1, 16, spills=False)
        assert start(tmp_path, server.port, 1, 16).wait(60) == 0
    assert (keeper.messages()[1] == 1) == (offset >= 0)
    assert states(tmp_path)[1] == "uncertain"
    check(tmp_path, keeper, 10, 1)

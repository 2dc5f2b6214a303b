"""What the fault tests share: a list of people with mails, children that deliver them, and the reckoning afterwards.

The server keeps each mail as a file before it says 250; list and files are compared message by message.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select, text

from app.main import wall
from app.store.engine import Database, open_database
from app.store.messages import MessageRow
from tests.actions.post_office import PostOffice, publish
from tests.faults.delivery_child import build_world
from tests.faults.keeper import Keeper
from tests.faults.nursery import Child, nursery
from tests.servers.guillotine import Guillotine
from tests.servers.smtp import SmtpServer
from tests.services.clock import Clock

MAIL_BYTES = 2_500
"""About what one mail of the small site weighs, its envelope included."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """List against files. `lost`: called sent and not there, or forgotten. `twice`: mails that came more than once."""

    mails: int
    lost: int
    twice: int
    uncertain: int
    open: int


@dataclass
class House:
    """A database with a published site and `count` mails that are due, and a server that keeps what it takes."""

    url: str
    folder: Path
    server: SmtpServer
    keeper: Keeper
    database: Database
    children: list[Child] = field(default_factory=list)

    def start(self, port: int = 0, connections: int = 1, worker: str = "node", **environ: str) -> Child:
        arguments = [self.url, str(self.folder / worker), str(port or self.server.port), str(connections)]
        child = nursery().start(arguments, {**os.environ, **environ}, self.folder / "children.log")
        self.children.append(child)
        return child

    def start_ready(self, port: int = 0, connections: int = 1, worker: str = "node", **environ: str) -> Child:
        """Returns once it holds its folder and has settled what was left there."""
        child = self.start(port, connections, worker, **environ)
        assert child.stdout.readline() == "ready\n", (self.folder / "children.log").read_text()[-3_000:]
        return child

    def finish(self, connections: int = 1, worker: str = "node", **environ: str) -> None:
        """Let a child that nobody disturbs do what is left."""
        child = self.start(0, connections, worker, **environ)
        assert child.wait(60) == 0, (self.folder / "children.log").read_text()[-3_000:]

    def killed_at(self, at: int, connections: int, *, spills: bool, **environ: str) -> bool:
        """Run a child and kill it when so many bytes went over the wire; False when it was done before."""
        fallen = threading.Event()
        started: list[Child] = []
        there = threading.Event()

        def fall() -> None:
            there.wait(10)
            fallen.set()
            started[0].kill()

        with Guillotine(self.server.port, at, fall, spills=spills) as proxy:
            started.append(self.start(proxy.port, connections, **environ))
            there.set()
            status = started[0].wait(60)
        assert fallen.is_set() or status == 0, (self.folder / "children.log").read_text()[-3_000:]
        return fallen.is_set()

    def reckon(self) -> Reckoning:
        has = self.keeper.messages()
        with self.database.transaction("read") as session:
            rows = session.execute(select(MessageRow.public_id, MessageRow.state)).all()
        says = {row.public_id.hex(): row.state for row in rows}
        lost = [key for key, state in says.items() if state == "sent" and not has[key]]
        unsaid = [key for key in has if says.get(key) not in ("sent", "uncertain")]
        states = Counter(says.values())
        return Reckoning(
            mails=len(says),
            lost=len(lost) + len(unsaid) + len(says) - sum(states[s] for s in _KNOWN),
            twice=sum(1 for times in has.values() if times > 1),
            uncertain=states["uncertain"],
            open=sum(states[state] for state in ("queued", "claimed", "waiting")),
        )

    def states(self) -> Counter[str]:
        with self.database.transaction("read") as session:
            return Counter(session.scalars(select(MessageRow.state)))

    def delay_nothing(self) -> None:
        """What waits for another try is due at once."""
        with self.database.transaction("write") as session:
            session.execute(text("UPDATE message SET due_at = 0 WHERE state IN ('queued', 'waiting')"))


_KNOWN = ("sent", "uncertain", "queued", "claimed", "waiting")


@contextlib.contextmanager
def house(url: str, folder: Path, count: int, server: SmtpServer, keeper: Keeper) -> Iterator[House]:
    database = open_database(url)
    world = build_world(url, folder / "node")
    publish(world)
    PostOffice(world, Clock(wall())).crowd(count)
    world.database.dispose()
    opened = House(url, folder, server, keeper, database)
    try:
        yield opened
    finally:
        for child in opened.children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait()
            child.stdout.close()
        world.database.dispose()
        database.dispose()

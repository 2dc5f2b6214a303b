"""A post office for tests: a published site, people with mails that are due, couriers, and a real SMTP server.

Alice is confirmed, Bob has not confirmed, Carol left. A crowd of confirmed people stands behind them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from app.actions.advance import drain
from app.actions.deliver import LEASE, Courier, Post
from app.actions.inspect import Inspection
from app.actions.pace import Paces
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.recover import Recovered, recover
from app.actions.shelf import Shelf
from app.actions.sweep import LOOKS, LeaseWatch, expire_leases
from app.core.instants import SECOND
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.disk.folder import NodeFolder, boot_identity, hold_folder
from app.disk.journal import Journal, JournalSettings
from app.links import Key, Links
from app.mail.lanes import shipped_lanes
from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import Limits, SmtpRelay, Timeouts, Tls
from app.settings import Settings
from app.store.engine import Database
from app.store.messages import DeliveryRow, MessageRow, NewMessage, queue_by_cause
from app.store.people import NewSubscriber, SubscriberRow, create
from app.world import World
from tests.actions.small_site import SITE, WELCOME, site_with
from tests.services.clock import Clock
from tests.store.cast import new_id

AWAKE = SITE.replace('  quiet_hours: "21:00-08:00"\n', "")
"""The small site without quiet hours, so that tests may run at night."""
QUICK = Timeouts(connect=5, greeting=5, command=5, data=5, body=5, final=5)
MARKETING, SERVICE = MailClass.MARKETING, MailClass.SERVICE


def site() -> Inspection:
    return site_with(WELCOME, site=AWAKE)


def build_world(database: Database, folder: Path, clock: Clock, **settings: object) -> World:
    given: dict[str, Any] = {"database_url": "", "secret": "x" * 40, "base_url": "http://127.0.0.1:8000"}
    return World(
        settings=Settings(**(given | {"data": folder, "bounce_domain": "bounce.example.com"} | settings)),
        database=database,
        links=Links((Key(1, b"k" * 32),), "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        now=clock,
        wall=clock,
        new_id=lambda: os.urandom(16),
        monotonic=time.monotonic,
        secret=b"s" * 32,
    )


def publish(world: World) -> None:
    done = apply(world, site(), Authorship("tests"))
    assert not isinstance(done, NotPublished), done
    with world.transaction("write") as session:
        session.execute(update(SubscriberRow).values(due_at=None))


def relay_to(port: int, connections: int = 1, timeouts: Timeouts = QUICK) -> SmtpRelay:
    limits = Limits(connections, per_connection=1_000)
    return SmtpRelay("relay", "127.0.0.1", port, Tls.NEVER, helo="c.invalid", limits=limits, timeouts=timeouts)


_causes = itertools.count()


@dataclass
class PostOffice:
    """`world`, and what one worker holds: folder, journal, couriers. `die` ends it as a crash does."""

    world: World
    clock: Clock
    folders: list[NodeFolder] = field(default_factory=list)
    journals: list[Journal] = field(default_factory=list)
    transports: list[SmtpTransport] = field(default_factory=list)

    # ── People and mails ──

    def person(self, name: str, state: SubscriberState = SubscriberState.ACTIVE) -> int:
        """Confirmed, unless another state is asked for."""
        with self.world.transaction("write") as session:
            address = f"{name}@example.com"
            row = create(session, NewSubscriber(new_id(), address, address, "lead", self.clock(), locale="en"))
            row.state, row.due_at = state.value, None
            row.confirmed_at = None if state is SubscriberState.PENDING else self.clock()
            row.unsubscribed_at = self.clock() if state is SubscriberState.UNSUBSCRIBED else None
            session.flush()
            return row.id

    def mail(self, person: int, kind: MailClass = MARKETING, mail: str = "a", **more: Any) -> int:
        """A mail that is due now."""
        cause = f"test:{next(_causes)}"
        new = NewMessage(new_id(), person, cause, mail, kind, self.clock(), lane=more.pop("lane", "default"), **more)
        with self.world.transaction("write") as session:
            found = queue_by_cause(session, new)
        assert found is not None
        return found

    def crowd(self, number: int, kind: MailClass = MARKETING) -> list[int]:
        """So many confirmed people with a mail each that is due now; returns the mails."""
        with self.world.transaction("write") as session:
            ids = []
            for each in range(number):
                address = f"p{each}-{new_id().hex()}@example.com"
                row = create(session, NewSubscriber(new_id(), address, address, "lead", self.clock(), locale="en"))
                row.state, row.confirmed_at, row.due_at = "active", self.clock(), None
                session.flush()
                new = NewMessage(new_id(), row.id, f"test:{next(_causes)}", "a", kind, self.clock(), lane="default")
                ids.append(queue_by_cause(session, new) or 0)
        return ids

    # ── A worker ──

    def post(self, folder: str = "worker", window: int = 16, connections: int = 1) -> Post:
        """Take a folder, settle what a dead worker left there, open the journal."""
        path = self.world.settings.data / folder
        held = hold_folder(path, lambda: os.urandom(16))
        assert held is not None
        self.folders.append(held)
        self.recovered = recover(self.world, path, boot_identity(), but=held.owner.incarnation)
        journal = Journal(path, held.owner, boot_identity(), JournalSettings(window, connections))
        self.journals.append(journal)
        return Post(self.world, Shelf(self.world.secret), journal, str(held.owner), Paces(shipped_lanes(), lambda: 0.0))

    recovered: Recovered = field(default_factory=Recovered)

    def courier(
        self, port: int, post: Post | None = None, connections: int = 1, kind: MailClass = MARKETING
    ) -> Courier:
        transport = SmtpTransport(relay_to(port, connections))
        self.transports.append(transport)
        return Courier(post or self.post(connections=connections), transport, (kind,))

    def round(self, courier: Courier) -> int:
        """Let the engine decide about whoever was woken, then deliver."""
        drain(self.world, courier.post.shelf)
        return courier.deliver()

    def die(self) -> None:
        """As a killed process leaves it: nothing is said goodbye to, the folder's lock is free."""
        for folder in self.folders:
            folder.release()
        self.folders.clear()

    def close(self) -> None:
        for transport in self.transports:
            transport.close()
        for journal in self.journals:
            with contextlib.suppress(OSError, ValueError):
                journal.close()
        self.die()

    # ── Looking ──

    def row(self, message: int) -> MessageRow:
        with self.world.transaction("read") as session:
            return session.get_one(MessageRow, message)

    def state(self, message: int) -> str:
        return self.row(message).state

    def states(self) -> Counter[str]:
        with self.world.transaction("read") as session:
            return Counter(session.scalars(select(MessageRow.state)))

    def public_ids(self) -> dict[int, str]:
        with self.world.transaction("read") as session:
            return {row.id: row.public_id.hex() for row in session.scalars(select(MessageRow))}

    def attempts(self, message: int) -> Sequence[DeliveryRow]:
        with self.world.transaction("read") as session:
            query = select(DeliveryRow).where(DeliveryRow.message_id == message).order_by(DeliveryRow.attempt)
            return session.scalars(query).all()

    def subscriber(self, person: int) -> SubscriberRow:
        with self.world.transaction("read") as session:
            return session.get_one(SubscriberRow, person)

    def change(self, model: Any, id_: int, **values: object) -> None:
        with self.world.transaction("write") as session:
            session.execute(update(model).where(model.id == id_).values(**values))


@contextlib.contextmanager
def open_office(database: Database, folder: Path, clock: Clock, **settings: object) -> Iterator[PostOffice]:
    world = build_world(database, folder, clock, **settings)
    publish(world)
    office = PostOffice(world, clock)
    try:
        yield office
    finally:
        office.close()


@contextlib.contextmanager
def working(courier: Courier) -> Iterator[threading.Thread]:
    """`deliver` on a thread of its own, as the clock does it."""
    thread = threading.Thread(target=courier.deliver)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(30)
        assert not thread.is_alive(), "the courier did not come home"


def lose_leases(world: World) -> int:
    """Look as often and for as long as it takes to be sure that nobody renews. Returns how many became uncertain."""
    watch, looks = LeaseWatch(), range(LOOKS + 1)
    seconds = iter([number * LEASE / SECOND / LOOKS for number in looks])
    later = replace(world, monotonic=lambda: next(seconds))
    return sum(expire_leases(later, watch, LEASE) for _ in looks)


def with_settings(world: World, **more: Any) -> World:
    return replace(world, settings=replace(world.settings, **more))

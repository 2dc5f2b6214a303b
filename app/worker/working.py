"""Working: the worker process from its lock to its last settled mail.

Owns what is built once per worker (folder, journal, transport, courier), what its clock drives, and how it stops.
Must not hold logic of its own: every kind of work is an action.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import structlog

from app.actions import track
from app.actions.advance import drain
from app.actions.deliver import LEASE, Courier
from app.actions.publish import wake_concerned
from app.actions.recover import recover
from app.actions.shelf import Shelf
from app.actions.sweep import beat, expire_leases, renew
from app.actions.timemachine import walk
from app.core.person import MailClass
from app.disk.folder import NodeFolder, boot_identity, hold_folder
from app.disk.journal import Journal, JournalSettings
from app.mail.smtp_relays import open_transport
from app.mail.smtp_url import FileRelay, RelayFaults, parse_relays
from app.mail.transports import Transport
from app.worker.clock import Clock, Work
from app.world import World

log = structlog.get_logger()

_SERVICE = (MailClass.SERVICE, MailClass.TEAM)
GRACE = 10.0
"""Seconds what is in flight has to finish when the worker is told to stop."""


class AlreadyRunningError(RuntimeError):
    """Another worker holds this data folder."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything one worker holds while it lives."""

    world: World
    shelf: Shelf
    folder: NodeFolder
    journal: Journal
    transport: Transport
    courier: Courier


def open_workshop(world: World) -> Workshop:
    """Take the folder, settle what a dead worker left, open journal and transport. Raises AlreadyRunningError."""
    path = world.settings.data / "worker"
    folder = hold_folder(path, world.new_id)
    if folder is None:
        raise AlreadyRunningError(f"another worker holds {path}; one is enough on one machine")
    boot = boot_identity()
    recovered = recover(world, path, boot, but=folder.owner.incarnation)
    log.info("recovered", recorded=recovered.recorded, uncertain=recovered.uncertain, given_back=recovered.given_back)
    journal = Journal(path, folder.owner, boot, JournalSettings(window=world.settings.journal_window))
    transport = open_relays(world.settings.smtp_url, world.settings.data / "inbox")
    shelf = Shelf(world.secret)
    courier = Courier(world, shelf, transport, journal, str(folder.owner))
    return Workshop(world, shelf, folder, journal, transport, courier)


def open_relays(smtp_url: str, inbox: Path) -> Transport:
    """The configured relays; without any, mails are written into the data folder's inbox. Raises ValueError."""
    if not smtp_url:
        return open_transport((FileRelay("inbox", inbox),))
    relays = parse_relays(smtp_url)
    if isinstance(relays, RelayFaults):
        raise ValueError(str(relays))
    return open_transport(relays)


def works_of(shop: Workshop) -> tuple[Work, ...]:
    """What the clock drives, and how often it is looked for."""
    world, owner = shop.world, shop.folder.owner
    works = (
        Work("waking", 1, lambda: wake_concerned(world, shop.shelf)),
        Work("advance", 0.5, lambda: drain(world, shop.shelf)),
        Work("service_mail", 0.25, lambda: [shop.courier.deliver(kind) for kind in _SERVICE]),
        Work("marketing_mail", 0.5, lambda: shop.courier.deliver(MailClass.MARKETING)),
        Work("leases", 30, lambda: renew(world, str(owner), LEASE)),
        Work("sweep", 30, lambda: expire_leases(world)),
        Work("heartbeat", 2, lambda: beat(world, owner.node)),
    )
    demo = (Work("time_machine", 0.2, lambda: walk(world, shop.shelf)),) if world.settings.demo else ()
    tracking = (Work(*each) for each in track.works(world, shop.shelf, world.settings.data / "spool", owner.node))
    return (*works, *tracking, *demo)


def work(world: World) -> None:
    """Work until told to stop (SIGTERM, SIGINT); then finish what is in flight within the grace."""
    shop = open_workshop(world)
    clock = Clock(works_of(shop))
    stopping = threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        clock.stop()
        threading.Thread(target=shop.courier.stop, args=(GRACE,), daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("worker_started", incarnation=shop.folder.owner.incarnation)
    clock.run()
    shop.transport.close()
    shop.journal.close()
    shop.folder.release()
    world.database.dispose()
    log.info("worker_stopped")

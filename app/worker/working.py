"""Working: the worker process from its lock to its last settled mail.

Owns what is built once per worker (folder, journal, transport, courier), what its clock drives, and how it stops.
Must not hold logic of its own: every kind of work is an action.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from app.actions import referrals, track
from app.actions.advance import drain
from app.actions.bounces import empty_letterbox, poll_mailbox
from app.actions.breakers import watch
from app.actions.calling import call_due
from app.actions.deliver import LEASE, Courier, Post
from app.actions.errands.doing import drain as do_errands
from app.actions.exchangers import Exchangers
from app.actions.nightly import keep_house
from app.actions.pace import Paces
from app.actions.progress import Reporter, progress
from app.actions.publish import wake_concerned
from app.actions.recover import recover
from app.actions.shelf import Shelf
from app.actions.signing import signers_of
from app.actions.sweep import LeaseWatch, beat, expire_leases, renew, resend_uncertain
from app.actions.timemachine import walk
from app.actions.warming import WarmUp
from app.core.instants import SECOND
from app.core.person import MailClass
from app.disk.folder import NodeFolder, boot_identity, hold_folder
from app.disk.journal import Journal, JournalSettings
from app.disk.letterbox import Letterbox
from app.mail.inbound_lmtp import LmtpServer
from app.mail.inbound_mailbox import Mailbox, parse_mailbox
from app.mail.smtp import SmtpTransport
from app.mail.smtp_relays import open_transport, turns_of
from app.mail.smtp_routes import Routes, fit_to_lanes
from app.mail.smtp_url import FileRelay, Relay, RelayFaults, SmtpRelay, parse_relays
from app.mail.transports import Transport
from app.net.tokens import ask
from app.worker.clock import Clock, Work
from app.world import World

log = structlog.get_logger()

_SERVICE = (MailClass.SERVICE, MailClass.TEAM)
_MARKETING = (MailClass.MARKETING,)
_SERVICE_SLOTS = 1 << 14
"""Connections of service mail are numbered from here in the journal."""
GRACE = 10.0
"""Seconds what is in flight has to finish when the worker is told to stop."""


ASLEEP = 30.0
"""Seconds a transaction of ours may stand still before the database ends it; ours take milliseconds."""


class AlreadyRunningError(RuntimeError):
    """Another worker holds this data folder."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything one worker holds while it lives. Service mail has a transport, and so connections, of its own."""

    post: Post
    folder: NodeFolder
    service: Courier
    marketing: Courier
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the worker is told to stop: long work is set aside at its next step."""

    @property
    def couriers(self) -> tuple[Courier, Courier]:
        return self.service, self.marketing


def open_workshop(world: World) -> Workshop:
    """Take the folder, settle what a dead worker left, open journal and transports. Raises AlreadyRunningError."""
    path = world.settings.data / "worker"
    folder = hold_folder(path, world.new_id)
    if folder is None:
        raise AlreadyRunningError(f"another worker holds {path}; one is enough on one machine")
    boot = boot_identity()
    recovered = recover(world, path, boot, but=folder.owner.incarnation)
    log.info("recovered", recorded=recovered.recorded, uncertain=recovered.uncertain, given_back=recovered.given_back)
    lanes = world.lanes
    relays = fit_to_lanes(relays_of(world.settings.smtp_url, world.settings.data / "inbox"), lanes)
    settings = JournalSettings(window=world.settings.journal_window, connections=_connections(relays))
    journal = Journal(path, folder.owner, boot, settings)
    paces = Paces(lanes, lambda: int.from_bytes(world.new_id()[:4], "big") / 2**32, world.monotonic)
    signers = signers_of(world.settings.dkim)
    post = Post(
        world,
        Shelf(world.secret),
        journal,
        str(folder.owner),
        paces,
        signers=signers,
        routes=Routes(relays),
        warm_up=WarmUp(world.settings.warm_up),
    )
    turns = turns_of(relays)
    service, marketing = (open_transport(relays, world.monotonic, turns, ask) for _ in range(2))
    couriers = Courier(post, service, _SERVICE, _SERVICE_SLOTS), Courier(post, marketing, _MARKETING)
    return Workshop(post, folder, *couriers)


def _connections(relays: Sequence[Relay]) -> int:
    return sum(relay.limits.connections if isinstance(relay, SmtpRelay) else 1 for relay in relays)


def relays_of(smtp_url: str, inbox: Path) -> Sequence[Relay]:
    """The configured relays; without any, mails are written into the data folder's inbox. Raises ValueError."""
    if not smtp_url:
        return (FileRelay("inbox", inbox),)
    relays = parse_relays(smtp_url)
    if isinstance(relays, RelayFaults):
        raise ValueError("; ".join(relays.faults))
    return relays


def open_relays(smtp_url: str, inbox: Path) -> Transport:
    """One transport for all configured relays. Raises ValueError."""
    return open_transport(relays_of(smtp_url, inbox), ask=ask)


def works_of(shop: Workshop, end: Callable[[], None]) -> tuple[Work, ...]:
    """What the clock drives, and how often it is looked for."""
    world, shelf, owner = shop.post.world, shop.post.shelf, shop.folder.owner
    lease_watch = LeaseWatch()
    reporter = Reporter(world, shop.post.paces, [courier.transport for courier in shop.couriers])
    works: tuple[Work, ...] = (
        Work("waking", 1, lambda: wake_concerned(world, shelf)),
        Work("advance", 0.5, lambda: drain(world, shelf)),
        Work("service_mail", 0.25, lambda: deliver_or_end(shop.service, end)),
        Work("marketing_mail", 0.5, lambda: deliver_or_end(shop.marketing, end)),
        Work("warmth", 15, lambda: keep_warm(shop.service.transport)),
        Work("leases", 30, lambda: keep_leases(shop)),
        Work("sweep", 30, lambda: expire_leases(world, lease_watch, LEASE)),
        Work("uncertain", 60, lambda: resend_uncertain(world)),
        Work("breakers", 30, lambda: watch(world, shelf)),
        Work("heartbeat", 2, lambda: beat(world, owner.node, reporter.words(shop.post.journal.fault))),
        Work("letterbox", 2, lambda: empty_letterbox(world, Letterbox(world.settings.data / "letterbox"))),
        Work("webhooks", 2, lambda: call_due(world, shelf, os.environ)),
        Work("journal", 30, lambda: begin_anew(shop, end)),
        Work("progress", 60, lambda: tell_progress(world)),
        Work("errands", 1, lambda: do_errands(world, shelf, str(owner), shop.stopping.is_set)),
        Work("nightly", 6 * 3600, lambda: keep_house(world, shelf, shop.stopping.is_set)),
    )
    if mailbox := _mailbox_or_none(world.settings.bounce_mailbox):
        works = (*works, Work("bounce_mailbox", 60, lambda: poll_mailbox(world, mailbox)))
    demo = (Work("time_machine", 0.2, lambda: walk(world, shelf)),) if world.settings.demo else ()
    spool, is_stopping = world.settings.data / "spool", shop.stopping.is_set
    tracking = (Work(*each) for each in track.works(world, shelf, spool, owner.node, is_stopping))
    friends = (
        Work("referrals", 5, lambda: referrals.settle_due(world)),
        Work("referrals_taken_back", 60, lambda: referrals.withdraw_complaints(world, shelf)),
    )
    mail_hosts = Exchangers(world)
    asking = (Work("exchangers", 60, lambda: mail_hosts.round(is_stopping)),)
    return (*works, *tracking, *friends, *asking, *demo)


def mailbox_of(url: str) -> Mailbox | None:
    """The bounce mailbox of the setting, None without one. Raises ValueError."""
    if not url:
        return None
    mailbox = parse_mailbox(url)
    if isinstance(mailbox, tuple):
        raise ValueError("; ".join(mailbox))
    return mailbox


def _mailbox_or_none(url: str) -> Mailbox | None:
    """A mailbox nobody can read stops no mail: it is said, and the worker goes on without."""
    try:
        return mailbox_of(url)
    except ValueError as fault:
        log.error("bounce_mailbox", fault=str(fault))
        return None


def deliver_or_end(courier: Courier, end: Callable[[], None]) -> int:
    """Deliver. What nobody expected ends the worker: its next life reads the journal, and knows what this one forgot.

    Going on would renew the leases of claims that no thread remembers, for ever.
    """
    try:
        return courier.deliver()
    except Exception:
        end()
        raise


ROOM = 64 << 20
"""Bytes that must be free before a worker tries again whose journal could not be written."""


def begin_anew(shop: Workshop, end: Callable[[], None]) -> None:
    """A journal that failed stays closed: when its disk has room again, the next life opens another."""
    journal = shop.post.journal
    if journal.fault and shutil.disk_usage(shop.folder.path).free > ROOM:
        log.warning("journal_begins_anew", fault=journal.fault)
        end()


def tell_progress(world: World) -> None:
    """A line of the log while there is something to do."""
    found = progress(world)
    if found.due or found.per_minute:
        left = None if found.left is None else found.left // SECOND
        log.info("progress", per_minute=round(found.per_minute), due=found.due, later=found.later, seconds_left=left)


def keep_leases(shop: Workshop) -> None:
    """Renew what is held, and only then let the couriers rely on it."""
    at = shop.post.world.monotonic()
    renew(shop.post.world, shop.post.owner, LEASE)
    for courier in shop.couriers:
        courier.renewed(at)


def keep_warm(transport: Transport) -> None:
    """A connection that is open already when the next confirmation comes. A relay that rests is left alone."""
    if isinstance(transport, SmtpTransport) and transport.is_ready:
        transport.warm()


def work(world: World) -> bool:
    """Work until told to stop (SIGTERM, SIGINT); then finish what is in flight within the grace.

    False when it ended by itself, for somebody to start it again.
    """
    world.database.end_idle(ASLEEP)
    shop = open_workshop(world)
    ended = threading.Event()

    def stop() -> None:
        shop.stopping.set()
        clock.stop()
        for courier in shop.couriers:
            threading.Thread(target=courier.stop, args=(GRACE,), daemon=True).start()

    def end() -> None:
        ended.set()
        stop()

    clock, lmtp = Clock(works_of(shop, end)), listen(world)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
    log.info("worker_started", incarnation=shop.folder.owner.incarnation)
    clock.run()
    if lmtp is not None:
        lmtp.close()
    _close(shop)
    world.database.dispose()
    log.info("worker_stopped", by_itself=ended.is_set())
    return not ended.is_set()


def listen(world: World) -> LmtpServer | None:
    """Take in what a mail server hands over; a place that is taken stops no mail."""
    if world.settings.lmtp is None:
        return None
    letterbox = Letterbox(world.settings.data / "letterbox")
    try:
        return LmtpServer(*world.settings.lmtp, letterbox.drop)
    except OSError as fault:
        log.error("lmtp", fault=str(fault))
        return None


def _close(shop: Workshop) -> None:
    for courier in shop.couriers:
        courier.transport.close()
    shop.post.journal.close()
    shop.folder.release()

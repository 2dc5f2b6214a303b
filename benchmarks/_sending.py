"""What the benchmark of delivery sends and who sends it: a list, a mail, and workers in processes of their own.

Owns the world of one worker and the pipe it is told by. Must not measure others or print.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from sqlalchemy import func, select

from app.actions.deliver import Courier, Post
from app.actions.inspect import inspect
from app.actions.pace import Paces
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.shelf import Shelf
from app.core.person import MailClass
from app.disk.folder import Owner, boot_identity
from app.disk.journal import Journal, JournalSettings
from app.links import Key, Links
from app.mail.dkim import Signer, read_signer
from app.mail.lanes import shipped_lanes
from app.mail.smtp import SmtpTransport
from app.main import since_boot, today, wall
from app.settings import Settings
from app.store.base import table_of
from app.store.engine import Database, open_database
from app.store.messages import MessageRow
from app.store.people import AttributeRow, SubscriberRow
from app.world import World
from benchmarks._names import first_names
from benchmarks.mail_build import source as mail_source
from benchmarks.smtp_client import relay
from tests.actions.post_office import AWAKE
from tests.actions.small_site import WELCOME, sources_of

ROOT = Path(__file__).resolve().parent.parent


def build_world(database: Database, folder: Path) -> World:
    settings = Settings("", "x" * 40, "http://127.0.0.1:8000", folder, bounce_domain="bounce.example.com")
    links = Links((Key(1, b"k" * 32),), settings.base_url, settings.base_url)
    return World(
        settings=settings,
        database=database,
        links=links,
        now=wall,
        wall=wall,
        new_id=lambda: os.urandom(16),
        monotonic=since_boot,
        secret=b"s" * 32,
    )


def files() -> dict[str, str]:
    """The small site with one mail of about 24 KB on the wire."""
    found = sources_of({"welcome": WELCOME}, site=AWAKE)
    text = mail_source("en").replace("{% for item in event.goods %}\n- {{ item }}\n{% endfor %}\n", "")
    text = text.replace("{{ coupon(offer.code, ends=offer.ends) }}", "").replace(
        "subscriber.vip", "subscriber.first_name"
    )
    text = text.replace("| {{ event.name }} | {{ event.total }} |", "| {{ subscriber.first_name }} | 1 |")
    found["email_templates/a.md"] = "## ".join(text.split("## ")[:14])  # 24.6 KB on the wire
    found["email_templates/layouts/base.html"] = (ROOT / "email_templates/layouts/base.html").read_text("utf-8")
    return found


def publish(world: World) -> None:
    done = apply(world, inspect(files(), today()), Authorship("bench"))
    if isinstance(done, NotPublished):
        raise SystemExit("\n".join(map(str, done.problems)))


_PERSON = {
    "locale": "en", "tz": "Asia/Tehran", "country": "", "source": "", "box": "", "stage": "lead", "stage_since": 0,
    "furthest_stage": "lead", "kind": "none", "weight": 0.0, "landmark": 0, "fit": 0, "orders": 0, "revenue": 0,
    "referrals": 0, "is_referred": False, "ladder_digest": "", "is_suppressed": False, "fell_from": "{}", "wake": 0,
    "attempts": 0, "error": "", "created_at": 0, "state": "active", "confirmed_at": 1,
}  # fmt: skip
_MAIL = {
    "recipient": "", "step": "", "campaign": "welcome", "arm": "", "mail_key": "a", "mail_class": "marketing",
    "lane": "default", "rank": 0, "state": "queued", "subject": "", "offer": "", "data": "{}", "wanted_at": 0,
    "slot_at": 0, "due_at": 0, "claim_no": 0, "attempts": 0, "reason": "", "reply": "", "created_at": 0,
}  # fmt: skip


def fill(world: World, count: int) -> None:
    """So many confirmed people with a due mail each, most of them with a first name."""
    with world.transaction("write") as session:
        first = (session.scalar(select(func.max(SubscriberRow.id))) or 0) + 1
        numbers = range(first, first + count)
        people = [
            _PERSON
            | {"id": n, "public_id": os.urandom(16), "address": f"p{n}@example.org", "address_key": f"p{n}@example.org"}
            for n in numbers
        ]
        session.execute(table_of(SubscriberRow).insert(), people)
        session.execute(
            table_of(AttributeRow).insert(),
            [
                {"subscriber_id": n, "key": "first_name", "text": name, "number": None, "sort": "text", "at": 0}
                for n, name in zip(numbers, first_names(first, count), strict=True)
                if name
            ],
        )
        mails = [_MAIL | {"public_id": os.urandom(16), "subscriber_id": n, "cause_key": f"bench:{n}"} for n in numbers]
        session.execute(table_of(MessageRow).insert(), mails)


@dataclass(frozen=True, slots=True)
class Job:
    """One stretch of sending: until nothing is due. `life` tells journals and owners apart; `dkim`: rsa, ed25519."""

    port: int
    life: int
    connections: int = 1
    dkim: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    taken: int
    cpu: float
    """Seconds."""


class Sender:
    """One worker's hands on one database."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = open_database(url)
        self.world = build_world(self.database, folder)
        self.shelf = Shelf(self.world.secret)

    def send(self, job: Job, run: Callable[[Callable[[], int]], int] = lambda work: work()) -> Done:
        folder = self.world.settings.data / f"life-{job.life}"
        folder.mkdir()
        settings = JournalSettings(16, job.connections)
        with Journal(folder, Owner("0" * 32, job.life), boot_identity(), settings) as journal:
            signers = (signer_of(job.dkim),) if job.dkim else ()
            paces = Paces(shipped_lanes(), lambda: 0.0)
            post = Post(self.world, self.shelf, journal, f"bench:{job.life}", paces, signers=signers)
            transport = SmtpTransport(relay(job.port, job.connections))
            courier = Courier(post, transport, (MailClass.MARKETING,))
            cpu = time.process_time()
            taken = run(courier.deliver)
            done = Done(taken, time.process_time() - cpu)
            transport.close()
        return done


@cache
def pem_of(kind: str) -> bytes:
    """A private key of this run."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def signer_of(kind: str) -> Signer:
    return read_signer(pem_of(kind), "example.com", "bench")


def bare_signature(kind: str, times: int = 300) -> float:
    """CPU µs of signing what the headers of a mail come to, and nothing else."""
    signer = signer_of(kind)
    began = time.process_time()
    for number in range(times):
        signer._sign(b"%1200d" % number)
    return (time.process_time() - began) / times * 1e6


class Worker:
    """A sender in a process of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(url, folder, theirs), daemon=True)
        self._process.start()
        self._pipe.recv()

    def begin(self, job: Job) -> None:
        self._pipe.send(job)

    def end(self) -> Done:
        if not self._pipe.poll(300):
            raise SystemExit("a worker does not come to an end")
        done: Done = self._pipe.recv()
        return done

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join(10)


def _work(url: str, folder: Path, pipe: Connection) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sender = Sender(url, folder)
    pipe.send("ready")
    while (job := pipe.recv()) is not None:
        pipe.send(sender.send(job))
    sender.database.dispose()

"""Delivery end to end: claim, door, write, journal, SMTP, record; beside smtp-source and beside the plain way.

    python -m benchmarks.delivery [--messages 4000] [--rounds 3] [--no-postgres] [--profile]

Everything is on: journal, claims, tracking links, text part, headers, bodies, attempts, counters. All candidates take
turns in every round against one smtp-sink; what counts is the ratio, for all share the machine with the sink.
Needs Postfix's smtp-source and smtp-sink, and PostgreSQL for its half. Ends with code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import os
import pstats
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from statistics import median

import structlog
from jinja2 import Environment
from premailer import transform
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.actions.deliver import Courier, Post
from app.actions.inspect import inspect
from app.actions.pace import Paces
from app.actions.publish import Authorship, NotPublished, apply
from app.actions.shelf import Shelf
from app.core.person import MailClass
from app.disk.folder import Owner, boot_identity
from app.disk.journal import Journal, JournalSettings
from app.links import Key, Links
from app.mail.lanes import shipped_lanes
from app.mail.smtp import SmtpTransport
from app.main import since_boot, today, wall
from app.settings import Settings
from app.store import bodies
from app.store.engine import Database, open_database
from app.store.messages import DeliveryRow, MessageRow
from app.store.people import SubscriberRow
from app.world import World
from benchmarks.mail_build import source as mail_source
from benchmarks.smtp_client import PATH, relay, sink
from tests.actions.post_office import AWAKE, WELCOME
from tests.actions.small_site import sources_of
from tests.services.postgres import Databases, start_server
from tests.services.schema import lay_tables

GOAL, GOAL_NAIVE = 0.50, 50.0
NAIVE = 30
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
    """So many confirmed people with a due mail each."""
    with world.transaction("write") as session:
        first = (session.scalar(select(func.max(SubscriberRow.id))) or 0) + 1
        numbers = range(first, first + count)
        people = [
            _PERSON
            | {"id": n, "public_id": os.urandom(16), "address": f"p{n}@example.org", "address_key": f"p{n}@example.org"}
            for n in numbers
        ]
        session.execute(SubscriberRow.__table__.insert(), people)
        mails = [_MAIL | {"public_id": os.urandom(16), "subscriber_id": n, "cause_key": f"bench:{n}"} for n in numbers]
        session.execute(MessageRow.__table__.insert(), mails)


class Contest:
    """One database: the courier's way and the plain way."""

    def __init__(self, name: str, url: str, folder: Path) -> None:
        self.name = name
        self.database = open_database(url)
        lay_tables(url)
        folder.mkdir()
        self.world = build_world(self.database, folder)
        publish(self.world)
        self._lives = 0

    def courier(self, port: int, count: int, connections: int, *, profile: bool = False) -> float:
        """Messages a second."""
        fill(self.world, count)
        self._lives += 1
        folder = self.world.settings.data / f"life-{self._lives}"
        folder.mkdir()
        with Journal(
            folder, Owner("0" * 32, self._lives), boot_identity(), JournalSettings(16, connections)
        ) as journal:
            paces = Paces(shipped_lanes(), lambda: 0.0)
            post = Post(self.world, Shelf(self.world.secret), journal, f"bench:{self._lives}", paces)
            transport = SmtpTransport(relay(port, connections))
            courier = Courier(post, transport, (MailClass.MARKETING,))
            with self.world.transaction("read") as session:
                post.shelf.look(session)
            began, cpu = time.perf_counter(), time.process_time()
            taken = _profiled(courier.deliver) if profile else courier.deliver()
            took, self.cpu = time.perf_counter() - began, (time.process_time() - cpu) / count * 1e6
            transport.close()
        assert taken == count, taken
        with self.world.transaction("read") as session:
            left = session.scalar(select(func.count()).select_from(MessageRow).where(MessageRow.state != "sent"))
        assert left == 0, left
        return count / took

    def naive(self, port: int, count: int) -> float:
        """What one writes first: rows by the ORM, templates compiled, premailer, EmailMessage, a connection a mail."""
        with self.world.transaction("read") as session:
            sample = session.scalars(select(MessageRow.id).where(MessageRow.state == "sent").limit(1)).one()
            html = bodies.html_of(session, sample) or ""
        source = html.replace("<head>", "<head><style>p { margin: 0 0 16px } a { color: #0b6b4f }</style>", 1)
        fill(self.world, count)
        began = time.perf_counter()
        with self.world.transaction("read") as session:
            ids = session.scalars(select(MessageRow.id).where(MessageRow.state == "queued")).all()
        for message_id in ids:
            with self.world.transaction("write") as session:
                _send_plainly(session, message_id, source, port)
        return count / (time.perf_counter() - began)


def _send_plainly(session: Session, message_id: int, source: str, port: int) -> None:
    message = session.get_one(MessageRow, message_id)
    person = session.get_one(SubscriberRow, message.subscriber_id)
    html = Environment(autoescape=True).from_string(source).render({"name": person.address})
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "sara@example.com", person.address, "Hello"
    made.set_content(html)
    made.add_alternative(transform(html, allow_network=False, disable_validation=True), subtype="html")
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("b@bounce.example.com", [person.address], made.as_bytes())
    message.state, message.settled_at = "sent", wall()
    session.add(DeliveryRow(message_id=message_id, attempt=1, outcome="sent", at=wall()))


def _profiled(work: Callable[[], int]) -> int:
    profiler = cProfile.Profile()
    taken: int = profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return taken


def smtp_source(port: int, count: int, size: int) -> float:
    program = shutil.which("smtp-source", path=PATH)
    assert program, "smtp-source is missing: apt-get install postfix"
    began = time.perf_counter()
    command = [program, "-s", "16", "-d", "-m", str(count), "-l", str(size), f"127.0.0.1:{port}"]
    subprocess.run(command, check=True)
    return count / (time.perf_counter() - began)


@contextmanager
def contests(with_postgres: bool) -> Iterator[list[Contest]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = [Contest("SQLite", f"sqlite:///{folder / 'bench.db'}", folder / "sqlite")]
        if with_postgres:
            server = start_server()
            if server is None:
                raise SystemExit("PostgreSQL is missing: apt-get install postgresql")
            stack.callback(server.remove)
            found.append(Contest("PostgreSQL", Databases(server.url()).create(), folder / "postgres"))
        yield found
        for contest in found:
            contest.database.dispose()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    logging.getLogger("CSSUTILS").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with contests(not given.no_postgres) as every, sink() as port:
        if given.profile:
            every[0].courier(port, given.messages, given.connections)
            every[0].courier(port, given.messages, given.connections, profile=True)
            return 0
        return _contend(every, port, given)


def _contend(every: list[Contest], port: int, given: argparse.Namespace) -> int:
    rates: dict[str, list[float]] = {}
    for contest in every:
        contest.courier(port, 500, given.connections)  # warm
    for _ in range(given.rounds):
        rates.setdefault("smtp-source", []).append(smtp_source(port, given.messages, 24_600))
        for contest in every:
            rates.setdefault(contest.name, []).append(contest.courier(port, given.messages, given.connections))
            rates.setdefault(f"{contest.name}, CPU µs", []).append(contest.cpu)
    missed = 0
    best = median(rates["smtp-source"])
    print(f"smtp-source -s 16 -d     {best:9.0f} a second")
    for contest in every:
        rate, plain = median(rates[contest.name]), contest.naive(port, NAIVE)
        ratios = [ours / theirs for ours, theirs in zip(rates[contest.name], rates["smtp-source"], strict=True)]
        cpu = median(rates[f"{contest.name}, CPU µs"])
        print(f"{contest.name:24} {rate:9.0f} a second, {median(ratios):.0%} of smtp-source, {cpu:.0f} µs CPU a mail")
        print(f"{'  the plain way':24} {plain:9.0f} a second; ours is {rate / plain:.0f} times faster")
        missed += median(ratios) < GOAL or rate / plain < GOAL_NAIVE
    print(f"goals: {GOAL:.0%} of smtp-source, {GOAL_NAIVE:.0f} times the plain way")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

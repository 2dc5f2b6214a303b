"""Delivery end to end: claim, door, write, journal, SMTP, record; beside smtp-source and beside the plain way.

    python -m benchmarks.delivery [--messages 4000] [--rounds 3] [--workers 2] [--connections 2] [--no-postgres]
                                  [--no-dkim] [--peer] [--profile]

Everything is on: journal, claims, tracking links, text part, headers, bodies, attempts, counters. Workers are processes
of their own, as under `parvar run`. All candidates take turns in every round against one smtp-sink; what counts is the
ratio, for all share the machine with the sink. `--peer` installs django-newsletter into a throw-away venv.
Needs Postfix's smtp-source and smtp-sink, and PostgreSQL for its half. Ends with code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import pstats
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
import venv
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

from app.main import wall
from app.store import bodies
from app.store.messages import DeliveryRow, MessageRow
from app.store.people import SubscriberRow
from benchmarks._sending import ROOT, Job, Sender, Worker, fill, publish
from benchmarks.smtp_client import PATH, SlowLine, sink
from tests.services.postgres import Databases, start_server
from tests.services.schema import lay_tables

GOAL, GOAL_NAIVE, GOAL_TRIPS = 0.50, 50.0, 1.25
GOAL_DKIM = {"ed25519": 0.45, "rsa": 0.30}
NAIVE = 30
SLOW = 150
"""Mails over a line of 20 ms."""


class Contest:
    """One database: the couriers' way and the plain way."""

    def __init__(self, name: str, url: str, folder: Path, workers: int) -> None:
        self.name = name
        lay_tables(url)
        folder.mkdir()
        self.sender = Sender(url, folder)
        self.world = self.sender.world
        publish(self.world)
        self.workers = [Worker(url, folder) for _ in range(workers)]
        self.lives = 0

    def couriers(self, count: int, job: Job) -> tuple[float, float]:
        """Messages a second by all workers together, and CPU µs a mail."""
        fill(self.world, count)
        began = time.perf_counter()
        for worker in self.workers:
            self.lives += 1
            worker.begin(Job(job.port, self.lives, job.connections, job.dkim))
        done = [worker.end() for worker in self.workers]
        took = time.perf_counter() - began
        self._check(count, sum(each.taken for each in done))
        return count / took, sum(each.cpu for each in done) / count * 1e6

    def alone(self, count: int, job: Job, run: Callable[[Callable[[], int]], int]) -> float:
        """Messages a second by one sender in this process."""
        fill(self.world, count)
        self.lives += 1
        began = time.perf_counter()
        done = self.sender.send(Job(job.port, self.lives, job.connections, job.dkim), run)
        took = time.perf_counter() - began
        self._check(count, done.taken)
        return count / took

    def _check(self, count: int, taken: int) -> None:
        assert taken == count, taken
        with self.world.transaction("read") as session:
            left = session.scalar(select(func.count()).select_from(MessageRow).where(MessageRow.state != "sent"))
            lost = session.scalar(select(func.count()).select_from(DeliveryRow).where(DeliveryRow.outcome != "sent"))
        assert left == lost == 0, (left, lost)

    def sample(self) -> str:
        """The HTML of a mail that was sent."""
        with self.world.transaction("read") as session:
            sample = session.scalars(select(MessageRow.id).where(MessageRow.state == "sent").limit(1)).one()
            return bodies.html_of(session, sample) or ""

    def naive(self, port: int, count: int) -> float:
        """What one writes first: rows by the ORM, templates compiled, premailer, EmailMessage, a connection a mail."""
        source = self.sample().replace("<head>", "<head><style>p { margin: 0 0 16px } a { color: #0b6b4f }</style>", 1)
        fill(self.world, count)
        began = time.perf_counter()
        with self.world.transaction("read") as session:
            ids = session.scalars(select(MessageRow.id).where(MessageRow.state == "queued")).all()
        for message_id in ids:
            with self.world.transaction("write") as session:
                _send_plainly(session, message_id, source, port)
        return count / (time.perf_counter() - began)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        self.sender.database.dispose()


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
def contests(with_postgres: bool, workers: int) -> Iterator[list[Contest]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = [Contest("SQLite", f"sqlite:///{folder / 'bench.db'}", folder / "sqlite", workers)]
        if with_postgres:
            server = start_server()
            if server is None:
                raise SystemExit("PostgreSQL is missing: apt-get install postgresql")
            stack.callback(server.remove)
            found.append(Contest("PostgreSQL", Databases(server.url()).create(), folder / "postgres", workers))
        yield found
        for contest in found:
            contest.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--no-dkim", action="store_true")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    logging.getLogger("CSSUTILS").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with contests(not given.no_postgres, 0 if given.profile else given.workers) as every, sink() as port:
        job = Job(port, 0, given.connections)
        if given.profile:
            every[0].alone(given.messages, job, lambda work: work())
            every[0].alone(given.messages, job, _profiled)
            return 0
        return _contend(every, job, given)


def _contend(every: list[Contest], job: Job, given: argparse.Namespace) -> int:
    kinds = [""] if given.no_dkim else ["", *GOAL_DKIM]
    rates: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sources = []
    for contest in every:
        for kind in kinds:
            contest.couriers(400, Job(job.port, 0, job.connections, kind))  # warm
    for _ in range(given.rounds):
        sources.append(smtp_source(job.port, given.messages, 24_600))
        for kind in kinds:
            for contest in every:
                done = contest.couriers(given.messages, Job(job.port, 0, job.connections, kind))
                rates.setdefault((contest.name, kind), []).append(done)
    print(f"{given.workers} workers with {given.connections} connections each, {given.messages} mails a round")
    print(f"smtp-source -s 16 -d     {median(sources):9.0f} a second")
    missed = sum([_report(contest, kinds, rates, sources, job) for contest in every])
    if given.peer:
        _report_peer(every[0], job.port, median(rate for rate, _ in rates[every[0].name, ""]))
    return 1 if missed else 0


def _report(
    contest: Contest,
    kinds: list[str],
    rates: dict[tuple[str, str], list[tuple[float, float]]],
    sources: list[float],
    job: Job,
) -> int:
    """Print the figures of one database; how many goals were missed."""
    missed = 0
    for kind in kinds:
        runs = rates[contest.name, kind]
        share = median(rate / theirs for (rate, _), theirs in zip(runs, sources, strict=True))
        goal = GOAL_DKIM.get(kind, GOAL)
        rate, cpu = median(rate for rate, _ in runs), median(cpu for _, cpu in runs)
        name = f"{contest.name} + {kind}" if kind else contest.name
        print(f"{name:24} {rate:9.0f} a second, {share:.0%} of smtp-source (goal {goal:.0%}), {cpu:.0f} µs CPU a mail")
        missed += share < goal
    rate = median(rate for rate, _ in rates[contest.name, ""])
    plain = contest.naive(job.port, NAIVE)
    print(
        f"{'  the plain way':24} {plain:9.0f} a second; ours is {rate / plain:.0f} times faster (goal {GOAL_NAIVE:.0f})"
    )
    trips = _trips(contest, job)
    print(f"{'  round trips a mail':24} {trips:9.2f} on one connection at 20 ms (goal {GOAL_TRIPS})")
    return missed + (rate / plain < GOAL_NAIVE) + (trips > GOAL_TRIPS)


def _trips(contest: Contest, job: Job, delay: float = 0.010) -> float:
    """Round trips a mail takes from claim to record over a slow line, one worker with one connection."""
    rate = contest.alone(SLOW, Job(SlowLine(job.port, delay).port, 0), lambda work: work())
    return 1 / rate / (2 * delay)


# ---------------------------------------------------------------- a peer


def _report_peer(contest: Contest, port: int, ours: float) -> None:
    found = _peer(contest, port)
    if found is None:
        print("django-newsletter        not installed")
    else:
        print(f"{'django-newsletter':24} {found:9.0f} a second; ours is {ours / found:.0f} times faster")


def _peer(contest: Contest, port: int, count: int = 300) -> float | None:
    """Mails a second by Django's mail stack on the same sink; None when it cannot be installed."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        html, text = place / "mail.html", place / "mail.txt"
        html.write_text(contest.sample(), "utf-8")
        text.write_text("Think of last Saturday. How many people came into your shop?\n\n" * 90, "utf-8")
        python = place / "venv" / "bin" / "python"
        script = ROOT / "benchmarks" / "_peer_newsletter.py"
        try:
            venv.create(place / "venv", with_pip=True)
            install = [str(python), "-m", "pip", "install", "-q", "django-newsletter", "sorl-thumbnail"]
            subprocess.run(install, check=True, timeout=240, capture_output=True)
            command = [str(part) for part in (python, script, port, count, html, text)]
            done = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
        except (subprocess.SubprocessError, OSError):
            return None
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())

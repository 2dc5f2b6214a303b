"""Delivery end to end: claim, door, write, journal, SMTP, record; beside smtp-source and beside the plain way.

    python -m benchmarks.delivery [--messages 12000] [--rounds 3] [--workers 2,3] [--connections 8] [--no-postgres]
                                  [--no-dkim] [--peer] [--profile]

Everything is on: journal, claims, tracking links, text part, headers, bodies, attempts, counters. Workers are processes
of their own, as under `parvar run`. All candidates take turns in every round against one smtp-sink; what counts is the
ratio, for all share the machine with the sink. Beside each rate stand the CPU µs a mail of the workers, of the sink and
of PostgreSQL, what that comes to with no core ever idle (the bound), and the shares of the cores that were idle or
worked for other programs. `--peer` installs django-newsletter into a throw-away venv.
Needs Postfix's smtp-source and smtp-sink, and PostgreSQL for its half. Ends with code 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import logging
import pstats
import resource
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from operator import attrgetter
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
from benchmarks._machine import CORES, Parties, Stretch, read, stretch
from benchmarks._names import first_names
from benchmarks._sending import ROOT, Job, Sender, Worker, bare_signature, fill, publish
from benchmarks.smtp_client import PATH, Sink, SlowLine, sink
from tests.services.postgres import Databases, start_server
from tests.services.schema import lay_tables

GOAL, GOAL_NAIVE, GOAL_TRIPS = 0.50, 50.0, 1.25
GOAL_DKIM = {"ed25519": 0.45, "rsa": 0.30}
WARM = 1_000
NAIVE = 30
PEER = 1_000
SLOW = 150
"""Mails over a line of 20 ms."""


@dataclass(frozen=True, slots=True)
class Lap:
    """One way to send the same mails: so many workers, signed by this algorithm or not at all."""

    kind: str
    workers: int


class Contest:
    """One database: the couriers' way and the plain way."""

    def __init__(self, name: str, url: str, folder: Path, workers: int) -> None:
        self.name = name
        self.server: int | None = None
        lay_tables(url)
        folder.mkdir()
        self.sender = Sender(url, folder)
        self.world = self.sender.world
        publish(self.world)
        self.workers = [Worker(url, folder) for _ in range(workers)]
        self.lives = 0
        self.runs: dict[Lap, list[Stretch]] = {}

    def couriers(self, count: int, job: Job, lap: Lap, sink: int) -> Stretch:
        """By so many workers together."""
        fill(self.world, count)
        workers = self.workers[: lap.workers]
        parties = Parties(sink, self.server)
        begun = read(parties)
        for worker in workers:
            self.lives += 1
            worker.begin(Job(job.port, self.lives, job.connections, lap.kind))
        done = [worker.end() for worker in workers]
        ended = read(parties)
        self._check()
        return stretch(begun, ended, sum(each.cpu for each in done), count)

    def alone(self, count: int, job: Job, run: Callable[[Callable[[], int]], int]) -> float:
        """Messages a second by one sender in this process."""
        fill(self.world, count)
        self.lives += 1
        began = time.perf_counter()
        self.sender.send(Job(job.port, self.lives, job.connections, job.dkim), run)
        took = time.perf_counter() - began
        self._check()
        return count / took

    def _check(self) -> None:
        """Each mail was sent, and once."""
        counted = select(func.count())
        with self.world.transaction("read") as session:
            left = session.scalar(counted.select_from(MessageRow).where(MessageRow.state != "sent"))
            lost = session.scalar(counted.select_from(DeliveryRow).where(DeliveryRow.outcome != "sent"))
            mails = session.scalar(counted.select_from(MessageRow))
            tries = session.scalar(counted.select_from(DeliveryRow))
        assert left == lost == 0, (left, lost)
        assert mails == tries, (mails, tries)

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


def smtp_source(server: Sink, count: int, size: int) -> Stretch:
    program = shutil.which("smtp-source", path=PATH)
    assert program, "smtp-source is missing: apt-get install postfix"
    command = [program, "-s", "16", "-d", "-m", str(count), "-l", str(size), f"127.0.0.1:{server.port}"]
    begun, before = read(Parties(server.pid)), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True)
    ended, after = read(Parties(server.pid)), resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return stretch(begun, ended, own, count)


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
            found[-1].server = server.process.pid if server.process else None
        yield found
        for contest in found:
            contest.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=_numbers, default=(2,), help="a number, or several: 2,3")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--no-dkim", action="store_true")
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    logging.getLogger("CSSUTILS").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with contests(not given.no_postgres, 0 if given.profile else max(given.workers)) as every, sink() as server:
        job = Job(server.port, 0, given.connections)
        if given.profile:
            every[0].alone(given.messages, job, lambda work: work())
            every[0].alone(given.messages, job, _profiled)
            return 0
        return _contend(every, job, server, given)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _contend(every: list[Contest], job: Job, server: Sink, given: argparse.Namespace) -> int:
    kinds = [""] if given.no_dkim else ["", *GOAL_DKIM]
    laps = [Lap(kind, workers) for workers in given.workers for kind in kinds]
    for contest in every:
        for lap in laps:
            contest.couriers(WARM, job, lap, server.pid)
    sources = []
    bare: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        sources.append(smtp_source(server, given.messages, 24_600))
        for kind in kinds[1:]:
            bare.setdefault(kind, []).append(bare_signature(kind))
        for lap in laps:
            for contest in every:
                contest.runs.setdefault(lap, []).append(contest.couriers(given.messages, job, lap, server.pid))
    _head(given, sources)
    signatures = {kind: median(times) for kind, times in bare.items()}
    missed = sum([_report(contest, sources, signatures, job) for contest in every])
    if given.peer:
        _report_peer(every[0], job)
    return 1 if missed else 0


def _head(given: argparse.Namespace, sources: list[Stretch]) -> None:
    names = first_names(1, given.messages)
    known = [name for name in names if name]
    print(f"{given.messages} mails a round, {WARM} before; {given.connections} connections a worker; {CORES} cores")
    print(f"{len(set(known))} distinct first names; {1 - len(known) / len(names):.0%} of the people have none\n")
    print(f"{'':52}own + sink + database              idle foreign")
    print(_line("smtp-source -s 16 -d", _middle(sources)))


def _middle(runs: list[Stretch]) -> Stretch:
    """The run in the middle by its rate: figures that belong together."""
    return sorted(runs, key=attrgetter("rate"))[len(runs) // 2]


def _line(name: str, run: Stretch, note: str = "") -> str:
    """One row of the table."""
    cost = f"{run.own:4.0f} + {run.sink:3.0f} + {run.database:3.0f} µs, bound {run.bound:6.0f}"
    return f"{name:34}{run.rate:7.0f} a second   {cost}   {run.idle:4.0%}  {run.foreign:4.0%}{note}"


def _report(contest: Contest, sources: list[Stretch], signatures: dict[str, float], job: Job) -> int:
    """Print the figures of one database; how many goals were missed, each by its best number of workers."""
    best: dict[str, float] = {}
    for lap, runs in contest.runs.items():
        share = median(run.rate / theirs.rate for run, theirs in zip(runs, sources, strict=True))
        best[lap.kind] = max(best.get(lap.kind, 0), share)
        name = f"{contest.name}, {lap.workers} workers{lap.kind and ' + ' + lap.kind}"
        print(_line(name, _middle(runs), f"   {share:4.0%} of smtp-source (goal {_goal(lap.kind):.0%})"))
        if lap.kind:
            print(_ceiling(lap, signatures[lap.kind], contest, median(each.rate for each in sources)))
    rate = max(_middle(runs).rate for lap, runs in contest.runs.items() if not lap.kind)
    plain = contest.naive(job.port, NAIVE)
    times = rate / plain
    print(f"{'  the plain way':36}{plain:7.0f} a second; ours is {times:.0f} times faster (goal {GOAL_NAIVE:.0f})")
    trips = _trips(contest, job)
    print(f"{'  round trips a mail':36}{trips:7.2f} on one connection at 20 ms (goal {GOAL_TRIPS})")
    return sum(share < _goal(kind) for kind, share in best.items()) + (times < GOAL_NAIVE) + (trips > GOAL_TRIPS)


def _goal(kind: str) -> float:
    return GOAL_DKIM.get(kind, GOAL)


def _ceiling(lap: Lap, signature: float, contest: Contest, source: float) -> str:
    """What could be reached if nothing but the bare signature came to an unsigned mail, and what the goal allows."""
    signed, unsigned = _middle(contest.runs[lap]), _middle(contest.runs[Lap("", lap.workers)])
    rate = CORES * 1e6 / (unsigned.cost + signature)
    allowed = CORES * 1e6 / (source * _goal(lap.kind))
    more = f"    {signed.own - unsigned.own:.0f} µs more of the workers, of which a bare signature is {signature:.0f}."
    most = f" With {unsigned.cost:.0f} unsigned at most {rate:.0f} a second ({rate / source:.0%})."
    return f"{more}{most} The goal allows {allowed:.0f} µs"


def _trips(contest: Contest, job: Job, delay: float = 0.010) -> float:
    """Round trips a mail takes from claim to record over a slow line, one worker with one connection."""
    rate = contest.alone(SLOW, Job(SlowLine(job.port, delay).port, 0), lambda work: work())
    return 1 / rate / (2 * delay)


# ---------------------------------------------------------------- a peer


def _report_peer(contest: Contest, job: Job) -> None:
    try:
        found = _peer(contest, job.port)
    except (subprocess.SubprocessError, OSError) as fault:
        said = getattr(fault, "stderr", None) or str(fault)
        print(f"{'django-newsletter':36}did not run: {said.strip().splitlines()[-1]}")
        return
    ours = max(_middle(runs).rate for lap, runs in contest.runs.items() if not lap.kind)
    alone = contest.alone(PEER, Job(job.port, 0), lambda work: work())
    print(f"{'django-newsletter, one process':36}{found:7.0f} a second; ours is {ours / found:.0f} times faster,")
    print(f"{'':36}        and {alone / found:.0f} times with one worker on one connection ({alone:.0f})")


def _peer(contest: Contest, port: int) -> float:
    """Mails a second by Django's mail stack on the same sink. Raises when it cannot be installed or does not send."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        html, text = place / "mail.html", place / "mail.txt"
        html.write_text(contest.sample(), "utf-8")
        text.write_text("Think of last Saturday. How many people came into your shop?\n\n" * 90, "utf-8")
        names = place / "names"
        names.write_text("\n".join(first_names(1, PEER)), "utf-8")
        python = place / "venv" / "bin" / "python"
        venv.create(place / "venv", with_pip=True)
        install = [str(python), "-m", "pip", "install", "-q", "django-newsletter", "sorl-thumbnail"]
        subprocess.run(install, check=True, timeout=240, capture_output=True, text=True)
        script = ROOT / "benchmarks" / "_peer_newsletter.py"
        command = [str(part) for part in (python, script, port, names, html, text)]
        done = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    sys.exit(main())

"""Signups a second, and whether any is lost: the real server under granian, on SQLite and on PostgreSQL.

    python -m benchmarks.signup [--signups 3000] [--connections 64] [--processes 1] [--no-postgres] [--no-plain]

Every request is what the box's script posts: JSON with a form's token of its own, from a network of its own, with a
solved challenge (level 1) that the server verifies and remembers. First as fast as 64 connections can, then 500 a
second with the latency counted from when each was due. What was accepted is compared with the rows: people, lines of
consent, facts, confirmations queued. Beside it the plain way: Flask, one session, a commit after each of its writes.
The machine is shared with the client, so what travels is CPU per signup and the ratio. Needs PostgreSQL for its half.
Ends with code 1 when anything is lost, twice, or a signup costs more CPU than 500 a second on one core allow.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

import altcha
from flask import Flask, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select

from app.actions.limits import Limits
from app.core.instants import DAY, HOUR, SECOND
from app.links import Form, Links
from app.main import build_links, build_world, create_server, derived, settings_from_environment, wall
from app.settings import Settings
from app.store.engine import open_database
from app.store.events import EventRow
from app.store.ledgers import Rate, TokenUsedRow
from app.store.messages import MessageRow
from app.store.people import SubscriberRow
from app.store.permissions import ConsentRow
from app.web.work import COSTS
from benchmarks._machine import await_port, free_port
from tests.services.postgres import Databases, start_server
from tests.services.schema import lay_tables
from tests.web.small_site import publish

if TYPE_CHECKING:
    from app.web.edge_rsgi import AsyncEdge

RATE = 500
GOAL = 1_000 / RATE
"""Milliseconds of CPU a signup may cost the web process at that rate on one core."""
WIDE = Rate(1_000_000, 1)
BUSY = Limits(Rate(0, HOUR), WIDE, WIDE, WIDE, WIDE, WIDE, WIDE, WIDE)
"""Every network has to prove work; every bucket is asked and written, none is empty."""


# ── What granian's processes load ────────────────────────────────────────────────────────────────────────────────────


def ours() -> AsyncEdge:
    """The whole web side of Parvar."""
    return create_server(build_world(settings_from_environment()), BUSY)


def plain() -> Flask:
    """The usual way: a Flask route that commits each of its writes. No limits, no single use, no work checked."""
    app = Flask("plain")
    database = open_database(settings_from_environment().database_url)

    @app.post("/b/<box>")
    def take(box: str) -> ResponseReturnValue:
        given, now = request.get_json(), wall()
        with database.transaction() as session:
            person = session.scalar(select(SubscriberRow).where(SubscriberRow.address_key == given["email"]))
            if person is None:
                key = {"address": given["email"], "address_key": given["email"], "public_id": os.urandom(16)}
                stage = {"stage": "guest", "furthest_stage": "guest", "stage_since": now, "created_at": now}
                person = SubscriberRow(**key, **stage)
                session.add(person)
        with database.transaction() as session:
            line = ConsentRow(subscriber_id=person.id, kind="mail", answer="asked", box=box, at=now)
            session.add(line)
        with database.transaction() as session:
            session.add(EventRow(at=now, fact_id=os.urandom(16), subscriber_id=person.id, kind="signed_up", name=box))
        with database.transaction() as session:
            due = {"wanted_at": now, "slot_at": now, "due_at": now, "created_at": now}
            what = {"mail_key": "system/confirm", "mail_class": "service", "cause_key": f"confirm:{person.id}:1"}
            session.add(MessageRow(public_id=os.urandom(16), subscriber_id=person.id, state="queued", **what, **due))
        return {"state": "thanks"}

    return app


def serve(target: str) -> None:
    """As `parvar web` starts them."""
    from app.cli.running import _serve

    settings = settings_from_environment()
    _serve(f"benchmarks.signup:{target}", settings.port, settings, is_plain=target == "plain")


# ── The load ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def solved(secret: str, random: Random) -> str:
    """A challenge of level 1 as the server makes it, with its solution, found as the box's script finds it."""
    data = {"box": "book", "level": 1, "until": (wall() + DAY) // SECOND}
    made = altcha.create_challenge(
        "SHA-256", COSTS[1], data=data, hmac_secret=b"work:" + derived(secret, "experiments")
    ).to_dict()
    given = made["parameters"]
    head = bytes.fromhex(given["salt"]) + bytes.fromhex(given["nonce"])
    counter = random.randrange(1 << 20)
    while True:
        counter += 1
        key = head + counter.to_bytes(4, "big")
        for _ in range(COSTS[1]):
            key = hashlib.sha256(key).digest()
        if key.hex().startswith(given["keyPrefix"]):
            solution = {"counter": counter, "derivedKey": key.hex()}
            return base64.b64encode(json.dumps({"challenge": made, "solution": solution}).encode()).decode()


def forms(links: Links, secret: str, count: int, name: str) -> Iterator[bytes]:
    """Whole requests, each by somebody of her own from a network of her own."""
    random = Random(name)
    for number in range(count):
        token = links.form_token(Form("book", wall() - 5 * SECOND, os.urandom(16)))
        domain = f"example{number % 500}.org" if number % 3 else "gmail.com"
        body = json.dumps(
            {
                "email": f"{name}{number}@{domain}",
                "first_name": "Alice",
                "pv_consent": "true",
                "pv_tracking": "true",
                "pv_token": token,
                "pv_work": solved(secret, random),
                "pv_page": f"https://shop.example.com/blog/{number % 40}",
                "pv_timezone": "Asia/Tehran",
                "pv_language": "fa-IR",
                "pv_utm_source": ("letter", "search", "friend")[number % 3],
            }
        ).encode()
        network = ".".join(str(random.randrange(1, 250)) for _ in range(4))
        yield (
            b"POST /b/book?lang=fa HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Accept: application/json\r\nOrigin: https://shop.example.com\r\n"
            b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept-Language: fa-IR,fa;q=0.9\r\n"
            b"X-Forwarded-For: %b\r\nContent-Length: %d\r\n\r\n%b" % (network.encode(), len(body), body)
        )


@dataclass
class Line:
    """One connection: what has come of an answer, and since when it is waited for."""

    socket: socket.socket
    got: bytes = b""
    since: float = 0.0


@dataclass
class Load:
    """Sends requests over raw sockets from this one thread; `rate` 0: as fast as they are answered."""

    port: int
    connections: int
    waits: list[float] = field(default_factory=list)
    accepted: int = 0
    refused: list[bytes] = field(default_factory=list)

    def run(self, requests: list[bytes], rate: float = 0.0) -> float:
        """Seconds from the first request to the last answer."""
        self.waits, self.accepted, self.refused = [], 0, []
        waiting, idle = deque(requests), deque(self._connect())
        with selectors.DefaultSelector() as selector:
            for line in idle:
                selector.register(line.socket, selectors.EVENT_READ, line)
            began, sent = time.perf_counter(), 0
            while len(self.waits) < len(requests):
                now = time.perf_counter()
                while waiting and idle and (not rate or began + sent / rate <= now):
                    self._send(idle.popleft(), waiting.popleft(), began + sent / rate if rate else now)
                    sent += 1
                rest = max(0.0, began + sent / rate - now) if rate and waiting and idle else 1.0
                for key, _ in selector.select(rest):
                    if self._read(key.data):
                        idle.append(key.data)
            return time.perf_counter() - began

    def _connect(self) -> Iterator[Line]:
        for _ in range(self.connections):
            made = socket.create_connection(("127.0.0.1", self.port), timeout=30)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield Line(made)

    def _send(self, line: Line, what: bytes, due: float) -> None:
        line.got, line.since = b"", due
        line.socket.sendall(what)

    def _read(self, line: Line) -> bool:
        """Whether the whole answer is here."""
        more = line.socket.recv(65536)
        if not more:
            raise ConnectionError(f"the server hung up: {line.got[:200]!r}")
        line.got += more
        head, end, body = line.got.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        if not end or length is None or len(body) < int(length[1]):
            return False
        self.waits.append(time.perf_counter() - line.since)
        if b'"state":"thanks"' in body:
            self.accepted += 1
        else:
            self.refused.append(line.got[:120])
        return True


# ── The contest ──────────────────────────────────────────────────────────────────────────────────────────────────────


def cpu_of(root: int) -> float:
    """CPU seconds of a process and all below it, so far, as the scheduler counts them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    total, left = 0.0, [root]
    while left:
        one = left.pop()
        left += children.get(one, ())
        with suppress(OSError):
            for thread in Path(f"/proc/{one}/task").iterdir():
                total += int((thread / "schedstat").read_text().split()[0]) / 1e9
    return total


@contextmanager
def running(target: str, settings: Settings) -> Iterator[int]:
    """A server in processes of its own; gives the id of the first."""
    environ = os.environ | {
        "PARVAR_DATABASE_URL": settings.database_url,
        "PARVAR_SECRET": settings.secret,
        "PARVAR_DATA": str(settings.data),
        "PARVAR_PORT": str(settings.port),
        "PARVAR_WEB_PROCESSES": str(settings.web_processes),
        "PARVAR_WEB_THREADS": str(settings.web_threads),
        "PARVAR_TRUSTED_PROXIES": "127.0.0.1/32",
    }
    command = [sys.executable, "-m", "benchmarks.signup", "--serve", target]
    process = subprocess.Popen(command, env=environ, start_new_session=True)
    try:
        await_port(settings.port)
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@dataclass(frozen=True)
class Kept:
    """Rows that signups left."""

    people: int
    mail_consents: int
    tracking_consents: int
    facts: int
    confirmations: int
    forms: int
    proofs: int


def kept(url: str) -> Kept:
    database = open_database(url)
    with database.transaction("read") as session:

        def count(model: object, *where: object) -> int:
            return session.scalar(select(func.count()).select_from(model).where(*where)) or 0  # type: ignore[arg-type]

        found = Kept(
            count(SubscriberRow),
            count(ConsentRow, ConsentRow.kind == "mail"),
            count(ConsentRow, ConsentRow.kind == "tracking"),
            count(EventRow, EventRow.kind == "signed_up"),
            count(MessageRow, MessageRow.cause_key.like("confirm:%:1")),
            count(TokenUsedRow, TokenUsedRow.kind == "form"),
            count(TokenUsedRow, TokenUsedRow.kind == "work"),
        )
    database.dispose()
    return found


@dataclass(frozen=True)
class Asked:
    signups: int
    connections: int
    processes: int
    plain: bool


class Contest:
    """One database with its servers."""

    def __init__(self, name: str, url: str, folder: Path, database_pid: int = 0) -> None:
        self.name, self._url, self._folder, self._database_pid = name, url, folder, database_pid

    def settings(self, url: str, processes: int) -> Settings:
        return Settings(url, "benchmark-" * 5, "http://127.0.0.1:8000", self._folder, port=free_port(),
                        web_processes=processes, trusted_proxies=("127.0.0.1/32",))  # fmt: skip

    def ours(self, asked: Asked) -> bool:
        """Whether everything accepted is there, once, and cheap enough."""
        settings = self.settings(self._url, asked.processes)
        world = build_world(settings)
        publish(world)
        world.database.dispose()
        links = build_links(settings)
        total, cost = 0, 0.0
        with running("ours", settings) as pid:
            load = Load(settings.port, asked.connections)
            load.run(list(forms(links, settings.secret, 100, "warm")))
            total += load.accepted
            for name, rate in (("fast", 0), ("paced", RATE)):
                requests = list(forms(links, settings.secret, asked.signups, name))
                before = cpu_of(pid), cpu_of(self._database_pid) if self._database_pid else 0.0
                seconds = load.run(requests, rate)
                web = (cpu_of(pid) - before[0]) / asked.signups * 1_000
                behind = (cpu_of(self._database_pid) - before[1]) / asked.signups * 1_000 if self._database_pid else 0.0
                self._say(f"ours, {name}", load, seconds, web, behind)
                total += load.accepted
                cost = cost or web  # under full load: groups are large then, and that is when it counts
        return self._is_whole(total) and cost <= GOAL

    def plain(self, asked: Asked) -> None:
        settings = self.settings(self._url + "_plain" if "sqlite" in self._url else self._url, 1)
        lay_tables(settings.database_url)
        count = max(200, asked.signups // 5)
        with running("plain", settings) as pid:
            load = Load(settings.port, asked.connections)
            requests = list(forms(build_links(settings), settings.secret, count, "plain"))
            before = cpu_of(pid)
            seconds = load.run(requests)
            self._say("plain", load, seconds, (cpu_of(pid) - before) / count * 1_000, 0.0)

    def _say(self, what: str, load: Load, seconds: float, web: float, behind: float) -> None:
        waits = sorted(load.waits)
        p95 = waits[int(len(waits) * 0.95)]
        database = f" + {behind:.2f} in the database" if behind else ""
        print(
            f"{self.name:<11} {what:<11} {load.accepted:>6} accepted of {len(waits)}  {len(waits) / seconds:7.0f}/s  "
            f"p50 {median(waits) * 1e3:6.1f} ms  p95 {p95 * 1e3:6.1f} ms  CPU {web:.2f} ms{database} a signup",
            flush=True,
        )
        if load.refused:
            print(f"  refused: {len(load.refused)}, e.g. {load.refused[0]!r}")

    def _is_whole(self, accepted: int) -> bool:
        found = kept(self._url)
        is_whole = found == Kept(*[accepted] * 7)
        print(f"{self.name:<11} {accepted} accepted; {found}: {'nothing lost' if is_whole else 'LOST OR TWICE'}")
        return is_whole


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signups", type=int, default=3_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--no-postgres", action="store_true")
    parser.add_argument("--no-plain", action="store_true")
    parser.add_argument("--serve", choices=("ours", "plain"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve)
        return 0
    asked = Asked(given.signups, given.connections, given.processes, not given.no_plain)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contests = [Contest("SQLite", f"sqlite:///{folder / 'parvar.db'}", folder)]
        if not given.no_postgres:
            server = start_server()
            if server is None:
                raise SystemExit("PostgreSQL is missing: apt-get install postgresql")
            stack.callback(server.remove)
            pid = server.process.pid if server.process else 0
            contests.append(Contest("PostgreSQL", Databases(server.url()).create(), folder, pid))
        good = True
        for contest in contests:
            lay_tables(contest._url)
            good &= contest.ours(asked)
            if asked.plain:
                contest.plain(asked)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""Durable clicks a second: the edge under granian against nginx and against Flask with one commit a click.

Run `python -m benchmarks.tracking [--seconds 3] [--rounds 1]`; it needs `nginx` and `wrk`. All contenders run in
one go on the same machine, so only the ratios travel. Every answered click is counted again in the files.
"""

import argparse
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from flask import Flask, Response, redirect

from app.core.verdicts import AgentClass, Sent, Touch, TouchKind, judge
from app.disk.linkfiles import Destinations, write_link_file
from app.disk.networks import Networks
from app.disk.spool import Fact, FactKind, Spool, SpoolLimits
from app.disk.spool_reader import SpoolReader
from app.disk.touches import read_touch
from app.links import Key, Links
from app.main import DrawnIds, build_links
from app.settings import read
from app.web.edge import Edge, EdgeParts
from app.web.edge_rsgi import AsyncEdge
from benchmarks._machine import await_port, free_port

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

LINKS = Links((Key(1, b"benchmark" * 4),), "http://127.0.0.1", "http://127.0.0.1")
TOKEN = LINKS.mail_token(123_456, 7)
CLICK = f"/c/{TOKEN}/3"
TARGET = "https://example.com/a?b=c"
FOLDER = "PARVAR_BENCHMARK_FOLDER"
BATCH = "PARVAR_BENCHMARK_BATCH"
SAME_HEADERS = (
    'add_header Cache-Control "no-store, private" always; add_header Referrer-Policy no-referrer always;'
    " add_header X-Robots-Tag noindex always;"
)
LINE = b'[1,123456,7,3,"Mozilla/5.0 (X11; Linux x86_64)","00112233aabbccdd","","get"]'
_INSERT = "insert into event (fact_id, at, message, link, agent) values (?, ?, ?, ?, ?)"


def behind(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]


def edge_app() -> "WSGIApplication":
    """What a granian worker loads: the real edge on a real spool."""
    return Edge(_parts(), behind)


def _parts() -> EdgeParts:
    folder = Path(os.environ[FOLDER])
    return EdgeParts(
        links=LINKS,
        spool=Spool(folder / "spool", os.urandom(16), SpoolLimits(batch=int(os.environ[BATCH]))),
        destinations=Destinations(folder / "links", None, _wall),
        networks=Networks(b"benchmark" * 4, ()),
        site_url="https://example.com",
        wall=_wall,
        new_id=DrawnIds(),
    )


def rsgi_app() -> AsyncEdge:
    """The same for a tracking host of its own."""
    return AsyncEdge(_parts())


def flask_app() -> Flask:
    """The usual way: a Flask route, the token checked, one row committed, a redirect."""
    app = Flask("usual")
    place = threading.local()

    @app.get("/c/<token>/<int:link>")
    def click(token: str, link: int) -> Response:
        mail = LINKS.read_mail(token)
        if mail is None:
            return Response(status=404)
        if not hasattr(place, "db"):
            place.db = sqlite3.connect(Path(os.environ[FOLDER]) / "events.db", timeout=30, isolation_level=None)
            place.db.execute("pragma synchronous = full")
        place.db.execute(_INSERT, (os.urandom(16), _wall(), mail.message, link, "agent"))
        return redirect(TARGET)  # type: ignore[return-value]

    return app


def _wall() -> int:
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Round:
    """One contender once: answers a second, answers in all, and how many of them were found in its files."""

    rate: float
    answered: int
    found: int | None


@contextmanager
def running(command: list[str], port: int, **extra: str) -> Iterator[None]:
    process = subprocess.Popen(command, env=os.environ | extra, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        await_port(port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def wrk(port: int, seconds: int, path: str = CLICK) -> tuple[float, int]:
    """Requests a second and in all; fails on anything but redirects. Its timeouts are part of the usual way."""
    url = f"http://127.0.0.1:{port}{path}"
    subprocess.run(["wrk", "-t1", "-c64", "-d1s", url], check=True, capture_output=True)  # warm
    told = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", url], check=True, capture_output=True, text=True)
    if "Non-2xx" in told.stdout:
        raise RuntimeError(told.stdout)
    rate, answered = re.search(r"Requests/sec:\s+([\d.]+)", told.stdout), re.search(r"(\d+) requests in", told.stdout)
    if rate is None or answered is None:
        raise RuntimeError(told.stdout)
    return float(rate[1]), int(answered[1])


def nginx(folder: Path, seconds: int) -> Round:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log stderr crit; events {{}}"
        f" http {{ access_log off; keepalive_requests 1000000000; {SAME_HEADERS}"
        f" server {{ listen 127.0.0.1:{port}; location / {{ return 302 {TARGET}; }} }} }}"
    )
    with running(["nginx", "-c", str(config), "-p", str(folder)], port):
        return Round(*wrk(port, seconds), found=None)


def edge(folder: Path, seconds: int, batch: int = 1_000, factory: str = "edge_app") -> Round:
    write_link_file(folder / "links", 7, ["https://example.com"] * 3 + [TARGET])
    port = free_port()
    with running(_granian(factory, port), port, **{FOLDER: str(folder), BATCH: str(batch)}):
        rate, answered = wrk(port, seconds)
    return Round(rate, answered, _spooled(folder))


def _spooled(folder: Path) -> int:
    reader = SpoolReader(folder / "spool")
    return sum(1 for name in reader.segments() for _ in reader.read(name))


def whole(folder: Path, seconds: int) -> Round:
    """What `parvar run` starts for the web: `parvar web` on a database of its own, pages and all."""
    port = free_port()
    settings = {
        "PARVAR_DATABASE_URL": f"sqlite:///{folder / 'parvar.db'}",
        "PARVAR_SECRET": "a secret of this benchmark, long enough",
        "PARVAR_BASE_URL": f"http://127.0.0.1:{port}",
        "PARVAR_DATA": str(folder),
        "PARVAR_PORT": str(port),
        "PARVAR_WEB_PROCESSES": "2",
    }
    command = [sys.executable, "-m", "app.cli"]
    subprocess.run([*command, "migrate"], env=os.environ | settings, check=True, stdout=subprocess.DEVNULL)
    write_link_file(folder / "links", 7, ["https://example.com"] * 3 + [TARGET])
    token = build_links(read(settings)).mail_token(123_456, 7)
    with running([*command, "web"], port, **settings):
        rate, answered = wrk(port, seconds, f"/c/{token}/3")
    return Round(rate, answered, _spooled(folder))


def usual(folder: Path, seconds: int, server: str = "gunicorn") -> Round:
    with sqlite3.connect(folder / "events.db") as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table event (fact_id blob primary key, at int, message int, link int, agent text)")
    port = free_port()
    bind = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w2", "--threads=32", "--log-level=critical"]
    command += ["-b", bind, "benchmarks.tracking:flask_app()"]
    with running(command if server == "gunicorn" else _granian("flask_app", port), port, **{FOLDER: str(folder)}):
        rate, answered = wrk(port, seconds)
    with sqlite3.connect(folder / "events.db") as db:
        return Round(rate, answered, db.execute("select count(*) from event").fetchone()[0])


def _granian(factory: str, port: int) -> list[str]:
    kind, threads = ("rsgi", "1") if factory == "rsgi_app" else ("wsgi", "32")
    command = [sys.executable, "-m", "granian", "--interface", kind, "--factory", "--no-ws", "--log-level", "error"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "2", "--blocking-threads", threads]
    return [*command, f"benchmarks.tracking:{factory}"]


CONTENDERS: dict[str, Callable[[Path, int], Round]] = {
    "nginx, return 302, nothing kept": nginx,
    "parvar web, 2 processes": whole,
    "edge alone, RSGI x2, spool": lambda folder, seconds: edge(folder, seconds, factory="rsgi_app"),
    "edge, granian 2x32, spool": edge,
    "edge, granian 2x32, flush each": lambda folder, seconds: edge(folder, seconds, batch=1),
    "Flask, gunicorn 2x32, commit each": usual,
    "Flask, granian 2x32, commit each": lambda folder, seconds: usual(folder, seconds, server="granian"),
}


def measure(seconds: int, rounds: int, base: Path) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, contender in CONTENDERS.items():
            with tempfile.TemporaryDirectory(dir=base) as folder:
                results[name].append(contender(Path(folder), seconds))
    return results


def report(results: dict[str, list[Round]]) -> None:
    rates = {name: median(one.rate for one in rounds) for name, rounds in results.items()}
    first, ours, loop, threads, each, *flasks = rates.values()
    for name, rounds in results.items():
        kept = all(one.found is None or one.found >= one.answered for one in rounds)
        print(f"{name:36} {rates[name]:10,.0f}/s  {100 * rates[name] / first:5.1f} % of nginx  kept: {kept}")
    print(f"durable, parvar web, of nginx {100 * ours / first:.1f} %   goal 15 %")
    print(f"durable, edge alone, of nginx {100 * loop / first:.1f} %   goal 25 %")
    print(f"group flush against each     {threads / each:.2f} x   goal 1.8 x")
    for name, rate in zip(list(rates)[5:], flasks, strict=True):
        print(f"against {name:34} {ours / rate:.1f} x")


def reading(count: int, base: Path) -> None:
    """The way back on one core: facts read from the spool, and verdicts on mails with ten touches each."""
    with tempfile.TemporaryDirectory(dir=base) as folder:
        spool = Spool(Path(folder), os.urandom(16))
        for start in range(0, count, 500):
            spool.append(*[Fact(FactKind.CLICK, n, n.to_bytes(16, "big"), LINE) for n in range(start, start + 500)])
        spool.close()
        began = time.perf_counter()
        touches = [(fact, read_touch(fact)) for fact in SpoolReader(Path(folder)).take({}, limit=count).facts]
    print(f"read from the spool          {count / (time.perf_counter() - began):10,.0f} facts/s")
    raw = [
        Touch(f.id, f.at * 900_000, TouchKind.CLICK, f.at % 10, AgentClass.BROWSER, t.network, "", t.request)
        for f, t in touches
    ]
    began = time.perf_counter()
    for start in range(0, count, 10):
        judge(Sent(0, 10), raw[start : start + 10])
    print(f"judged, ten touches a mail   {count / (time.perf_counter() - began):10,.0f} facts/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path.cwd(), help="on the disk to be measured, not in memory")
    asked = parser.parse_args()
    report(measure(asked.seconds, asked.rounds, asked.folder))
    reading(100_000, asked.folder)


if __name__ == "__main__":
    main()

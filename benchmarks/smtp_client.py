"""The SMTP client alone: against smtp-source on one smtp-sink, and its round trips over a slow line.

    python benchmarks/smtp_client.py [--messages 10000] [--size 23000] [--rounds 5]

Needs Postfix's smtp-source and smtp-sink. All candidates take turns in every round; the figures are medians, and what
counts is the ratio, for both programs share the machine with the sink.
"""

from __future__ import annotations

import argparse
import os
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.mail.smtp import SmtpTransport
from app.mail.smtp_url import Limits, SmtpRelay, Tls
from app.mail.transports import Collected, Envelope, MessageKey, Settlement, Tally

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Quiet(Collected):
    """Keeps nothing."""

    def after_reply(self, settlement: Settlement) -> None:
        """Counted by the transport."""


def make_body(size: int) -> bytes:
    head = b"Message-ID: <1@example.com>\r\nFrom: a@example.com\r\nTo: b@example.org\r\nSubject: speed\r\n\r\n"
    line = b"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz=\r\n"
    return head + line * ((size - len(head)) // len(line))


def letters(count: int, body: bytes, is_ready: bool) -> Iterator[Envelope]:
    def give() -> bytes:
        return body

    for number in range(count):
        yield Envelope(MessageKey(number, 1), "b@bounce.example.com", "alice@example.org", give, is_wire_ready=is_ready)


def relay(port: int, connections: int) -> SmtpRelay:
    limits = Limits(connections, per_connection=1_000_000, max_age=3_600)
    return SmtpRelay("bench", "127.0.0.1", port, Tls.NEVER, helo="bench.invalid", limits=limits)


def ours(port: int, count: int, body: bytes, connections: int, is_ready: bool = True) -> Tally:
    transport = SmtpTransport(relay(port, connections))
    tally = transport.send(letters(count, body, is_ready), Quiet())
    transport.close()
    assert tally.sent == count, tally
    return tally


def with_smtplib(port: int, count: int, body: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        for _ in range(count):
            client.sendmail("b@bounce.example.com", ["alice@example.org"], body)


def source(port: int, count: int, size: int, sessions: int) -> None:
    program = shutil.which("smtp-source", path=PATH)
    assert program, "smtp-source is missing: apt-get install postfix"
    command = [program, "-s", str(sessions), "-d", "-m", str(count), "-l", str(size), f"127.0.0.1:{port}"]
    subprocess.run(command, check=True)


@dataclass(frozen=True, slots=True)
class Sink:
    port: int
    pid: int


@contextmanager
def sink() -> Iterator[Sink]:
    program = shutil.which("smtp-sink", path=PATH)
    assert program, "smtp-sink is missing: apt-get install postfix"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    user = ["-u", "root"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *user, f"127.0.0.1:{port}", "128"]) as process:
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        try:
            yield Sink(port, process.pid)
        finally:
            process.terminate()


# ---------------------------------------------------------------- a slow line


class SlowLine:
    """Forwards to `port`, each byte `delay` seconds late in each direction; bandwidth is not limited."""

    def __init__(self, port: int, delay: float) -> None:
        self._target = port
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._target))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pipe(client, server)
            self._pipe(server, client)

    def _pipe(self, source: socket.socket, target: socket.socket) -> None:
        waiting: deque[tuple[float, bytes]] = deque()
        arrived = threading.Semaphore(0)

        def read() -> None:
            while True:
                try:
                    data = source.recv(262_144)
                except OSError:
                    data = b""
                waiting.append((time.monotonic() + self._delay, data))
                arrived.release()
                if not data:
                    return

        def write() -> None:
            while True:
                arrived.acquire()
                at, data = waiting.popleft()
                time.sleep(max(0.0, at - time.monotonic()))
                with suppress(OSError):
                    if not data:
                        target.shutdown(socket.SHUT_WR)
                        return
                    target.sendall(data)

        threading.Thread(target=read, daemon=True).start()
        threading.Thread(target=write, daemon=True).start()


def round_trips(port: int, count: int, send: Callable[[int], object], delay: float = 0.010) -> float:
    """Seconds per mail over a line with 20 ms there and back, in round trips."""
    line = SlowLine(port, delay)
    started = time.perf_counter()
    send(line.port)
    return (time.perf_counter() - started) / count / (2 * delay)


# ---------------------------------------------------------------- the table


def measure(work: Callable[[], object], count: int) -> tuple[float, float]:
    """Mails a second, and our own CPU in µs per mail (children not counted)."""
    started, cpu = time.perf_counter(), time.process_time()
    work()
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=23_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    body, count = make_body(options.size), options.messages
    with sink() as found:
        port = found.port
        candidates: dict[str, Callable[[], object]] = {
            "smtp-source -s 16 -d": lambda: source(port, count, options.size, 16),
            "smtp-source -s 4 -d": lambda: source(port, count, options.size, 4),
            "smtplib, one kept connection": lambda: with_smtplib(port, count, body),
            "ours, 1 connection": lambda: ours(port, count, body, 1),
            "ours, 4 connections": lambda: ours(port, count, body, 4),
            "ours, 4, body looked through": lambda: ours(port, count, body, 4, is_ready=False),
            "ours, 8 connections": lambda: ours(port, count, body, 8),
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
        for _ in range(options.rounds):
            for name, work in candidates.items():
                rates[name].append(measure(work, count))
        few = 200
        trips = {
            "ours, 1 connection": round_trips(port, few, lambda p: ours(p, few, body, 1)),
            "smtplib, one kept connection": round_trips(port, few, lambda p: with_smtplib(p, few, body)),
        }
    report(rates, trips, options.size)


def report(rates: dict[str, list[tuple[float, float]]], trips: dict[str, float], size: int) -> None:
    best = statistics.median(rate for rate, _ in rates["smtp-source -s 16 -d"])
    print(f"{size} bytes a mail, {len(rates['smtp-source -s 16 -d'])} rounds, medians\n")
    print(f"{'sender':32}{'mails/s':>10}{'of source -s16':>16}{'µs CPU':>9}{'round trips at 20 ms':>22}")
    for name, runs in rates.items():
        rate = statistics.median(one for one, _ in runs)
        cpu = "" if name.startswith("smtp-source") else f"{statistics.median(one for _, one in runs):.0f}"
        trip = f"{trips[name]:.2f}" if name in trips else ""
        print(f"{name:32}{rate:10.0f}{rate / best:16.0%}{cpu:>9}{trip:>22}")


if __name__ == "__main__":
    main()

"""What a stretch of work cost the machine: how idle its cores were, the CPU time of the parties, and who listens.

Reads /proc, so Linux only, in steps of 10 ms: a stretch should last seconds. Must not judge.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

CORES = os.cpu_count() or 1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Parties:
    """Processes that work for the sender: the sink, and a database server with its children or none."""

    sink: int
    database: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds: of the clock, of all cores idle, and of CPU by the sink and by the database server."""

    at: float
    idle: float
    sink: float
    database: float


def read(parties: Parties) -> Reading:
    fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    idle = int(fields[4]) + int(fields[5])  # waiting for a disk is idle too
    database = _family(parties.database) if parties.database else 0.0
    return Reading(time.perf_counter(), idle / _TICKS, _family(parties.sink), database)


def _family(pid: int) -> float:
    """CPU seconds of a process with its children, those that have ended included."""
    head = psutil.Process(pid)
    ended = head.cpu_times()
    total = ended.children_user + ended.children_system
    for each in (head, *head.children(recursive=True)):
        times = each.cpu_times()
        total += times.user + times.system
    return float(total)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Mails a second; CPU µs a mail of the sender, the sink and the database server; shares of all cores.

    `foreign` is the share of programs that have nothing to do with it.
    """

    rate: float
    own: float
    sink: float
    database: float
    foreign: float
    idle: float

    @property
    def cost(self) -> float:
        """CPU µs of all parties a mail."""
        return self.own + self.sink + self.database

    @property
    def bound(self) -> float:
        """Mails a second if all cores worked for it and were never idle."""
        return CORES * 1e6 / self.cost


def stretch(begun: Reading, ended: Reading, own: float, mails: int) -> Stretch:
    """`own`: CPU seconds of the sender."""
    took = ended.at - begun.at
    all_cores = took * CORES
    idle = min(1.0, (ended.idle - begun.idle) / all_cores)
    sink, database = ended.sink - begun.sink, ended.database - begun.database
    foreign = max(0.0, 1 - idle - (own + sink + database) / all_cores)
    each = 1e6 / mails
    return Stretch(mails / took, own * each, sink * each, database * each, foreign, idle)


def free_port() -> int:
    """A port nobody listens at, as of now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int) -> None:
    """Returns once somebody listens there on this machine. Raises TimeoutError after twenty seconds."""
    for _ in range(400):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")

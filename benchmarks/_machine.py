"""What a stretch of work cost the machine: how idle its cores were, and the CPU time of the parties.

Reads /proc, so Linux only, in steps of 10 ms: a stretch should last seconds. Must not judge.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

CORES = os.cpu_count() or 1
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds since boot: of the clock, of all cores idle, and of one process's CPU."""

    at: float
    idle: float
    process: float


def read(pid: int) -> Reading:
    fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    idle = int(fields[4]) + int(fields[5])  # waiting for a disk is idle too
    mine = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return Reading(time.perf_counter(), idle / _TICKS, (int(mine[11]) + int(mine[12])) / _TICKS)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Mails a second; CPU µs a mail of the sender, the sink and everything else; the idle share of all cores."""

    rate: float
    own: float
    sink: float
    other: float
    idle: float

    @property
    def busy(self) -> float:
        """CPU µs of the whole machine a mail."""
        return self.own + self.sink + self.other


def stretch(begun: Reading, ended: Reading, own: float, mails: int) -> Stretch:
    """`own`: CPU seconds of the sender."""
    took = ended.at - begun.at
    idle = min(1.0, (ended.idle - begun.idle) / took / CORES)
    sink = ended.process - begun.process
    other = max(0.0, took * CORES * (1 - idle) - own - sink)
    each = 1e6 / mails
    return Stretch(mails / took, own * each, sink * each, other * each, idle)

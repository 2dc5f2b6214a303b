"""How long a simulated year takes. Run: `python -m benchmarks.simulate [people [days]]`.

The example campaigns, 1,000 people and 365 days unless said otherwise, in one process a core. Prints the time, what
10,000 people would take, and the memory of the largest child at a tenth and at all of the audience; exits 1 when 10,000
people would take more than a minute on two cores, or memory grows with the audience.
"""

import os
import resource
import sys
import time
from datetime import date
from pathlib import Path

from app.actions.inspect import inspect_folder
from app.actions.simulate import Wanted, simulate
from app.core.simulating import BEHAVIOURS

ROOT = Path(__file__).parent.parent
GOAL = 60.0
GROWTH = 1.25


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 365
    inspection = inspect_folder(ROOT, date(2026, 11, 22))
    cores = os.cpu_count() or 1
    wanted = Wanted(days, people // 10, 7, tuple(BEHAVIOURS.items()), processes=cores)
    simulate(inspection, wanted)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    began, busy = time.perf_counter(), cpu_of_children()
    done = simulate(inspection, Wanted(days, people, 7, wanted.behaviours, processes=cores))
    took, busy = time.perf_counter() - began, cpu_of_children() - busy
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    ten_thousand = took / people * 10_000 * (365 / days) * (cores / 2)
    print(f"{people:,} people, {days} days, {cores} processes: {took:.1f} s, {done.summary.mails:,} mails")
    print(f"CPU: {busy / people * 1_000:.1f} ms a person; other programs at work lengthen the time, not this")
    print(f"10,000 people and 365 days on two cores: {ten_thousand:.0f} s (goal {GOAL:.0f})")
    print(f"largest child: {before / 1024:.0f} MB at a tenth, {after / 1024:.0f} MB at all")
    return 0 if ten_thousand <= GOAL and after <= before * GROWTH else 1


if __name__ == "__main__":
    sys.exit(main())

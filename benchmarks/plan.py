"""How long a plan over many live runs takes. Run: `python -m benchmarks.plan [people]`.

People (20,000 unless said otherwise) stand in one campaign, at two of its waits; both are changed, so that everybody is
decided about under both versions for seven days. Prints the time for them and what 100,000 would take, and the time of
a plan whose change concerns nobody; exits 1 when 100,000 would take more than 20 s on two cores.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import insert

from app.actions.plan import Plan, make_plan
from app.actions.publish import Authorship, apply
from app.actions.shelf import Shelf
from app.core.instants import DAY
from app.store.base import table_of
from app.store.people import SubscriberRow
from app.store.runs import RunRow
from app.store.tables import metadata
from app.world import World
from tests.actions.small_site import WELCOME, site_with
from tests.faults.apply_child import NOW, world_of

GOAL = 20.0


def fill(world: World, people: int) -> None:
    """So many confirmed people, half at each of two waits."""
    workspace = site_with(WELCOME).workspace
    assert workspace is not None
    version = workspace.campaigns["welcome"].digest
    for start in range(0, people, 5_000):
        ids = range(start + 1, min(start + 5_000, people) + 1)
        with world.transaction("write") as session:
            session.connection().execute(insert(table_of(SubscriberRow)), [_person(i) for i in ids])
            session.connection().execute(insert(table_of(RunRow)), [_run(i, version) for i in ids])


def _person(i: int) -> dict[str, object]:
    return {
        "id": i,
        "public_id": i.to_bytes(16, "big"),
        "address": f"p{i}@example.com",
        "address_key": f"p{i}@example.com",
        "state": "active",
        "stage": "lead",
        "furthest_stage": "lead",
        "stage_since": NOW - 9 * DAY,
        "created_at": NOW - 9 * DAY,
        "confirmed_at": NOW - 9 * DAY,
        "looked_at": NOW - DAY,
        "due_at": NOW + DAY,
    }


def _run(i: int, version: str) -> dict[str, object]:
    at_first = i % 2 == 0
    step, after = ("before b", "a") if at_first else ("before c", "b")
    began = NOW - (i % 20) * DAY // 20 - (0 if at_first else DAY)
    return {
        "subscriber_id": i,
        "campaign": "welcome",
        "version": version,
        "state": "waiting",
        "sequence": "lead",
        "step": step,
        "cursors": f'{{"lead":[[],"{step}","{after}"]}}',
        "reason": "waits",
        "began_at": began,
        "until": began + (2 if at_first else 4) * DAY,
        "due_at": began + (2 if at_first else 4) * DAY,
        "entered_at": NOW - 5 * DAY,
    }


def cpu_of_all() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def timed(world: World, shelf: Shelf, text: str) -> tuple[float, float, Plan]:
    """Seconds on the clock, seconds of CPU, and the plan."""
    began, busy = time.perf_counter(), cpu_of_all()
    plan = make_plan(world, shelf, site_with(text), processes=os.cpu_count() or 1)
    assert isinstance(plan, Plan)
    return time.perf_counter() - began, cpu_of_all() - busy, plan


def main() -> int:
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    changed = WELCOME.replace("{days: 2,", "{days: 1,").replace("at_most: 4d", "at_most: 3d")
    nobody = WELCOME.replace("    - send: a\n", "    - send: e\n")
    with tempfile.TemporaryDirectory() as folder:
        world = world_of(str(Path(folder) / "plan.db"))
        metadata().create_all(world.database.engine)
        apply(world, site_with(WELCOME), Authorship("benchmark"))
        fill(world, people)
        shelf = Shelf(world.secret)
        free, _, untouched = timed(world, shelf, nobody)
        took, busy, plan = timed(world, shelf, changed)
        world.database.dispose()
    hundred = took / people * 100_000 * ((os.cpu_count() or 1) / 2)
    print(f"{people:,} runs, {untouched.decided:,} concerned: {free:.2f} s")
    print(f"{people:,} runs, {plan.decided:,} decided twice over 7 days: {took:.1f} s, {plan.tally.moved:,} move")
    print(f"CPU: {busy / people * 1_000:.2f} ms a person; other programs at work lengthen the time, not this")
    print(f"100,000 runs all concerned, on two cores: {hundred:.0f} s (goal {GOAL:.0f})")
    return 0 if hundred <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())

"""History and stock: errands that judge clicks again, put codes into a pool, or live the next month ahead.

Owns nothing but handing progress on; the actions named do the work.
"""

from __future__ import annotations

from dataclasses import asdict

from app.actions import simulate, track
from app.actions.errands import Json
from app.actions.errands.bench import Bench, Done, NotDone
from app.actions.inspect import inspect
from app.actions.simulate import Simulated, Wanted
from app.actions.stock import import_codes as put_codes
from app.core.instants import DAY, to_datetime
from app.core.simulating import BEHAVIOURS
from app.store import releases

AHEAD = 30
"""Days a forecast looks ahead."""
LONGEST = 3_650


def recompute(bench: Bench) -> Done | NotDone:
    """Judge every mail touched in the last days again."""
    days = bench.asked("days")
    if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= LONGEST:
        return NotDone("asked")
    since = bench.world.now() - int(days) * DAY
    changed = track.recompute(bench.world, bench.shelf, since, lambda mails: bench.progress(mails, 0))
    return Done({"changed": changed})


def import_codes(bench: Bench) -> Done | NotDone:
    """Put the lines of the file that was handed in into a pool."""
    with bench.world.transaction("read") as session:
        shelved = bench.shelf.look(session)
    offers = list(shelved.workspace.offers.values()) if shelved else []
    try:
        lines = bench.given().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        return NotDone("not_utf8", {"byte": error.start})
    done = put_codes(bench.world, offers, bench.asked("pool"), lines, lambda far: bench.progress(far.read, len(lines)))
    return Done({**asdict(done), "named": [asdict(each) for each in done.named]})


def forecast(bench: Bench) -> Done | NotDone:
    """The real list lives the next days under what is live, with the usual behaviours. Nobody is mailed."""
    world = bench.world
    with world.transaction("read") as session:
        shelved = bench.shelf.look(session)
        sources = releases.sources_of(session, shelved.release_id) if shelved else {}
    if shelved is None:
        return NotDone("nothing_published")
    bench.progress(0, 0)
    inspection = inspect(sources, to_datetime(world.now()).date())
    wanted = Wanted(AHEAD, 0, 7, tuple(BEHAVIOURS.items()))
    done = simulate.forecast(world, bench.shelf, inspection, wanted, bench.progress)
    return NotDone("nothing_published") if done is None else Done(_told(done, shelved.release_id))


def _told(done: Simulated, release: int) -> dict[str, Json]:
    summary, days = done.summary, done.wanted.days
    return {
        "release": release,
        "began": done.wanted.began,
        "people": summary.people,
        "days": [summary.days[day] for day in range(days)],
        "service": summary.service,
        "delayed": summary.delayed,
        "skipped": summary.skipped.total(),
        "worst_week": summary.worst[0],
        "orders": summary.orders,
        "revenue": summary.revenue,
        "unsubscribed": summary.unsubscribed,
        "campaigns": {
            key: {"entered": summary.entered[key], "mails": summary.by_campaign[key], "goals": summary.goals[key]}
            for key in done.campaigns
        },
        "starving": list(summary.starving),
    }

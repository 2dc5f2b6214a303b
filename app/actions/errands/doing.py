"""Doing: a worker takes errands one by one and does them until none is due.

Owns which module does which sort, and how an errand ends. A fault ends one errand, never the worker.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import structlog

from app.actions.errands import Sort, of_row
from app.actions.errands.bench import LEASE, Bench, CancelledError, Doer, Done, NotDone, SetAsideError
from app.actions.errands.crowds import change_many, export_many, take_back
from app.actions.errands.history import forecast, import_codes, recompute
from app.actions.errands.proofs import send_proofs
from app.actions.errands.publishing import apply_plan, plan
from app.actions.shelf import Shelf
from app.store import errands
from app.store.errands import Claim, Ending
from app.world import World

log = structlog.get_logger()

DOERS: Mapping[Sort, Doer] = {
    Sort.PLAN: plan,
    Sort.APPLY: apply_plan,
    Sort.EXPORT: export_many,
    Sort.BULK: change_many,
    Sort.UNDO: take_back,
    Sort.RECOMPUTE: recompute,
    Sort.CODES: import_codes,
    Sort.FORECAST: forecast,
    Sort.PROOF: send_proofs,
}
MOST_TRIES = 5
"""An errand whose worker died so often is given up: it may be what kills them."""


def drain(world: World, shelf: Shelf, owner: str, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Do what is due, one after the other. Returns how many errands came to an end."""
    number = 0
    while not is_stopping():
        with world.transaction("read") as session:
            if not errands.count_open(session):
                return number
        with world.transaction("write") as session:
            claim = errands.claim(session, owner, world.wall(), LEASE)
            row = errands.errand(session, claim.errand_id) if claim else None
            bench = Bench(world, shelf, of_row(row), claim, is_stopping) if row and claim else None
        if bench is None:
            return number
        _settle(world, bench.claim, _ending(bench))
        number += 1
    return number


def _ending(bench: Bench) -> Ending:
    world, sort = bench.world, bench.errand.sort
    if bench.claim.number > MOST_TRIES:
        return Ending("failed", world.wall(), _json(NotDone("died")))
    try:
        bench.progress(0, 0)
        done = DOERS[sort](bench)
    except CancelledError:
        return Ending("cancelled", world.wall())
    except SetAsideError:
        return Ending("open", world.wall())
    except Exception as error:  # the worker loop: logged, shown, and the next errand goes on
        log.exception("errand_failed", sort=sort.value, errand=bench.claim.errand_id)
        return Ending("failed", world.wall(), _json(NotDone("fault", {"fault": type(error).__name__})))
    if isinstance(done, NotDone):
        return Ending("failed", world.wall(), _json(done))
    return Ending("done", world.wall(), _json(done), done.file, done.media)


def _json(done: Done | NotDone) -> str:
    told = dict(done.told)
    if isinstance(done, NotDone):
        told["why"] = done.why
    return json.dumps(told, ensure_ascii=False, default=str)


def _settle(world: World, claim: Claim, end: Ending) -> None:
    with world.transaction("write") as session:
        errands.settle(session, claim, end)
    log.info("errand_ended", errand=claim.errand_id, state=end.state)

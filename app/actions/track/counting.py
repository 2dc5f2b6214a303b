"""Counting: the counters of opens and clicks, kept in the transaction of the facts, and held against them each night.

Owns which counters there are: raw (`clicked`), by verdict (`clicked:human`), by reason (`clicked:burst`), mails touched
at all (`clicked:mails`) and by a human (`clicked:people`). Must not judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from app.actions.track.rows import Row
from app.core.instants import DAY, Instant
from app.store import forgetting, shopping, tracking
from app.store.ledgers import StepCount, add_counts
from app.store.tracking import TOUCHES
from app.world import World

log = structlog.get_logger()


def raw_counts(rows: Iterable[Row]) -> Counter[StepCount]:
    """What new opens and clicks add before anybody judged them."""
    counts: Counter[StepCount] = Counter()
    for row in rows:
        if row["kind"] in TOUCHES:
            counts[row["at"] // DAY, row["campaign"], row["step"], row["arm"], row["kind"]] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Seen:
    """One judged touch as the counters see it. `mail` is None when it was kept without a person."""

    at: Instant
    kind: str
    verdict: str
    reason: str
    mail: int | None


def judged_counts(place: tuple[str, str, str], touches: Sequence[Seen]) -> Counter[StepCount]:
    """All counters but the raw ones that the judged touches of one mail make. `place`: campaign, step, arm."""
    counts: Counter[StepCount] = Counter()
    firsts: dict[tuple[str, str], Instant] = {}
    for touch in touches:
        if touch.verdict == "pending" or touch.kind not in TOUCHES:
            continue
        day = touch.at // DAY
        counts[(day, *place, f"{touch.kind}:{touch.verdict}")] += 1
        counts[(day, *place, f"{touch.kind}:{touch.reason}")] += 1
        if touch.mail is not None:
            for metric in ("mails", "people") if touch.verdict == "human" else ("mails",):
                key = (touch.kind, metric)
                firsts[key] = min(touch.at, firsts.get(key, touch.at))
    for (kind, metric), at in firsts.items():
        counts[(at // DAY, *place, f"{kind}:{metric}")] += 1
    return counts


# ── The nightly proof ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that does not say what the facts say."""

    count: StepCount
    kept: int
    counted: int


def prove(world: World, since_day: int, until_day: int, *, mend: bool = False) -> tuple[Difference, ...]:
    """Hold the counters of some days (numbers from 1970 UTC, the last one excluded) against the facts.

    Differences are logged and returned; `mend` sets the counters to what the facts say. Days whose facts are forgotten
    prove nothing and are left out.
    """
    with world.transaction("write" if mend else "read") as session:
        since_day = max(since_day, forgetting.first_whole_day(session))
        found = _differences(session, since_day, until_day)
        if mend and found:
            add_counts(session, {each.count: each.counted - each.kept for each in found})
    if found:
        log.error("counters_differ", days=(since_day, until_day), differences=len(found), mended=mend)
    return found


def _differences(session: Session, since_day: int, until_day: int) -> tuple[Difference, ...]:
    kept = tracking.kept_counts(session, since_day, until_day)
    counted = tracking.counted_facts(session, since_day, until_day)
    credit = shopping.counted_credit(session, since_day, until_day)
    if credit is not None:
        kept |= shopping.kept_credit(session, since_day, until_day)
        counted |= credit
    every = sorted(kept.keys() | counted.keys())
    pairs = ((key, kept.get(key, 0), counted.get(key, 0)) for key in every)
    return tuple(Difference(key, said, true) for key, said, true in pairs if said != true)

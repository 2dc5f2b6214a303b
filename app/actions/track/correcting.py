"""Correcting: a verdict that fell is taken back from the person: its points, her last sign of life, a rise it made.

Owns the ledger line of every changed verdict. The rules are core/correcting's. Must not un-send or enter anybody; the
engine looks at the person afterwards, quietly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.orm import Session

from app.actions.shelf import Shelved
from app.core.correcting import Recount, Rise, buckets_touched, furthest, recount, reweighed, still_holds
from app.core.engagement import Award, kind_of
from app.core.facts import Fact
from app.core.instants import DAY, Instant
from app.core.learning import SIGNALS
from app.core.person import Person
from app.core.verdicts import RULES
from app.store import tracking
from app.store.codec import fact_of
from app.store.events import EventRow
from app.store.ledgers import add_stage_counts
from app.store.loading import load_people
from app.world import World


class Fallen(Protocol):
    """A fact whose verdict changed."""

    @property
    def row(self) -> EventRow: ...
    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def was_settled(self) -> bool: ...
    @property
    def was_human(self) -> bool: ...


def correct(world: World, session: Session, shelved: Shelved, cause: str, changes: Sequence[Fallen]) -> None:
    """Take back what fallen verdicts gave, and write a line for each verdict that had stood. The new verdicts are
    stored already and the people locked.
    """
    fallen: dict[int, list[EventRow]] = defaultdict(list)
    for change in changes:
        if change.was_human and change.row.subscriber_id is not None:
            fallen[change.row.subscriber_id].append(change.row)
    lines: dict[bytes, int] = {}
    for person in _people(session, shelved, fallen):
        correcting = _Correcting(world, session, shelved, person)
        lines |= correcting.take_back(fallen[person.subscriber.id])
    settled = [change for change in changes if change.was_settled]
    tracking.record_corrections(session, [_line(change, cause, lines, world.now()) for change in settled])


def take_away(world: World, session: Session, shelved: Shelved, subscriber_id: int, rows: Sequence[EventRow]) -> None:
    """Take back what these facts gave, for they turned out to be somebody else's. They are no longer hers already."""
    for person in _people(session, shelved, (subscriber_id,)):
        points = _Correcting(world, session, shelved, person).take_back(rows)
        lines = [_taken_away(row, subscriber_id, points.get(row.fact_id, 0), world.now()) for row in rows]
        tracking.record_corrections(session, lines)


def _taken_away(row: EventRow, subscriber_id: int, points: int, now: Instant) -> dict[str, object]:
    told = f"{row.verdict} {row.verdict_reason}"
    keys = {"subscriber_id": subscriber_id, "fact_at": row.at, "fact_id": row.fact_id}
    return {
        **keys,
        "before": told,
        "after": "not hers",
        "rules": RULES,
        "cause": "unmerged",
        "points": points,
        "at": now,
    }


def _people(session: Session, shelved: Shelved, ids: Iterable[int]) -> list[Person]:
    return [loaded.person for loaded in load_people(session, sorted(ids), shelved.kinds)]


def _line(change: Fallen, cause: str, points: Mapping[bytes, int], now: Instant) -> dict[str, object]:
    row = change.row
    return {
        "subscriber_id": row.subscriber_id,
        "fact_at": row.at,
        "fact_id": row.fact_id,
        "before": f"{row.verdict} {row.verdict_reason}",
        "after": f"{change.verdict} {change.reason}",
        "rules": RULES,
        "cause": cause,
        "points": points.get(row.fact_id, 0),
        "at": now,
    }


@dataclass(frozen=True, slots=True)
class _Correcting:
    """One person in her transaction."""

    world: World
    session: Session
    shelved: Shelved
    person: Person

    def take_back(self, rows: Sequence[EventRow]) -> dict[bytes, int]:
        """Returns the points that went or came, by fact."""
        ladder, subscriber = self.shelved.book.ladder, self.person.subscriber
        facts = [fact_of(row, None) for row in rows]
        recounts = self._recounts(facts)
        awards = [line for each in recounts for line in each.awards]
        values: dict[str, object] = {"weight": reweighed(subscriber, awards, ladder)}
        if subscriber.last_signal_at in {row.at for row in rows}:
            kinds = {kind.value for kind in SIGNALS}
            values["last_signal_at"] = tracking.newest_signal(self.session, subscriber.id, kinds)
        values |= self._stage(awards)
        tracking.correct_subscriber(self.session, subscriber.id, values)
        points: dict[bytes, int] = defaultdict(int)
        for line in awards:
            points[line.fact] += line.points
        return points

    def _recounts(self, facts: Sequence[Fact]) -> list[Recount]:
        """Every bucket these facts had a part in, counted anew from what still counts."""
        ladder, subscriber_id = self.shelved.book.ladder, self.person.subscriber.id
        receipts = tracking.points_of(self.session, subscriber_id)
        gone = {fact.id for fact in facts}
        done = []
        for key, rule in sorted(buckets_touched(ladder, facts).items()):
            before = receipts.get(key, ())
            if not any(fact_id in gone for _, fact_id in before):
                continue  # it never earned anything there, or was not decided about yet
            since, kind = key[1] * rule.per, kind_of(rule).value
            left = tracking.facts_between(self.session, subscriber_id, kind, since, since + rule.per)
            counted = recount(ladder, rule, key[1], before, [fact_of(row, None) for row in left])
            tracking.put_points(self.session, subscriber_id, key, counted.bucket, counted.points)
            done.append(counted)
        return done

    def _stage(self, awards: Sequence[Award]) -> dict[str, object]:
        """A rise that only a machine's facts made is taken back; any later change of stage lets it stand."""
        changes = tracking.stage_changes(self.session, self.person.subscriber.id)
        if not changes:
            return {}
        last = changes[-1]
        rise = Rise(last.at, last.before, last.after, last.rule, last.score)
        if still_holds(self.shelved.book, self.person, rise, awards):
            return {}
        now = self.world.now()
        rung = last.rule.partition(":")[2]
        row = {"before": last.after, "after": last.before, "cause": None, "rule": f"taken_back:{rung}", "at": now}
        score = last.score + sum(line.points for line in awards if line.at <= last.at)
        subscriber_id = self.person.subscriber.id
        tracking.record_stage_change(self.session, {"subscriber_id": subscriber_id, "score": score, **row})
        add_stage_counts(self.session, {(now // DAY, last.after, last.before): 1})
        told = [(change.rule, change.after) for change in changes] + [(str(row["rule"]), last.before)]
        top = furthest(self.shelved.book.ladder, changes[0].before, told)
        return {"stage": last.before, "stage_since": now, "furthest_stage": top}

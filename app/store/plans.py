"""Plans: where people stand, counted by place, and which mails are live, for whoever compares two versions.

Owns reading in chunks. Must not decide what a change does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from app.core.instants import Instant
from app.core.person import Cursor
from app.store.codec import cursors_from_json
from app.store.people import AttributeRow, SubscriberRow
from app.store.releases import LiveMailRow, MailVersionRow, ReleaseRow
from app.store.runs import RunRow

_LIVE = RunRow.state != "ended"


@dataclass(frozen=True, slots=True)
class Released:
    """A release as it is shown."""

    id: int
    digest: str
    author: str
    note: str
    commit: str
    at: Instant


@dataclass(frozen=True, slots=True)
class Place:
    """Where some people stand: the same campaign, version, sequence and cursors. `raw` names it to the store."""

    campaign: str
    version: str
    sequence: str
    cursor: Cursor
    people: int
    raw: str


def released(session: Session, release_id: int) -> Released | None:
    row = session.get(ReleaseRow, release_id)
    return None if row is None else _released(row)


def history(session: Session, limit: int = 20) -> list[Released]:
    """The newest releases first."""
    rows = session.scalars(select(ReleaseRow).order_by(ReleaseRow.id.desc()).limit(limit))
    return [_released(row) for row in rows]


def _released(row: ReleaseRow) -> Released:
    return Released(row.id, row.digest, row.author, row.note, row.git_commit, row.at)


def live_mails(session: Session) -> dict[tuple[str, str], str]:
    """(mail, locale) → digest of the version that is live."""
    query = select(MailVersionRow.mail, MailVersionRow.locale, MailVersionRow.digest)
    rows = session.execute(query.join(LiveMailRow, LiveMailRow.version_id == MailVersionRow.id))
    return {(row.mail, row.locale): row.digest for row in rows}


def places(session: Session, campaigns: Collection[str]) -> list[Place]:
    """Where people stand in these campaigns, counted in the database."""
    columns = (RunRow.campaign, RunRow.version, RunRow.sequence, RunRow.cursors)
    query = select(*columns, func.count()).where(_LIVE, RunRow.campaign.in_(campaigns)).group_by(*columns)
    found = []
    for campaign, version, sequence, cursors, people in session.execute(query):
        cursor = cursors_from_json(cursors).get(sequence, Cursor())
        found.append(Place(campaign, version, sequence, cursor, people, cursors))
    return found


def people_at(session: Session, places: Sequence[Place]) -> list[int]:
    """The ids of the people who stand at these places, in order, each once."""
    ids: set[int] = set()
    for place in places:
        at = and_(RunRow.campaign == place.campaign, RunRow.version == place.version)
        here = and_(RunRow.sequence == place.sequence, RunRow.cursors == place.raw)
        ids.update(session.scalars(select(RunRow.subscriber_id).where(_LIVE, at, here)))
    return sorted(ids)


def everybody(session: Session) -> list[int]:
    """The ids of all people who are not erased."""
    return list(
        session.scalars(select(SubscriberRow.id).where(SubscriberRow.state != "erased").order_by(SubscriberRow.id))
    )


def count_people(session: Session, campaigns: Collection[str] | None = None) -> int:
    """How many people there are; of some campaigns: how many have a live run in one of them."""
    if campaigns is None:
        return session.scalar(select(func.count()).select_from(SubscriberRow)) or 0
    inside = select(func.count(RunRow.subscriber_id.distinct())).where(_LIVE, RunRow.campaign.in_(campaigns))
    return session.scalar(inside) or 0


def due_of(session: Session, ids: Sequence[int]) -> dict[int, Instant | None]:
    rows = session.execute(select(SubscriberRow.id, SubscriberRow.due_at).where(SubscriberRow.id.in_(ids)))
    return {row.id: row.due_at for row in rows}


def overlaps(session: Session, campaigns: Collection[str]) -> list[tuple[str, str, int, int]]:
    """(campaign, other campaign, people who are under way in both, one of them), the most first."""
    one, two = aliased(RunRow), aliased(RunRow)
    both = and_(one.subscriber_id == two.subscriber_id, one.campaign < two.campaign)
    people = func.count(one.subscriber_id.distinct())
    query = (
        select(one.campaign, two.campaign, people, func.min(one.subscriber_id))
        .join(two, both)
        .where(one.state.not_in(("ended", "resting")), two.state.not_in(("ended", "resting")))
        .where(one.campaign.in_(campaigns) | two.campaign.in_(campaigns))
        .group_by(one.campaign, two.campaign)
        .order_by(people.desc(), one.campaign, two.campaign)
    )
    return [(a, b, count, who) for a, b, count, who in session.execute(query)]


def name_of(session: Session, subscriber_id: int) -> tuple[str, str]:
    """(first name, address) of one person."""
    address = session.scalar(select(SubscriberRow.address).where(SubscriberRow.id == subscriber_id)) or ""
    named = AttributeRow.subscriber_id == subscriber_id, AttributeRow.key == "first_name"
    return session.scalar(select(AttributeRow.text).where(*named)) or "", address


def step_counts(session: Session, campaign: str) -> dict[str, int]:
    """Step → how many live runs stand at it; "" for those at the end of their sequence."""
    query = select(RunRow.step, func.count()).where(_LIVE, RunRow.campaign == campaign).group_by(RunRow.step)
    return {row[0]: row[1] for row in session.execute(query)}


def chunks(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]

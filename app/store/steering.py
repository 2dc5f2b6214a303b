"""Steering: what a command says about campaigns and all sending, and waking the people it concerns.

Owns changes of the live and control rows that are no publication. Every change lets readers load anew.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.people import SubscriberRow
from app.store.releases import CONTROL, CampaignVersionRow, ControlRow, LiveRow, ReleaseRow
from app.store.runs import RunRow


def set_standing(session: Session, campaign: str, standing: str | None) -> bool:
    """Say what a campaign may do, over its file; None: as the file says. False for one never published."""
    row = session.get(LiveRow, campaign, populate_existing=True)
    if row is None:
        return False
    row.standing = standing
    _changed(session)
    return True


def set_paused(session: Session, *, is_paused: bool) -> None:
    """Hold all campaigns back; service mail goes on."""
    session.get_one(ControlRow, CONTROL, populate_existing=True).is_paused = is_paused
    _changed(session)


def set_killed(session: Session, *, is_killed: bool) -> None:
    """The kill switch: nothing leaves at all."""
    session.get_one(ControlRow, CONTROL, populate_existing=True).is_killed = is_killed
    _changed(session)


def _changed(session: Session) -> None:
    session.flush()
    bump = update(ControlRow).where(ControlRow.id == CONTROL).values(version=ControlRow.version + 1)
    session.execute(bump, execution_options={"synchronize_session": False})


def wake_stretch(session: Session, campaign: str, after: int, now: Instant, limit: int = 1_000) -> int | None:
    """Let the engine look at the next people with a live run in a campaign ("" : in any). None when all are woken."""
    live = select(RunRow.subscriber_id).where(RunRow.state != "ended", RunRow.subscriber_id > after)
    if campaign:
        live = live.where(RunRow.campaign == campaign)
    ids = session.scalars(live.distinct().order_by(RunRow.subscriber_id).limit(limit)).all()
    if not ids:
        return None
    due = case((SubscriberRow.due_at < now, SubscriberRow.due_at), else_=now)
    waking = update(SubscriberRow).where(SubscriberRow.id.in_(ids)).values(wake=SubscriberRow.wake + 1, due_at=due)
    session.execute(waking, execution_options={"synchronize_session": False})
    return ids[-1]


# ── Releases, for people ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Released:
    """One release as a list shows it."""

    id: int
    digest: str
    author: str
    note: str
    git_commit: str
    at: Instant


def releases(session: Session, before: int | None, limit: int) -> list[Released]:
    """The newest releases first."""
    query = select(ReleaseRow)
    if before is not None:
        query = query.where(ReleaseRow.id < before)
    rows = session.scalars(query.order_by(ReleaseRow.id.desc()).limit(limit))
    return [_released(row) for row in rows]


def release(session: Session, release_id: int) -> Released | None:
    row = session.get(ReleaseRow, release_id)
    return None if row is None else _released(row)


def versions(session: Session, campaign: str) -> list[tuple[str, Released]]:
    """(digest of the version, the release that first held it), newest first."""
    query = (
        select(CampaignVersionRow.digest, ReleaseRow)
        .join(ReleaseRow, ReleaseRow.id == CampaignVersionRow.release_id)
        .where(CampaignVersionRow.campaign == campaign)
        .order_by(ReleaseRow.id.desc())
    )
    return [(digest, _released(row)) for digest, row in session.execute(query)]


def _released(row: ReleaseRow) -> Released:
    return Released(row.id, row.digest, row.author, row.note, row.git_commit, row.at)

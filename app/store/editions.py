"""Editions: what was released and by whom, for people who look back; and the pause of everything.

Owns lists of releases and of a campaign's versions, and one flag of the control row. Must not publish.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.releases import CONTROL, CampaignVersionRow, ControlRow, ReleaseRow


@dataclass(frozen=True, slots=True)
class Released:
    """One release as a list shows it."""

    id: int
    digest: str
    author: str
    note: str
    git_commit: str
    at: Instant


def newest(session: Session, before: int | None, limit: int) -> list[Released]:
    """The newest releases first."""
    query = select(ReleaseRow)
    if before is not None:
        query = query.where(ReleaseRow.id < before)
    rows = session.scalars(query.order_by(ReleaseRow.id.desc()).limit(limit))
    return [_released(row) for row in rows]


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


def set_paused(session: Session, *, is_paused: bool) -> None:
    """Hold all campaigns back, or let them go on; readers load anew."""
    values = {"is_paused": is_paused, "version": ControlRow.version + 1}
    session.execute(update(ControlRow).where(ControlRow.id == CONTROL).values(values))

"""Steering: what commands write: a campaign's standing, the kill switch.

Owns a few single-row updates. Each makes readers load anew where that changes what they decide.
"""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.store.releases import CONTROL, ControlRow, LiveRow


def campaigns(session: Session) -> list[str]:
    """Every campaign that was ever published."""
    return list(session.scalars(select(LiveRow.campaign).order_by(LiveRow.campaign)))


def stand(session: Session, campaign: str, standing: str | None, policy: str | None) -> None:
    """Let a campaign stand as a command says (None: as its file says)."""
    row = session.get_one(LiveRow, campaign)
    row.standing = standing
    row.policy = policy or row.policy
    session.execute(update(ControlRow).where(ControlRow.id == CONTROL).values(version=ControlRow.version + 1))


def kill(session: Session, *, is_killed: bool) -> None:
    """Stop all sending, or let it go on. Senders read this row before each mail; decisions go on."""
    session.execute(update(ControlRow).where(ControlRow.id == CONTROL).values(is_killed=is_killed))

"""Copying: one SQLite database into another, as it stands.

Owns the backup of databases in memory. Must not be used for files people work with: migrations copy those.
"""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from app.core.instants import Instant
from app.store.engine import Database
from app.store.releases import LiveRow, ReleaseRow


def copy(source: Database, target: Database) -> None:
    """Everything of one SQLite database into another one, which loses what it held."""
    ours, theirs = source.engine.raw_connection(), target.engine.raw_connection()
    try:
        if ours.driver_connection is not None:
            ours.driver_connection.backup(theirs.driver_connection)
    finally:
        ours.close()
        theirs.close()


def redate(session: Session, at: Instant) -> None:
    """Let everything have been published at this instant."""
    session.execute(update(LiveRow).values(since=at))
    session.execute(update(ReleaseRow).values(at=at))

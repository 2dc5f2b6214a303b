"""Waking: after a publish, exactly the people it concerns are looked at, in small steps.

Owns the table of publications whose people are not all woken yet. A publish writes one row; the worker wakes a
stretch of ids with each tick, so that no transaction is long and a crash in between forgets nobody.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.store.base import At, Base, Id


class WakingRow(Base):
    __tablename__ = "waking"

    id: Mapped[Id]
    what: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: the campaigns that changed, or everybody."""
    after_id: Mapped[int] = mapped_column(BigInteger, default=0)
    """Subscribers up to this id are woken."""
    at: Mapped[At]

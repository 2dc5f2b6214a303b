"""Pictures: what mails show, published with them and kept for as long as somebody may open an old mail.

Owns bytes by public name (the content's hash): a name is never given to other content. Must not know formats.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import LargeBinary, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, upsert


class PictureRow(Base):
    __tablename__ = "picture"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[At]


def keep(session: Session, pictures: Mapping[str, bytes], at: Instant) -> None:
    """Keep pictures by public name; one kept already stays as it is."""
    rows = [{"name": name, "data": data, "at": at} for name, data in sorted(pictures.items())]
    if rows:
        session.connection().execute(upsert(session, PictureRow).on_conflict_do_nothing(), rows)


def find(session: Session, name: str) -> bytes | None:
    """The bytes of a picture; None for a name that was never published."""
    return session.scalar(select(PictureRow.data).where(PictureRow.name == name))

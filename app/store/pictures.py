"""Pictures: what mails show, published with them and kept for as long as any version of a mail names them.

Owns bytes by public name (the content's hash): a name is never given to other content. Must not know formats.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.store.base import At, Base, upsert
from app.store.releases import MailVersionRow


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


_NAME: Final = re.compile(r"[0-9a-f]{24}\.(?:png|jpg|gif|webp)")


def named(session: Session, after: int, limit: int) -> tuple[frozenset[str], int]:
    """The pictures that mail versions beyond `after` show, for so many of them, and the last version looked at (0: none
    was left). What was sent is kept as what fills its version, so whatever a kept mail shows, its version names.
    """
    query = select(MailVersionRow.id, MailVersionRow.compiled).where(MailVersionRow.id > after)
    rows = session.execute(query.order_by(MailVersionRow.id).limit(limit)).all()
    names = (name for _, compiled in rows for name in _NAME.findall(compiled))
    return frozenset(names), (rows[-1][0] if rows else 0)


def kept_before(session: Session, before: Instant) -> frozenset[str]:
    """The names of pictures kept before an instant."""
    return frozenset(session.scalars(select(PictureRow.name).where(PictureRow.at < before)))


def drop(session: Session, names: Iterable[str]) -> None:
    session.execute(delete(PictureRow).where(PictureRow.name.in_(sorted(names))))


def find(session: Session, name: str) -> bytes | None:
    """The bytes of a picture; None for a name that was never published."""
    return session.scalar(select(PictureRow.data).where(PictureRow.name == name))

"""The base of all tables: column types, naming, and the one Flask-SQLAlchemy instance.

Owns `db` and `Base`. `db.session` is not used anywhere: transactions come from `store.engine`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, ColumnElement, Index, Integer, LargeBinary, MetaData, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session, mapped_column

from app.store.turn import turn_of

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers rows by itself only in a column that is INTEGER to the letter.
RowId = BigInteger().with_variant(Integer, "sqlite")

Id = Annotated[int, mapped_column(RowId, primary_key=True, autoincrement=True)]
At = Annotated[int, mapped_column(BigInteger)]
"""An instant: microseconds since 1970 UTC."""
Key16 = Annotated[bytes, mapped_column(LargeBinary(16))]


def clean(text: str) -> str:
    """A text as the store keeps it: in NFC, which conditions compare by, and without the NUL PostgreSQL refuses."""
    return text if text.isascii() and "\0" not in text else unicodedata.normalize("NFC", text.replace("\0", ""))


BETWEEN = "\x1f"
"""Stands around every text of a list, so that one can be looked for in SQL. No text of ours holds it."""


def listed(texts: Iterable[str]) -> str:
    """A list of texts as one column; an empty one is an empty text."""
    cleaned = [clean(text).replace(BETWEEN, "") for text in texts]
    return f"{BETWEEN}{BETWEEN.join(cleaned)}{BETWEEN}" if cleaned else ""


def unlisted(text: str) -> tuple[str, ...]:
    return tuple(text[1:-1].split(BETWEEN)) if text else ()


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)


def partial_index(name: str, *columns: InstrumentedAttribute[Any], where: ColumnElement[bool]) -> Index:
    """An index over the rows a condition picks, on both databases."""
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


# ── Statements both databases know, each in its own words ────────────────────────────────────────────────────────────

Upsert: TypeAlias = "postgresql.Insert | sqlite.Insert"


def table_of(model: type[Base]) -> Table:
    """The table behind a model: statements on it pass by the session's bookkeeping."""
    return cast(Table, model.__table__)


def is_sqlite(session: Session) -> bool:
    return turn_of(session).is_sqlite


def upsert(session: Session, model: type[Base]) -> Upsert:
    """An INSERT that can say ON CONFLICT."""
    return sqlite.insert(table_of(model)) if is_sqlite(session) else postgresql.insert(table_of(model))

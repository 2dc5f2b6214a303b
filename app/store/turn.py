"""Turns: the connection of one transaction, and a session that costs nothing until somebody asks it something.

Owns the way past SQLAlchemy's machinery for hot statements: they run on the driver's own cursor, in the transaction the
session joins as soon as it is used. Must not know tables, and must not decide when a transaction begins or ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection

Found: TypeAlias = Sequence[Any]
"""Rows as the driver gives them; each is a sequence of values."""


class Turn:
    """One connection for as long as one transaction lasts; it is taken from the pool when it is first needed."""

    __slots__ = ("_cursor", "_engine", "_held", "_is_write", "_joined", "is_sqlite")

    def __init__(self, engine: Engine, *, is_write: bool) -> None:
        self._engine = engine
        self._is_write = is_write
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._held: PoolProxiedConnection | None = None
        self._cursor: DBAPICursor | None = None
        self._joined: Connection | None = None

    @property
    def is_joined(self) -> bool:
        """Whether the session has used the connection."""
        return self._joined is not None

    def begin(self) -> None:
        """Take a connection and begin. Raises StoreError when there is none, or none that may write."""
        try:
            self._held = held = self._engine.raw_connection()
            self._cursor = cursor = held.cursor()
        except self._errors as error:
            raise self._told(error, None) from error
        if self.is_sqlite:
            self._send(cursor, "BEGIN IMMEDIATE" if self._is_write else "BEGIN", ())

    def run(self, statement: str, given: Any) -> Found:
        """Send one statement and return its rows. Once the session has spoken, it goes the session's way."""
        if self._joined is not None:
            result = self._joined.exec_driver_sql(statement, given)
            return result.all() if result.returns_rows else ()
        if self._cursor is None:
            self.begin()
        assert self._cursor is not None
        return self._send(self._cursor, statement, given)

    def run_each(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Send one statement for each row."""
        given = list(rows)
        if self._joined is not None:
            self._joined.exec_driver_sql(statement, given)
            return
        if self._cursor is None:
            self.begin()
        assert self._cursor is not None
        try:
            self._cursor.executemany(statement, given)
        except self._errors as error:
            raise self._told(error, statement) from error

    def _send(self, cursor: DBAPICursor, statement: str, given: Any) -> Found:
        try:
            cursor.execute(statement, given)
            return cursor.fetchall() if self._has_rows(cursor) else ()
        except self._errors as error:
            raise self._told(error, statement) from error

    def _has_rows(self, cursor: Any) -> bool:
        """As `description` says, which PostgreSQL's driver makes anew, column by column, whenever it is asked."""
        if self.is_sqlite:
            return cursor.description is not None
        return cursor.pgresult is not None and cursor.pgresult.nfields > 0

    def joined(self) -> Connection:
        """The same connection in SQLAlchemy's words."""
        if self._joined is None:
            if self._held is None:
                self.begin()
            self._joined = Connection(self._engine, self._held)
            self._joined = self._joined.execution_options(parvar_write=self._is_write)
        return self._joined

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self) -> None:
        """Commit what was sent past the session; what went its way, it has committed itself."""
        if self._held is not None and self._joined is None:
            try:
                self._held.commit()
            except self._errors as error:
                raise self._told(error, "COMMIT") from error

    def close(self) -> None:
        """Give the connection back. What was not committed is rolled back by the pool."""
        if self._joined is not None:
            self._joined.close()
        elif self._held is not None:
            self._held.close()

    # ── Errors ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def _errors(self) -> type[Exception]:
        found: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        return found

    def _told(self, error: Exception, statement: str | None) -> BaseException:
        """The error of the driver as a StoreError; a connection that is gone is not used again."""
        dialect, held = self._engine.dialect, self._held
        is_gone = held is not None and dialect.is_disconnect(error, held, self._cursor)  # type: ignore[arg-type]
        if is_gone and held is not None:
            held.invalidate(error)
            self._held = self._cursor = None
        return DBAPIError.instance(
            statement, None, error, self._errors, hide_parameters=True, connection_invalidated=is_gone, dialect=dialect
        )


class TurnSession(Session):
    """A session on the connection of one turn."""

    def __init__(self, turn: Turn) -> None:
        super().__init__(expire_on_commit=False)
        self.turn = turn

    def get_bind(self, *_given: Any, **_more: Any) -> Connection:
        return self.turn.joined()

    def commit_all(self) -> None:
        """Commit what was written by objects and past them."""
        if self.in_transaction():
            self.commit()
        self.turn.commit()

    def end(self) -> None:
        """Give everything back; what was not committed is rolled back."""
        try:
            if self.turn.is_joined or self.in_transaction():
                self.close()
        finally:
            self.turn.close()


def turn_of(session: Session) -> Turn:
    """The turn behind a session: all of them come from `Database.transaction`."""
    assert isinstance(session, TurnSession)
    return session.turn

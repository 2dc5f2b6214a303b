"""The engine: connections, and transactions that are opened in one place only.

Owns how SQLite and PostgreSQL are spoken to: pragmas, the write gate, BEGIN IMMEDIATE, isolation. Must not know tables.
SQLite: autocommit is left to SQLAlchemy (the driver's own implicit BEGIN is off), a write takes the gate and begins
IMMEDIATE, so that reading first and writing after never fails with a stale snapshot.
"""

from __future__ import annotations

import hmac
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, TypeAlias

from flask import Flask
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, InvalidatePoolError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.base import db
from app.store.gate import Gate
from app.store.turn import Turn, TurnSession

Intent: TypeAlias = Literal["read", "write"]
StoreError: TypeAlias = SQLAlchemyError
"""What goes wrong with the database, for those who may not know which library speaks to it."""


def is_away(error: BaseException) -> bool:
    """Whether the database itself cannot be reached, rather than having refused what it was asked."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or error.statement is None
    return isinstance(error, PoolTimeoutError)


def is_unfit(error: BaseException) -> bool:
    """Whether it was a value that could not be stored: to try again would not help."""
    return isinstance(error, DataError) or (isinstance(error, StatementError) and not isinstance(error, DBAPIError))


_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=10000",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-16000",
)


class Database:
    """One database: `transaction("read" | "write")` gives a session that is committed at the end, or rolled back."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._gate = _gate_of(engine)
        if self.is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            event.listen(engine, "checkin", _note_time)
            event.listen(engine, "checkout", _ask_if_alive)

    @contextmanager
    def transaction(self, intent: Intent = "write") -> Iterator[Session]:
        """A short transaction. Raises GateClosedError when a write cannot get its turn in time."""
        is_write = intent == "write"
        with self._passed(intent):
            session = TurnSession(Turn(self.engine, is_write=is_write))
            try:
                if is_write:
                    session.turn.begin()
                yield session
                session.commit_all()
            finally:
                session.end()

    @contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """A connection in one writing transaction in which tables may be rebuilt: foreign keys are not watched."""
        with self._passed("write"), self.engine.connect() as connection:
            connection = connection.execution_options(parvar_write=True)
            self._watch_keys(connection, is_on=False)
            try:
                with connection.begin():
                    yield connection
            finally:
                self._watch_keys(connection, is_on=True)

    def _watch_keys(self, connection: Connection, *, is_on: bool) -> None:
        """SQLite heeds this setting outside a transaction only."""
        driver = connection.connection.dbapi_connection
        if self.is_sqlite and driver is not None:
            driver.execute(f"PRAGMA foreign_keys={'ON' if is_on else 'OFF'}")

    def _passed(self, intent: Intent) -> AbstractContextManager[None]:
        return self._gate.passed() if self._gate and intent == "write" else nullcontext()

    def end_idle(self, seconds: float) -> None:
        """From now on a connection that sleeps inside a transaction is ended: what it had locked is free again.

        For workers: one that is stopped (SIGSTOP, a suspended machine) must not hold up the others. PostgreSQL only;
        SQLite's lock belongs to one machine, and whoever waits for it says so (GateClosedError).
        """
        if not self.is_sqlite:
            limit = f"SET idle_in_transaction_session_timeout = {int(seconds * 1000)}"
            event.listen(self.engine, "connect", lambda connection, _record: _say(connection, limit))
            self.engine.dispose()

    def dispose(self) -> None:
        self.engine.dispose()


def _say(connection: Any, statement: str) -> None:
    """A setting of the session, outside any transaction, so that no rollback takes it back."""
    before, connection.autocommit = connection.autocommit, True
    connection.execute(statement)
    connection.autocommit = before


def open_database(url: str) -> Database:
    """The database behind a URL, through Flask-SQLAlchemy's engine; nothing is connected yet."""
    app = Flask("parvar-store")
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _options(url)
    db.init_app(app)
    with app.app_context():
        return Database(db.engine)


def _options(url: str) -> dict[str, object]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"check_same_thread": False, "timeout": 10}}
    return {"pool_size": 10, "max_overflow": 20}


_ALIVE_FOR = 0.5
"""Seconds for which a connection given back is taken to be alive: a load of mails is quicker than that."""


def _note_time(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["given_back"] = time.monotonic()


def _ask_if_alive(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """What the pool's own ping does before every transaction; when there is no answer, it connects anew."""
    if time.monotonic() - record.info.get("given_back", math.inf) > _ALIVE_FOR:
        try:
            _say(connection, "SELECT 1")
        except connection.Error as error:
            raise InvalidatePoolError from error


def _gate_of(engine: Engine) -> Gate | None:
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        return None
    return Gate(Path(f"{name}.gate"))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    connection.create_function("hmac_sha256", 3, _hmac, deterministic=True)
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _hmac(key: bytes, before: bytes, after: bytes) -> bytes:
    """What PostgreSQL can make of its own sha256; store/clauses asks it for lasting draws."""
    return hmac.digest(key, before + after, "sha256")


def _begin_sqlite(connection: Connection) -> None:
    """Unless the turn has begun already, when the session joins it."""
    if getattr(connection.connection.dbapi_connection, "in_transaction", False):
        return
    is_write = connection.get_execution_options().get("parvar_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")

"""What hangs on a message goes with its person, though no foreign key says so."""

import threading
from itertools import chain

import pytest
from sqlalchemy import func, select

from app.core.instants import MINUTE
from app.core.person import MailClass, MessageState
from app.store import bodies, claims, signups
from app.store.claims import Attempt, Claim, Settlement, Wanted
from app.store.engine import Database
from app.store.messages import BodyRow, DeliveryRow, MessageRow
from tests.services.clock import START
from tests.store.cast import alice, bob, queued

ME = "node-a:1"
GMAIL = Wanted(MailClass.MARKETING, "gmail", 10, START, START + MINUTE)


@pytest.fixture
def hers(database: Database) -> int:
    """Alice; she and Bob have two mails each, all taken."""
    with database.transaction() as session:
        who = alice(session).id
        for person in (who, bob(session).id):
            for number in range(2):
                queued(session, person, f"{person}:{number}")
    return who


def taken(database: Database) -> list[Claim]:
    with database.transaction() as session:
        return claims.claim(session, ME, GMAIL)


def record(database: Database, ended: list[Claim], committing: threading.Event | None = None) -> None:
    """As a worker does; before the end it waits for whoever is to meet it there."""
    with database.transaction() as session:
        settled = claims.settle(
            session, ME, [Settlement(each.id, each.claim_no, MessageState.SENT, START) for each in ended]
        )
        claims.record_attempts(session, [Attempt(each.id, each.claim_no, START, code=250) for each in ended])
        bodies.keep(session, {each.id: b"body" for each in settled}, START)
        if committing is not None:
            committing.set()
            threading.Event().wait(0.15)


def counted(database: Database) -> tuple[int, ...]:
    """Messages, attempts, bodies."""
    with database.transaction("read") as session:
        return tuple(session.scalar(select(func.count()).select_from(row)) or 0 for row in _ROWS)


_ROWS = (MessageRow, DeliveryRow, BodyRow)


def orphans(database: Database) -> list[int]:
    with database.transaction("read") as session:
        known = set(session.scalars(select(MessageRow.id)))
        found = chain(session.scalars(select(DeliveryRow.message_id)), session.scalars(select(BodyRow.message_id)))
        return sorted(set(found) - known)


def erase(database: Database, who: int) -> None:
    with database.transaction() as session:
        signups.erase(session, who)


def test_an_erased_person_leaves_no_attempt_and_no_body_behind(database: Database, hers: int) -> None:
    record(database, taken(database))
    assert counted(database) == (4, 4, 4)
    erase(database, hers)
    assert counted(database) == (2, 2, 2), "Bob keeps his"
    assert orphans(database) == []


def test_what_is_recorded_after_she_was_erased_is_not_kept(database: Database, hers: int) -> None:
    claimed = taken(database)
    erase(database, hers)
    record(database, claimed)
    assert counted(database) == (2, 2, 2)
    assert orphans(database) == []


def test_erasing_waits_for_whoever_is_recording_her_mails(database: Database, hers: int) -> None:
    claimed, committing = taken(database), threading.Event()
    recording = threading.Thread(target=record, args=(database, claimed, committing))
    recording.start()
    assert committing.wait(10)
    erase(database, hers)
    recording.join(10)
    assert counted(database) == (2, 2, 2)
    assert orphans(database) == []

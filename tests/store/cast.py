"""The people of the store's tests: Alice is confirmed, Bob is not yet, Carol left."""

from itertools import count

from sqlalchemy.orm import Session

from app.core.instants import DAY
from app.core.person import MailClass
from app.core.subscriber import SubscriberState
from app.store.messages import NewMessage, queue_by_cause
from app.store.people import NewSubscriber, SubscriberRow, create
from tests.services.clock import START

_numbers = count(1)


def new_id() -> bytes:
    """16 bytes never handed out before in this process."""
    return next(_numbers).to_bytes(16, "big")


def somebody(session: Session, name: str) -> SubscriberRow:
    address = f"{name}@example.com"
    return create(session, NewSubscriber(new_id(), address, address, "lead", START, locale="fa"))


def alice(session: Session) -> SubscriberRow:
    row = somebody(session, "alice")
    row.state, row.confirmed_at = SubscriberState.ACTIVE.value, START
    session.flush()
    return row


def bob(session: Session) -> SubscriberRow:
    return somebody(session, "bob")


def carol(session: Session) -> SubscriberRow:
    row = somebody(session, "carol")
    row.state, row.confirmed_at, row.unsubscribed_at = SubscriberState.UNSUBSCRIBED.value, START - DAY, START
    session.flush()
    return row


def queued(session: Session, subscriber_id: int, cause: str, at: int = START, rank: int = 0) -> int:
    """A marketing mail in the lane `gmail`."""
    mail = NewMessage(new_id(), subscriber_id, cause, "a/b", MailClass.MARKETING, at, lane="gmail", rank=rank)
    found = queue_by_cause(session, mail)
    assert found is not None
    return found

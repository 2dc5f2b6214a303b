"""Shopping: orders by their number, the people they are told of, and the mail an order is credited to.

Owns the queries of the purchase table beside writing it (store/events). Must not decide what deserves credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.core.instants import DAY, Instant, Span
from app.store.base import table_of
from app.store.events import EventRow, Purchase, PurchaseRow
from app.store.ledgers import CountRow, StepCount
from app.store.messages import MessageRow
from app.store.people import SubscriberRow


def find_people(session: Session, address_keys: Iterable[str], public_ids: Iterable[bytes]) -> dict[str | bytes, int]:
    """Address key or public id → subscriber id; who is not here, or was erased, is not in the answer."""
    row = SubscriberRow
    keys, ids = sorted(set(address_keys)), sorted(set(public_ids))
    query = select(row.id, row.address_key, row.public_id).where(
        row.address_key.in_(keys) | row.public_id.in_(ids), row.state != "erased"
    )
    found: dict[str | bytes, int] = {}
    for person in session.execute(query):
        found[person.address_key] = found[person.public_id] = person.id
    return found


def find_purchase(session: Session, source: str, order_id: str) -> Purchase | None:
    row = session.get(PurchaseRow, (source, order_id), populate_existing=True)
    return None if row is None else _purchase(row)


def credited_to(session: Session, message_ids: Iterable[int]) -> list[Purchase]:
    """Orders that are credited to one of these mails."""
    mails = sorted(set(message_ids))
    people = select(MessageRow.subscriber_id).where(MessageRow.id.in_(mails))
    query = select(PurchaseRow).where(PurchaseRow.subscriber_id.in_(people), PurchaseRow.credited_message_id.in_(mails))
    return [_purchase(row) for row in session.scalars(query.order_by(PurchaseRow.source, PurchaseRow.order_id))]


def set_credit(session: Session, purchase: Purchase) -> None:
    one = (PurchaseRow.source == purchase.source) & (PurchaseRow.order_id == purchase.order_id)
    rows = update(PurchaseRow).where(one).values(credited_message_id=purchase.credited_message_id)
    session.execute(rows, execution_options={"synchronize_session": False})


def _purchase(row: PurchaseRow) -> Purchase:
    return Purchase(**{name: getattr(row, name) for name in Purchase.__dataclass_fields__})


def last_human_click(session: Session, subscriber_id: int, at: Instant, within: Span) -> int | None:
    """The mail of the last click of this person before an instant that was a human's."""
    row = EventRow
    query = select(row.message_id).where(
        row.subscriber_id == subscriber_id,
        row.kind == "clicked",
        row.verdict == "human",
        row.at > at - within,
        row.at <= at,
        row.message_id.is_not(None),
    )
    return session.scalar(query.order_by(row.at.desc(), row.fact_id.desc()).limit(1))


def place_of(session: Session, message_id: int | None) -> tuple[str, str, str] | None:
    """Campaign, step and arm of a mail as its counters are kept under."""
    if message_id is None:
        return None
    row = MessageRow
    found = session.execute(select(row.campaign, row.step, row.mail_key, row.arm).where(row.id == message_id)).first()
    return None if found is None else (found.campaign, found.step or found.mail_key, found.arm)


# ── Counters against orders ──────────────────────────────────────────────────────────────────────────────────────────

_METRICS = ("credited:orders", "credited:revenue")


def kept_credit(session: Session, since_day: int, until_day: int) -> dict[StepCount, int]:
    row = table_of(CountRow)
    query = select(row).where(row.c.day >= since_day, row.c.day < until_day, row.c.metric.in_(_METRICS))
    return {(r.day, r.campaign, r.step, r.arm, r.metric): r.value for r in session.execute(query) if r.value}


def counted_credit(session: Session, since_day: int, until_day: int) -> dict[StepCount, int] | None:
    """What the orders of some days say the counters of the mails they are credited to should be.

    None when nobody can tell any more, because a person credited with an order was erased with her mails.
    """
    order, mail = PurchaseRow, MessageRow
    query = select(order.at, order.amount, order.refunded, mail.id, mail.campaign, mail.step, mail.mail_key, mail.arm)
    query = query.outerjoin(mail, mail.id == order.credited_message_id).where(order.credited_message_id.is_not(None))
    counts: dict[StepCount, int] = {}
    for row in session.execute(query.where(order.at >= since_day * DAY, order.at < until_day * DAY)):
        if row.id is None:
            return None
        place = (row.at // DAY, row.campaign, row.step or row.mail_key, row.arm)
        for metric, value in zip(_METRICS, (1, row.amount - row.refunded), strict=True):
            counts[(*place, metric)] = counts.get((*place, metric), 0) + value
    return {key: value for key, value in counts.items() if value}


def revenue(session: Session, since: Instant, until: Instant) -> tuple[int, int]:
    """All revenue between two instants, and how much of it is credited to mails; the second is never more."""
    left = PurchaseRow.amount - PurchaseRow.refunded
    mine: Sequence[ColumnElement[bool]] = (PurchaseRow.at >= since, PurchaseRow.at < until)
    total = session.scalar(select(func.coalesce(func.sum(left), 0)).where(*mine))
    is_credited = PurchaseRow.credited_message_id.is_not(None)
    credited = session.scalar(select(func.coalesce(func.sum(left), 0)).where(*mine, is_credited))
    return int(total or 0), int(credited or 0)

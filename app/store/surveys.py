"""Surveys: the answer each person gives to each question asked, as it stands now.

Owns one row per question asked by mail; changing an answer changes the row. Must not judge answers or scales.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Float, ForeignKey, Index, Integer, String, Text, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.core.instants import Instant
from app.core.person import MessageState
from app.store.base import At, Base, RowId, clean, table_of, upsert
from app.store.messages import MessageRow
from app.store.people import SubscriberRow, lock
from app.store.runs import RunRow


class SurveyAnswerRow(Base):
    """What was answered to one mail. Stage and campaign are those of the moment of the first answer."""

    __tablename__ = "survey_answer"

    message_id: Mapped[int] = mapped_column(RowId, ForeignKey("message.id", ondelete="CASCADE"), primary_key=True)
    survey: Mapped[str] = mapped_column(String(64))
    subscriber_id: Mapped[int] = mapped_column(RowId, ForeignKey("subscriber.id", ondelete="CASCADE"))
    answer: Mapped[str] = mapped_column(String(64))
    number: Mapped[float | None] = mapped_column(Float(53))
    comment: Mapped[str] = mapped_column(Text, default="")
    stage: Mapped[str] = mapped_column(String(64))
    campaign: Mapped[str] = mapped_column(String(64))
    step: Mapped[str] = mapped_column(String(200))
    at: Mapped[At]
    changed_at: Mapped[At]
    changes: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (
        Index("ix_survey_answer_survey", "survey", "at"),
        Index("ix_survey_answer_person", "subscriber_id"),
    )


class SurveyCountRow(Base):
    """How many people's latest answer this is, by stage and campaign: kept, not counted. Outlives the answers."""

    __tablename__ = "survey_count"

    survey: Mapped[str] = mapped_column(String(64), primary_key=True)
    stage: Mapped[str] = mapped_column(String(64), primary_key=True)
    campaign: Mapped[str] = mapped_column(String(64), primary_key=True)
    answer: Mapped[str] = mapped_column(String(64), primary_key=True)
    people: Mapped[int] = mapped_column(Integer)


_ANSWER, _MESSAGE, _PERSON = map(table_of, (SurveyAnswerRow, MessageRow, SubscriberRow))


@dataclass(frozen=True, slots=True)
class Asked:
    """A question asked by mail: to whom, by which step, when it left (None: not yet), and who that is now."""

    message_id: int
    subscriber_id: int
    campaign: str
    version: str
    step: str
    mail: str
    left_at: Instant | None
    locale: str
    stage: str
    state: str


def asked(session: Session, message_id: int) -> Asked | None:
    """The mail behind an answer's link; None when it is gone, with its person."""
    query = (
        select(MessageRow, SubscriberRow, RunRow.version)
        .join(SubscriberRow, SubscriberRow.id == MessageRow.subscriber_id)
        .outerjoin(RunRow, RunRow.id == MessageRow.run_id)
        .where(MessageRow.id == message_id)
    )
    row = session.execute(query).first()
    if row is None:
        return None
    message, person, version = row
    has_left = message.state in (MessageState.SENT.value, MessageState.UNCERTAIN.value, MessageState.CLAIMED.value)
    return Asked(
        message_id=message.id,
        subscriber_id=person.id,
        campaign=message.campaign,
        version=version or "",
        step=message.step,
        mail=message.mail_key,
        left_at=(message.settled_at or message.due_at) if has_left else None,
        locale=person.locale,
        stage=person.stage,
        state=person.state,
    )


@dataclass(frozen=True, slots=True)
class Given:
    """One answer, in words and, on a scale, as a number."""

    answer: str
    number: float | None
    comment: str = ""


def answer_of(session: Session, message_id: int) -> Given | None:
    """What was answered to a mail so far."""
    row = session.get(SurveyAnswerRow, message_id)
    return None if row is None else Given(row.answer, row.number, row.comment)


def put_answer(session: Session, asked: Asked, survey: str, given: Given, now: Instant) -> bool:
    """Keep an answer, or the change of one, and the counts with it. False when exactly this was answered before."""
    lock(session, (asked.subscriber_id,))
    before = _latest(session, survey, asked.subscriber_id)
    words = {"answer": clean(given.answer), "number": given.number, "comment": clean(given.comment)}
    statement = upsert(session, SurveyAnswerRow).values(
        message_id=asked.message_id,
        survey=survey,
        subscriber_id=asked.subscriber_id,
        stage=asked.stage,
        campaign=asked.campaign,
        step=asked.step,
        at=now,
        changed_at=now,
        changes=0,
        **words,
    )
    differs = (_ANSWER.c.answer != words["answer"]) | (_ANSWER.c.comment != words["comment"])
    once = statement.on_conflict_do_update(
        index_elements=["message_id"],
        set_={**words, "changed_at": now, "changes": _ANSWER.c.changes + 1},
        where=differs,
    )
    if session.scalar(once.returning(_ANSWER.c.message_id)) is None:
        return False
    after = _latest(session, survey, asked.subscriber_id)
    if after != before:
        _count(session, survey, before, -1)
        _count(session, survey, after, 1)
    return True


_Place: TypeAlias = tuple[str, str, str]
"""(stage, campaign, answer)"""


def _latest(session: Session, survey: str, subscriber_id: int) -> _Place | None:
    """The answer by which a person counts."""
    mine = select(_ANSWER.c.stage, _ANSWER.c.campaign, _ANSWER.c.answer).where(
        _ANSWER.c.survey == survey, _ANSWER.c.subscriber_id == subscriber_id
    )
    row = session.execute(mine.order_by(_ANSWER.c.at.desc(), _ANSWER.c.message_id.desc()).limit(1)).first()
    return None if row is None else (row.stage, row.campaign, row.answer)


def _count(session: Session, survey: str, place: _Place | None, people: int) -> None:
    if place is not None:
        keys = dict(zip(("stage", "campaign", "answer"), place, strict=True))
        statement = upsert(session, SurveyCountRow).values(survey=survey, people=people, **keys)
        more = {"people": SurveyCountRow.people + people}
        session.execute(statement.on_conflict_do_update(index_elements=["survey", *keys], set_=more))


# ── Results ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Tally:
    """So many people of a stage answered so to a campaign's mail."""

    stage: str
    campaign: str
    answer: str
    count: int


def tallies(session: Session, survey: str, since: Instant = 0) -> list[Tally]:
    """The answers since an instant; of each person only the latest, so that nobody counts twice.

    Those since ever are kept and cost nothing; others are counted.
    """
    if since == 0:
        return kept_tallies(session, survey)
    mine = select(_ANSWER).where(_ANSWER.c.survey == survey, _ANSWER.c.at >= since)
    order = func.row_number().over(
        partition_by=_ANSWER.c.subscriber_id, order_by=(_ANSWER.c.at.desc(), _ANSWER.c.message_id.desc())
    )
    latest = mine.add_columns(order.label("place")).subquery()
    what = (latest.c.stage, latest.c.campaign, latest.c.answer)
    rows = session.execute(select(*what, func.count()).where(latest.c.place == 1).group_by(*what).order_by(*what))
    return [Tally(*row) for row in rows]


def kept_tallies(session: Session, survey: str) -> list[Tally]:
    """How many answered what, as it is kept."""
    table = table_of(SurveyCountRow)
    rows = session.execute(select(table).where(table.c.survey == survey, table.c.people > 0))
    return sorted(
        (Tally(row.stage, row.campaign, row.answer, row.people) for row in rows),
        key=lambda tally: (tally.stage, tally.campaign, tally.answer),
    )


def asked_count(session: Session, mails: Sequence[str], since: Instant = 0) -> int:
    """How many people were sent one of these mails."""
    sent = _MESSAGE.c.state.in_((MessageState.SENT.value, MessageState.UNCERTAIN.value))
    mine = _MESSAGE.c.mail_key.in_(sorted(mails)) & (_MESSAGE.c.settled_at >= since)
    return session.scalar(select(func.count(func.distinct(_MESSAGE.c.subscriber_id))).where(sent, mine)) or 0


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote beside an answer."""

    subscriber_id: int
    address: str
    answer: str
    comment: str
    stage: str
    campaign: str
    at: Instant
    person: bytes


def comments(session: Session, survey: str, limit: int = 50) -> list[Comment]:
    """The newest answers with words, newest first."""
    query = (
        select(_ANSWER.c.subscriber_id, _PERSON.c.address, _ANSWER.c.answer, _ANSWER.c.comment)
        .add_columns(_ANSWER.c.stage, _ANSWER.c.campaign, _ANSWER.c.changed_at, _PERSON.c.public_id)
        .join(_PERSON, _PERSON.c.id == _ANSWER.c.subscriber_id)
        .where(_ANSWER.c.survey == survey, _ANSWER.c.comment != "")
        .order_by(_ANSWER.c.at.desc(), _ANSWER.c.message_id.desc())
        .limit(limit)
    )
    return [Comment(*row) for row in session.execute(query)]
